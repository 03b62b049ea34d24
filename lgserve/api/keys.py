"""What every handler finds on the application: the services, and how the API was set up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from aiohttp import web

from lgserve.core.header_rules import HeaderRules
from lgserve.core.ports import Authenticator
from lgserve.core.principals import Principal

if TYPE_CHECKING:
    from lgserve.services.a2a import A2aService
    from lgserve.services.a2a_agents import A2aAgents
    from lgserve.services.assistants import AssistantService
    from lgserve.services.crons import CronService
    from lgserve.services.event_feed import EventFeeds
    from lgserve.services.introspection import IntrospectionService
    from lgserve.services.moving import MovingService
    from lgserve.services.runs import RunService
    from lgserve.services.statistics import StatisticsService
    from lgserve.services.store import StoreService
    from lgserve.services.thread_commands import ThreadCommands
    from lgserve.services.thread_state import ThreadStateService
    from lgserve.services.thread_streams import ThreadStreamService
    from lgserve.services.threads import ThreadService
    from lgserve.services.webhooks import WebhookService


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
    #: Groups of routes that are not served: names of `lgserve.api.app.GROUPS`.
    disabled: frozenset[str] = frozenset()
    #: Routes that are public by default and shall not be.
    protect: tuple[str, ...] = ()
    #: Where clients reach this server, its prefix left out; None: where they have called it.
    public_url: str | None = None
    #: Addresses and networks of proxies whose word on that is taken; `*` is all.
    trusted_proxies: tuple[str, ...] = ()
    #: The assistant whose agent card is shown to who names none.
    default_agent: str | None = None
    #: What `/openapi.json` says besides: the config's `auth.openapi`.
    openapi: Mapping[str, Any] = field(default_factory=dict)
    #: Headers of a request that its runs find in their `configurable`.
    configurable_headers: HeaderRules = field(default_factory=HeaderRules)
    #: Headers of a request that its record shows.
    logging_headers: HeaderRules = field(default_factory=HeaderRules)


class _LoadError(Protocol):
    def to_json(self) -> dict[str, Any]: ...
    def public_json(self) -> dict[str, Any]: ...


class LoadOutcome(Protocol):
    """How loading one graph went."""

    @property
    def graph_id(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> Literal["graph", "factory", "broken"]: ...  # noqa: D102
    @property
    def error(self) -> _LoadError | None: ...  # noqa: D102


class ServerFacts:
    """What `/ready`, `/info` and `/metrics` tell of this server; the composition root fills it."""

    def __init__(
        self, storage: Mapping[str, Any] | None = None, queue: Mapping[str, Any] | None = None
    ) -> None:
        self.storage = dict(storage or {})
        self.queue = dict(queue or {})
        #: Which adapter serves which port: `{"storage": "sqlite", "streams": "local"}`.
        self.tiers: dict[str, str] = {}
        #: What is encrypted at rest and what is not; None if nothing is.
        self.encryption: Mapping[str, Any] | None = None
        self.build: Mapping[str, str | None] = {"commit": None, "date": None}
        self.auth: dict[str, Any] = {"type": "none"}
        #: Whether a feature that is no group of routes is on and works, asked at each `/info`; one
        #: that is not named is off. A feature that has routes of its own too needs both.
        self.features: dict[str, Callable[[], bool]] = {}
        #: How runs can be watched from outside.
        self.tracing: Callable[[], Mapping[str, Any]] = lambda: {"otel": False, "callbacks": []}
        #: None where there is no database to tell of.
        self.statistics: StatisticsService | None = None
        self.active_runs: Callable[[], int] = int
        #: Tells by its headers whether a request need not wait for the server to be ready.
        self.lets_in: Callable[[Mapping[str, str]], bool] = lambda _: False
        #: The graphs that are served.
        self.graph_ids: tuple[str, ...] = ()
        #: By graph id, those that did not load: message, frames, text, hint.
        self.graph_errors: dict[str, dict[str, Any]] = {}
        #: The same for people nobody knows.
        self.public_graph_errors: dict[str, dict[str, Any]] = {}
        #: Why the code of today is not what is served: it does not load.
        self.reload_error: Mapping[str, Any] | None = None
        self.ready = False
        self.became_ready = asyncio.Event()
        self._began = time.monotonic()

    @property
    def uptime_seconds(self) -> float:
        """How long this server has been there."""
        return time.monotonic() - self._began

    def loaded(self, outcomes: Iterable[LoadOutcome]) -> None:
        """Hear how loading the graphs went: from now on the server is ready."""
        found = list(outcomes)
        wrong = {outcome.graph_id: outcome.error for outcome in found if outcome.error is not None}
        self.graph_ids = tuple(each.graph_id for each in found if each.graph_id not in wrong)
        self.graph_errors = {name: error.to_json() for name, error in wrong.items()}
        self.public_graph_errors = {name: error.public_json() for name, error in wrong.items()}
        self.ready = True
        self.became_ready.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases the API exposes."""

    assistants: AssistantService
    introspection: IntrospectionService
    threads: ThreadService
    state: ThreadStateService
    runs: RunService
    webhooks: WebhookService
    agents: A2aAgents
    a2a: A2aService
    crons: CronService
    thread_streams: ThreadStreamService
    store: StoreService
    feeds: EventFeeds
    thread_commands: ThreadCommands
    moving: MovingService
    facts: ServerFacts


SERVICES = web.AppKey("services", Services)
OPTIONS = web.AppKey("options", ApiOptions)
#: Not there if everybody may call.
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
#: Who calls: of each request but those to public routes.
PRINCIPAL = web.RequestKey("principal", Principal)
#: The project's own app says itself which web pages may read the answer.
OWN_CORS = web.RequestKey("own_cors", bool)
