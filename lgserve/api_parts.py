"""What the API takes from the settings: how it behaves, and what it tells of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgserve.api.keys import ApiOptions, ServerFacts
from lgserve.build_info import read_build

if TYPE_CHECKING:
    from collections.abc import Callable

    from lgserve.encrypting import EncryptionParts
    from lgserve.settings import Settings
    from lgserve.storage.custom_store import CustomStore
    from lgserve.storage.store_items import SqliteStore
    from lgserve.tracing import Tracing


def disabled_groups(settings: Settings) -> frozenset[str]:
    """Return the groups of routes that the config's `http.disable_<group>` takes away."""
    switches = settings.project.blocks.get("http", {}).items()
    groups = frozenset(
        key.removeprefix("disable_")
        for key, value in switches
        if key.startswith("disable_") and value is True
    )
    if "runs" in groups or not settings.crons.enabled:
        groups |= {"crons"}
    return groups | {"event_streaming"} if groups & {"runs", "threads"} else groups


def make_options(settings: Settings, disabled: frozenset[str]) -> ApiOptions:
    """Return how the API behaves."""
    return ApiOptions(
        heartbeat_seconds=settings.heartbeat_seconds,
        mount_prefix=settings.mount_prefix,
        max_body_bytes=settings.max_body_bytes,
        cors=settings.cors,
        access_log=settings.access_log,
        disabled=disabled,
        protect=settings.auth.protect,
        openapi=settings.auth.openapi,
        public_url=settings.public_url,
        trusted_proxies=settings.trusted_proxies,
        default_agent=settings.a2a_assistant,
        configurable_headers=settings.project.http.configurable_headers,
        logging_headers=settings.project.http.logging_headers,
    )


def make_facts(
    settings: Settings,
    disabled: frozenset[str],
    store: SqliteStore | CustomStore,
    encryption: EncryptionParts,
    tracing: Tracing,
) -> ServerFacts:
    """Return what the server tells of itself; what only its running parts know is added later."""
    facts = ServerFacts(
        storage={"kind": "sqlite", "path": _told_data(settings)},
        queue={"n_jobs_per_worker": settings.n_jobs_per_worker},
    )
    facts.build = read_build()
    facts.tiers = {"storage": "sqlite", "streams": "local"}
    if encryption.cipher is not None:
        facts.tiers["encryption"] = encryption.name
        facts.encryption = encryption.told
    facts.auth = {"type": settings.auth.type}
    features: dict[str, Callable[[], bool]] = {
        "auth": lambda: settings.auth.type != "none",
        "webhooks": lambda: "webhooks" not in disabled,
        "resumable_streams": lambda: True,
        "semantic_search": lambda: store.semantic,
        "tracing": tracing.working,
        "encryption": lambda: encryption.cipher is not None,
        "custom_app": lambda: settings.project.http.app is not None,
    }
    facts.features |= features

    def traced() -> dict[str, Any]:
        return {"otel": tracing.working(), "callbacks": list(settings.callbacks)}

    facts.tracing = traced
    return facts


def data_of(settings: Settings) -> str:
    """Return where the data is."""
    path = settings.database
    return ":memory:" if path is None else str(path)


def _told_data(settings: Settings) -> str:
    """Return where the data is, as `/info` tells it: who needs a key here sees no folders."""
    path, root = settings.database, settings.project.root
    if path is None or settings.auth.type == "none":
        return data_of(settings)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
