"""`lgserve info`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, duration, size

_INFO = Noun(id_field="url", columns=(), fields=("url", "graphs", "assistants", "threads"))
_COUNTED = ("busy", "interrupted", "error")
_KEY_HINT = "--api-key or LGSERVE_API_KEY"

app = new_app("info", "Show a server.")


@command(app, "info", shared=open_session)
def show_info(session: Session) -> None:
    """Show a server: versions, graphs, counts."""
    client = session.client
    info = client.facts("/info")
    item = {**info, "url": client.connection.url}
    parts: dict[str, Callable[[ApiClient], Any]] = {"assistants": _assistants, "threads": _threads}
    if "graphs" not in info:
        parts["graphs"] = _graphs
    closed = [name for name in sorted(parts) if not _add(session, item, name, parts[name])]
    session.out.item(_INFO, item, _lines(session, item))
    if closed:
        session.out.note(f"not shown without a key: {', '.join(closed)} · {_KEY_HINT}")


def _add(
    session: Session, item: dict[str, Any], name: str, ask: Callable[[ApiClient], Any]
) -> bool:
    """Ask for a part; tell whether it may be seen. What the server does not serve is left out."""
    connection = session.client.connection
    try:
        item[name] = ask(session.client)
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return True
        # A key that is wrong is an error; to have none is not.
        if exc.exit_code is not ExitCode.DENIED or connection.api_key or connection.headers:
            raise
        return False
    return True


def _assistants(client: ApiClient) -> int:
    return client.count("/assistants/count", {})


def _threads(client: ApiClient) -> dict[str, int]:
    wanted: dict[str, dict[str, str]] = {"total": {}, **{n: {"status": n} for n in _COUNTED}}
    return {name: client.count("/threads/count", body) for name, body in wanted.items()}


def _graphs(client: ApiClient) -> list[str]:
    """Name the graphs: every graph has an assistant that the server made for it."""
    body = {"metadata": {"created_by": "system"}, "limit": 1000, "select": ["graph_id"]}
    try:
        rows = client.rows("/assistants/search", body)
    except CliError as exc:
        if exc.exit_code is not ExitCode.REFUSED:
            raise
        rows = client.rows("/assistants/search", {"limit": 1000})
    return sorted({row["graph_id"] for row in rows})


def _lines(session: Session, info: dict[str, Any]) -> list[tuple[str, str]]:
    threads, graphs = info.get("threads"), info.get("graphs")
    key = session.client.connection.api_key_source
    lines = [
        ("server", f"{info['url']}   {_version(info)}"),
        ("from", session.client.connection.url_source + (f" · key from {key}" if key else "")),
        ("build", _build(info.get("build") or {})),
        ("graphs", _named(graphs)),
        *(("broken", f"{name}: {_error(why)}") for name, why in _graph_errors(info)),
        *(("not reloaded", line) for line in _reload_error(info)),
        ("assistants", str(info.get("assistants", ""))),
        ("threads", f"{threads['total']}{_counts(threads)}" if threads else ""),
        ("storage", _storage(info.get("storage") or {})),
        ("queue", _queue(info.get("queue") or {})),
        ("auth", str((info.get("auth") or {}).get("type", ""))),
        *_capabilities(info.get("capabilities") or {}),
    ]
    return [(label, text) for label, text in lines if text]


def _named(graphs: list[str] | None) -> str:
    if graphs is None:
        return ""
    return f"{', '.join(graphs)} ({len(graphs)})" if graphs else "none"


def _version(info: dict[str, Any]) -> str:
    """Name the server and its versions; the reference does not say its name, ours does."""
    name = "lgserve" if "lgserve_version" in info else "langgraph-api"
    version = info.get("lgserve_version") or info.get("version", "?")
    parts = [f"{name} {version}"]
    if name == "lgserve" and info.get("version") not in (None, version):
        parts.append(f"API level langgraph-api {info['version']}")
    if info.get("langgraph_py_version"):
        parts.append(f"langgraph {info['langgraph_py_version']}")
    if kind := (info.get("host") or {}).get("kind"):
        parts.append(str(kind))
    if uptime := info.get("uptime_seconds"):
        parts.append(f"up {duration(uptime)}")
    return " · ".join(parts)


def _build(build: dict[str, Any]) -> str:
    commit = str(build.get("commit") or "")[:12]
    return " · ".join(text for text in (commit, str(build.get("date") or "")) if text)


def _storage(storage: dict[str, Any]) -> str:
    amount = storage.get("bytes")
    parts = [storage.get("kind"), storage.get("path"), None if amount is None else size(amount)]
    return " · ".join(str(part) for part in parts if part)


def _queue(queue: dict[str, Any]) -> str:
    if "pending" not in queue:
        return ""
    return f"{queue['pending']} pending · {queue['running']}/{queue['n_jobs_per_worker']} running"


def _capabilities(known: dict[str, bool]) -> list[tuple[str, str]]:
    on = sorted(name for name, there in known.items() if there)
    off = sorted(name for name, there in known.items() if not there)
    return [("on", ", ".join(on)), ("off", ", ".join(off))]


def _graph_errors(info: dict[str, Any]) -> list[tuple[str, Any]]:
    errors = info.get("graph_errors") or {}
    return list(errors.items()) if isinstance(errors, dict) else [("", error) for error in errors]


def _reload_error(info: dict[str, Any]) -> list[str]:
    """Return why the code of today is not served; graphs of one file share their line."""
    why = info.get("reload_error") or {}
    lines = str(why.get("message") or "").splitlines()
    if not why.get("graphs"):
        return lines
    graphs: dict[str, list[str]] = {}
    for line in lines:
        name, _, error = line.partition(": ")
        graphs.setdefault(error, []).append(name)
    return [f"{', '.join(names)}: {error}" for error, names in graphs.items()]


def _error(why: Any) -> str:
    if isinstance(why, dict):
        return str(why.get("message") or why.get("error") or why)
    return str(why).splitlines()[0] if why else ""


def _counts(threads: dict[str, int]) -> str:
    said = [f"{threads[name]} {name}" for name in _COUNTED if threads[name]]
    return f" ({', '.join(said)})" if said else ""
