"""The composition root, the only module that knows every adapter: each part gets what it needs.

A part is made when it is first asked for; nothing starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from lgserve.api.keys import ApiOptions, ServerFacts, Services
from lgserve.api_parts import data_of, disabled_groups, make_facts, make_options
from lgserve.brokers.local import LocalRunStreams
from lgserve.core.clock import SystemClock
from lgserve.custom_parts import CustomAppParts, wire_custom_app
from lgserve.custom_storage import CustomStorageParts, wire_custom_storage
from lgserve.encrypting import EncryptionParts, wire_encryption
from lgserve.engine.executor import RunExecutor
from lgserve.engine.failures import error_object
from lgserve.engine.janitor import Janitor
from lgserve.engine.loopback import Loopback
from lgserve.engine.scheduler import CronScheduler
from lgserve.engine.worker import RunWorker, WorkerOptions
from lgserve.foreign_runs import ForeignRuns
from lgserve.graphs import schemas
from lgserve.graphs.registry import GraphRegistry
from lgserve.graphs.tracebacks import describe_error
from lgserve.guarding import make_authenticator, store_scope_of
from lgserve.services.a2a import A2aService
from lgserve.services.a2a_agents import A2aAgents
from lgserve.services.assistants import AssistantService
from lgserve.services.cancelling import Canceller
from lgserve.services.creating import RunCreator
from lgserve.services.cron_firing import CronFirer
from lgserve.services.crons import CronService
from lgserve.services.event_feed import EventFeeds
from lgserve.services.introspection import IntrospectionService
from lgserve.services.moving import MovingService
from lgserve.services.runs import RunService
from lgserve.services.statistics import StatisticsService
from lgserve.services.thread_commands import ThreadCommands
from lgserve.services.thread_state import ThreadStateService
from lgserve.services.thread_streams import ThreadStreamService
from lgserve.services.threads import ThreadService
from lgserve.settings import sdk_keys
from lgserve.storage.checkpointers import SqliteCheckpointers
from lgserve.storage.moving import CheckpointMover
from lgserve.storage.sqlite import SqliteStorage
from lgserve.store_parts import StoreParts, wire_store
from lgserve.webhook_parts import WebhookParts, wire_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lgserve.core.models import Scope
    from lgserve.core.ports import Authenticator, Checkpointers
    from lgserve.engine.tasks import TaskSet
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.handlers import Handlers
    from lgserve.overlap import Place
    from lgserve.settings import Settings
    from lgserve.storage.custom_store import CustomStore
    from lgserve.storage.database import SqliteDatabase
    from lgserve.storage.store_items import SqliteStore
    from lgserve.tracing import Tracing


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The parts of a server over an open database and a running user loop."""

    settings: Settings
    database: SqliteDatabase
    user_loop: UserLoopThread
    tasks: TaskSet
    tracing: Tracing
    handlers: Handlers
    #: Where this server is reached, and its name as an owner of runs.
    url: str
    owner: str
    #: Where the project's code calls this very process, if others may answer at `url`.
    own_url: str | None = None
    #: Among the processes that share the database, if there are more.
    place: Place | None = None

    # ---------------------------------------------------------------- storage

    @cached_property
    def clock(self) -> SystemClock:
        """The machine's clock."""
        return SystemClock()

    @cached_property
    def storage(self) -> SqliteStorage:
        """All rows."""
        settings = self.settings
        storage = SqliteStorage(
            self.database,
            self.clock,
            timedelta(seconds=settings.lease_seconds),
            settings.project.checkpointer.default_ttl,
            timedelta(seconds=settings.webhooks.retry_seconds),
        )
        storage.seals = self.encryption.seals
        return storage

    @cached_property
    def encryption(self) -> EncryptionParts:
        """What seals rows and checkpoints, if anything does."""
        return wire_encryption(self.settings.project, self.user_loop)

    @cached_property
    def store_parts(self) -> StoreParts:
        """The store of items."""
        return wire_store(self.settings.project.store, self.database, self.user_loop)

    @property
    def store(self) -> SqliteStore | CustomStore:
        """The items themselves."""
        return self.store_parts.store

    @cached_property
    def own_storage(self) -> CustomStorageParts:
        """The project's own checkpointer and store, if it has any."""
        return wire_custom_storage(self.settings.project, self.storage, self.store, self.user_loop)

    @cached_property
    def checkpointers(self) -> Checkpointers:
        """Savers of checkpoints."""
        own = self.own_storage.checkpointers
        return own or SqliteCheckpointers(self.database, self.encryption.cipher)

    # ---------------------------------------------------------------- engine

    @cached_property
    def graphs(self) -> GraphRegistry:
        """The project's graphs."""
        return GraphRegistry()

    @cached_property
    def streams(self) -> LocalRunStreams:
        """The logs of runs."""
        return LocalRunStreams(self.storage, self.clock, self.tasks.spawn)

    @cached_property
    def loopback(self) -> Loopback:
        """The way from the project's code to this server's API."""
        return Loopback(
            url=self.own_url or self.url,
            prefix=self.settings.mount_prefix,
            user_loop=self.user_loop,
            environment_keys=sdk_keys,
            trace_headers=self.tracing.headers,
        )

    @cached_property
    def executor(self) -> RunExecutor:
        """Runs graphs."""
        return RunExecutor(
            graphs=self.graphs,
            store=self.store,
            store_scope=self._store_scope,
            api_url=self.url,
            mask_errors=self.settings.mask_errors,
            context_for=schemas.context_for,
            trim=self._trim,
            around=self.loopback.called_by,
            handlers=self.handlers,
            watch=self.tracing.watch,
        )

    @cached_property
    def worker(self) -> RunWorker:
        """Claims runs and executes them."""
        settings = self.settings
        return RunWorker(
            storage=self.storage,
            streams=self.streams,
            checkpointers=self.checkpointers,
            executor=self.executor,
            user_loop=self.user_loop,
            state=self.state,
            clock=self.clock,
            tasks=self.tasks,
            options=WorkerOptions(
                owner=self.owner,
                slots=settings.n_jobs_per_worker,
                lease_seconds=settings.lease_seconds,
                run_timeout_seconds=settings.run_timeout_seconds,
                max_attempts=settings.max_attempts,
                strict_blocking=settings.strict_blocking,
            ),
            neighbours=self.place,
        )

    @cached_property
    def foreign(self) -> ForeignRuns:
        """Follows runs that another process executes."""
        return ForeignRuns(self.storage, self.streams, self.runs)

    @cached_property
    def scheduler(self) -> CronScheduler:
        """Fires crons."""
        return CronScheduler(
            storage=self.storage,
            firer=self.firer,
            clock=self.clock,
            missed=self.settings.crons.missed,
        )

    @cached_property
    def firer(self) -> CronFirer:
        """Makes a run of a cron that is due."""
        return CronFirer(
            storage=self.storage,
            creator=self.creator,
            clock=self.clock,
            is_system=self.assistants.is_system,
            authenticator=self.authenticator,
        )

    @cached_property
    def webhooks(self) -> WebhookParts:
        """What tells others of the ends of runs."""
        return wire_webhooks(
            self.settings.webhooks,
            self.storage,
            self.clock,
            owner=self.owner,
            own_url=self.url,
            enabled="webhooks" not in self.disabled,
        )

    @cached_property
    def janitor(self) -> Janitor:
        """Removes what has had its time."""
        settings = self.settings
        return Janitor(
            self.storage,
            self.store,
            self.clock,
            settings.resumable_ttl_seconds,
            settings.project.store.sweep_interval_minutes * 60,
            threads=self.threads,
            thread_interval_seconds=settings.project.checkpointer.sweep_interval_minutes * 60,
            webhook_keep_seconds=settings.webhooks.keep_seconds,
        )

    # ---------------------------------------------------------------- services

    @cached_property
    def state(self) -> ThreadStateService:
        """States of threads."""
        return ThreadStateService(
            storage=self.storage,
            streams=self.streams,
            graphs=self.graphs,
            checkpointers=self.checkpointers,
            store=self.store,
            user_loop=self.user_loop,
            clock=self.clock,
            store_scope=self._store_scope,
        )

    @cached_property
    def canceller(self) -> Canceller:
        """Stops runs."""
        return Canceller(storage=self.storage, streams=self.streams, worker=self.worker)

    @cached_property
    def threads(self) -> ThreadService:
        """Threads."""
        checkpointer = self.settings.project.checkpointer
        return ThreadService(
            storage=self.storage,
            clock=self.clock,
            canceller=self.canceller,
            state=self.state,
            default_ttl=checkpointer.default_ttl,
            sweep_limit=checkpointer.sweep_limit,
        )

    @cached_property
    def assistants(self) -> AssistantService:
        """Assistants."""
        return AssistantService(
            storage=self.storage,
            graphs=self.graphs,
            clock=self.clock,
            threads=self.threads,
            canceller=self.canceller,
        )

    @cached_property
    def introspection(self) -> IntrospectionService:
        """What graphs say of themselves."""
        return IntrospectionService(
            assistants=self.assistants,
            graphs=self.graphs,
            views=schemas,
            store=self.store,
            user_loop=self.user_loop,
            store_scope=self._store_scope,
            error_object=partial(error_object, mask=self.settings.mask_errors),
        )

    @cached_property
    def creator(self) -> RunCreator:
        """Creates runs."""
        return RunCreator(
            storage=self.storage,
            streams=self.streams,
            worker=self.worker,
            graphs=self.graphs,
            clock=self.clock,
            canceller=self.canceller,
        )

    @cached_property
    def runs(self) -> RunService:
        """Runs."""
        return RunService(
            storage=self.storage,
            streams=self.streams,
            creator=self.creator,
            canceller=self.canceller,
            state=self.state,
        )

    @cached_property
    def crons(self) -> CronService:
        """Crons."""
        return CronService(
            storage=self.storage,
            graphs=self.graphs,
            clock=self.clock,
            alarm=self.scheduler,
            firer=self.firer,
        )

    @cached_property
    def moving(self) -> MovingService:
        """Takes threads out, and puts them in."""
        return MovingService(
            storage=self.storage,
            threads=self.threads,
            state=self.state,
            mover=CheckpointMover(self.checkpointers, self.database, self.encryption.cipher),
        )

    @cached_property
    def services(self) -> Services:
        """The use cases the API exposes."""
        storage, streams = self.storage, self.streams
        return Services(
            assistants=self.assistants,
            introspection=self.introspection,
            threads=self.threads,
            state=self.state,
            runs=self.runs,
            agents=A2aAgents(assistants=self.assistants, introspection=self.introspection),
            a2a=A2aService(storage=storage, runs=self.runs),
            crons=self.crons,
            webhooks=self.webhooks.service,
            thread_streams=ThreadStreamService(storage=storage, streams=streams),
            store=self.store_parts.service,
            feeds=EventFeeds(storage, streams, self.state),
            thread_commands=ThreadCommands(
                storage=storage, streams=streams, state=self.state, clock=self.clock
            ),
            moving=self.moving,
            facts=self.facts,
        )

    # ---------------------------------------------------------------- API

    @cached_property
    def authenticator(self) -> Authenticator | None:
        """Who may call; None lets everybody."""
        return make_authenticator(self.settings, self.storage, self.clock, self.user_loop)

    @cached_property
    def custom(self) -> CustomAppParts:
        """The project's own app, if it has one."""
        return wire_custom_app(self.settings, self.user_loop, self.tasks.spawn, self.loopback)

    @cached_property
    def disabled(self) -> frozenset[str]:
        """The groups of routes that are taken away."""
        return disabled_groups(self.settings)

    @cached_property
    def api_options(self) -> ApiOptions:
        """How the API behaves."""
        return make_options(self.settings, self.disabled)

    @cached_property
    def facts(self) -> ServerFacts:
        """What the server tells of itself."""
        facts = make_facts(self.settings, self.disabled, self.store, self.encryption, self.tracing)
        facts.lets_in = self.loopback.knows
        facts.statistics = StatisticsService(storage=self.storage)
        facts.active_runs = lambda: self.worker.active
        return facts

    @property
    def data(self) -> str:
        """Where the data is."""
        return data_of(self.settings)

    @cached_property
    def _store_scope(self) -> Callable[[str], Scope]:
        return store_scope_of(self.settings.auth.type)

    def _trim(self, error: BaseException) -> str:
        project = self.settings.project
        return describe_error(error, project.root, project.import_paths).text
