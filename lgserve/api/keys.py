"""What every handler finds on the application: the services, and how the API was set up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from lgserve.core.models import Json
    from lgserve.services.assistants import AssistantService
    from lgserve.services.runs import RunService
    from lgserve.services.thread_state import ThreadStateService
    from lgserve.services.threads import ThreadService


class CorsPolicy(Protocol):
    """Which web pages of other origins may call the API; `*` in a list stands for all."""

    @property
    def allow_origins(self) -> tuple[str, ...]: ...  # noqa: D102 - the name says it
    @property
    def allow_origin_regex(self) -> str | None: ...  # noqa: D102
    @property
    def allow_methods(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def allow_headers(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def allow_credentials(self) -> bool: ...  # noqa: D102
    @property
    def expose_headers(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def max_age(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the API behaves."""

    cors: CorsPolicy
    heartbeat_seconds: float = 5.0
    #: All routes are below it; those for probes stay at the root too.
    mount_prefix: str = ""
    max_body_bytes: int = 100 * 1024**2
    access_log: str = "errors"


class _LoadError(Protocol):
    def to_json(self) -> dict[str, Any]: ...


class LoadOutcome(Protocol):
    """How loading one graph went."""

    @property
    def graph_id(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> Literal["graph", "factory", "broken"]: ...  # noqa: D102
    @property
    def error(self) -> _LoadError | None: ...  # noqa: D102


class ServerFacts:
    """What `/ready` and `/info` tell of this server; the composition root keeps it true."""

    def __init__(
        self, storage: Mapping[str, Any] | None = None, queue: Mapping[str, Any] | None = None
    ) -> None:
        self.storage = dict(storage or {})
        self.queue = dict(queue or {})
        self.graph_ids: tuple[str, ...] = ()
        #: By graph id, only those that did not load: message, frames, text, hint.
        self.graph_errors: dict[str, dict[str, Any]] = {}
        self.ready = False
        self.became_ready = asyncio.Event()
        #: The answer of `/info`, encoded once; None when something has changed since.
        self.info_page: Json | None = None

    def loaded(self, outcomes: Iterable[LoadOutcome]) -> None:
        """Hear how loading the graphs went: from now on the server is ready."""
        found = list(outcomes)
        self.graph_ids = tuple(outcome.graph_id for outcome in found)
        self.graph_errors = {
            outcome.graph_id: outcome.error.to_json()
            for outcome in found
            if outcome.error is not None
        }
        self.ready = True
        self.became_ready.set()
        self.info_page = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases the API exposes."""

    assistants: AssistantService
    threads: ThreadService
    state: ThreadStateService
    runs: RunService
    facts: ServerFacts


SERVICES = web.AppKey("services", Services)
OPTIONS = web.AppKey("options", ApiOptions)
