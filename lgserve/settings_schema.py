"""The settings of the server: each one a field with its default, parser, names and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from lgserve import setting_values as values
from lgserve.auth_settings import AuthSettings
from lgserve.config_document import KeyPath
from lgserve.core.vocabulary import MissedPolicy
from lgserve.project_config import ProjectConfig
from lgserve.webhook_settings import WebhookSettings

DATABASE_NAME = "lgserve.db"


def setting(
    default: object, parse: values.Parser, about: str, *, env: tuple[str, ...] = (), flag: str = ""
) -> Any:
    """Declare a setting where its field stands: the one table everything else is derived from."""
    metadata = {"parse": parse, "about": about, "env": env, "flag": flag}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Which web pages of other origins may call the API."""

    allow_origins: tuple[str, ...] = setting(
        ("*",),
        values.texts,
        "origins that may call the API",
        env=("CORS_ALLOW_ORIGINS",),
        flag="--cors",
    )
    allow_origin_regex: str | None = setting(
        None, values.pattern, "a regular expression for more such origins"
    )
    allow_methods: tuple[str, ...] = setting(("*",), values.texts, "methods they may use")
    allow_headers: tuple[str, ...] = setting(("*",), values.texts, "headers they may send")
    allow_credentials: bool = setting(False, values.switch, "whether they may send cookies")
    expose_headers: tuple[str, ...] = setting(
        ("x-pagination-total", "x-pagination-next", "content-location", "location"),
        values.texts,
        "headers they may read",
    )
    max_age: int = setting(
        600, values.whole(0), "seconds a browser may keep the answer to a preflight"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crons:
    """Runs that recur by a schedule."""

    enabled: bool = setting(True, values.switch, "serve crons, and fire them")
    missed: MissedPolicy = setting(
        "skip",
        values.choice("skip", "one", "all"),
        "what becomes of firings while no server was there: skip them, make up for all of a cron's"
        " with one run, or for each of them (at most 1000 a cron)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this server was told; every path is absolute. Can be pickled for a child process."""

    project: ProjectConfig

    host: str = setting("127.0.0.1", values.text, "address to listen on", flag="--host")
    port: int = setting(
        2024,
        values.whole(0, 65535),
        "port to listen on; 0 takes a free one",
        env=("PORT",),
        flag="--port",
    )
    public_url: str | None = setting(
        None,
        values.url,
        "address clients reach the server at, when it stands behind a proxy",
        flag="--public-url",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        values.proxies,
        "addresses or networks of proxies whose X-Forwarded-Proto, -Host and -Prefix are believed;"
        " * for all",
        env=("FORWARDED_ALLOW_IPS",),
    )
    a2a_assistant: str | None = setting(
        None,
        values.text,
        "assistant whose agent card /.well-known/agent-card.json shows to who names none",
        env=("DEFAULT_A2A_ASSISTANT_ID",),
    )
    mount_prefix: str = setting(
        "",
        values.mount_prefix,
        "path that all routes are below, such as /api",
        env=("MOUNT_PREFIX",),
    )
    max_body_bytes: int = setting(
        100 * 1024**2, values.size, "largest request body", env=("HTTP_MAX_REQUEST_BODY_BYTES",)
    )
    mask_errors: bool = setting(
        True,
        values.switch,
        "hide the message of errors that may hold internals, as langgraph-api does; "
        "lgserve dev shows them unless told to hide them",
    )
    cors: Cors = field(default_factory=Cors)
    crons: Crons = field(default_factory=Crons)
    #: From the blocks `auth` and `lgserve.auth`.
    auth: AuthSettings = field(default_factory=AuthSettings)
    #: From the blocks `webhooks` and `lgserve.webhooks`.
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)

    data: Path | None = setting(
        Path(".lgserve"),
        values.data_folder,
        "folder of the database, or :memory: to keep nothing; the default lies beside the config",
        flag="--data",
    )
    fresh: bool = setting(False, values.switch, "start with an empty database", flag="--fresh")
    synchronous: str = setting(
        "normal",
        values.choice("normal", "full"),
        "SQLite's synchronous; full survives a power cut too",
    )

    n_jobs_per_worker: int = setting(
        64,
        values.whole(1, 10_000),
        "runs at once in one process",
        env=("N_JOBS_PER_WORKER",),
        flag="--n-jobs-per-worker",
    )
    run_timeout_seconds: float = setting(
        86_400.0, values.seconds, "time after which a run is stopped", env=("BG_JOB_TIMEOUT_SECS",)
    )
    max_attempts: int = setting(
        3, values.whole(1, 100), "times a run is started when its process dies"
    )
    lease_seconds: float = setting(
        30.0,
        values.seconds,
        "time after which the runs of a process that fell silent are taken over",
    )
    strict_blocking: bool = setting(
        False,
        values.switch,
        "make a call that blocks the event loop fail its run",
        flag="--strict-blocking",
    )
    stall_seconds: float = setting(
        0.25, values.seconds, "time a node may block the event loop before it is reported"
    )
    heartbeat_seconds: float = setting(
        5.0, values.seconds, "time between the signs of life of a stream or a wait"
    )
    resumable_ttl_seconds: float = setting(
        86_400.0,
        values.seconds,
        "time the events of a resumable stream are kept",
        env=("RESUMABLE_STREAM_TTL_SECONDS",),
    )
    grace_seconds: float = setting(
        5.0,
        values.seconds_or_zero,
        "time that runs get to finish when the server stops",
        env=("BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS",),
        flag="--grace",
    )

    callbacks: tuple[str, ...] = setting(
        (),
        values.objects,
        "LangChain callback handlers of all runs: ./file.py:object or package.module:object",
    )

    log_format: str = setting(
        "auto",
        values.choice("auto", "pretty", "json"),
        "auto is pretty on a terminal and json elsewhere",
        flag="--log-format",
    )
    log_level: str = setting(
        "info",
        values.choice("debug", "info", "warning", "error", "critical"),
        "least level that is logged",
        flag="--server-log-level",
    )
    access_log: str = setting(
        "errors",
        values.choice("off", "errors", "all"),
        "requests that are logged",
        flag="--access-log",
    )

    reload: bool = setting(
        True, values.switch, "lgserve dev: take up changed code", flag="--reload/--no-reload"
    )
    reload_dirs: tuple[Path, ...] = setting(
        (), values.folders, "folders to watch instead of the config's", flag="--reload-dir"
    )
    reload_include: tuple[str, ...] = setting(
        ("*.py",), values.texts, "names of files to watch", flag="--reload-include"
    )
    reload_exclude: tuple[str, ...] = setting(
        (), values.texts, "names of files and folders not to watch", flag="--reload-exclude"
    )

    #: What gave a setting its value, by its name; a setting that has its default is not in it.
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path | None:
        """The database file; None keeps everything in memory."""
        return self.data / DATABASE_NAME if self.data else None


class SettingDoc(NamedTuple):
    """A row of the table of settings; `name` is its key under `lgserve`, with dots."""

    name: str
    default: str
    env: tuple[str, ...]
    flag: str
    about: str


class Spec(NamedTuple):
    """What a field declares, with the keys that lead to it."""

    keys: KeyPath
    default: object
    parse: values.Parser
    env: tuple[str, ...]
    flag: str
    about: str


def settings_table() -> tuple[SettingDoc, ...]:
    """List every setting, for the documentation and its tests."""
    return tuple(
        SettingDoc(
            ".".join(spec.keys),
            _shown_default(spec.default, spec.parse),
            spec.env,
            spec.flag,
            spec.about,
        )
        for spec in SPECS
    )


#: Settings with settings of their own, by their key.
NESTED: Mapping[str, type[Cors | Crons]] = {"cors": Cors, "crons": Crons}


def _specs_of(owner: type[Cors | Crons | Settings], parents: KeyPath = ()) -> Iterator[Spec]:
    for item in fields(owner):
        if item.name in NESTED:
            yield from _specs_of(NESTED[item.name], (item.name,))
        elif item.metadata:
            keys = (*parents, item.name)
            names = ("_".join(("LGSERVE", *keys)).upper(), *item.metadata["env"])
            about, flag = item.metadata["about"], item.metadata["flag"]
            yield Spec(keys, item.default, item.metadata["parse"], names, flag, about)


SPECS = tuple(_specs_of(Settings))


def _shown_default(default: object, parse: values.Parser) -> str:
    """Write a default as people write it in a config."""
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    if isinstance(default, float):
        return values.shown_seconds(default)
    if isinstance(default, int) and parse is values.size:
        return values.shown_size(default)
    return (
        str(default).lower()
        if isinstance(default, bool)
        else str("" if default is None else default)
    )
