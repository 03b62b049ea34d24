"""The composition root: the only module that knows every adapter.

Opens everything on one exit stack, serves until a signal, closes in reverse order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from lgserve.api.app import build_app
from lgserve.api.keys import ApiOptions, ServerFacts, Services
from lgserve.brokers.local import LocalRunStreams
from lgserve.build_info import read_build
from lgserve.core.clock import SystemClock
from lgserve.core.ids import new_id
from lgserve.custom_parts import CustomAppParts, wire_custom_app
from lgserve.custom_storage import CustomStorageParts, wire_custom_storage
from lgserve.data_folder import held, remove_database
from lgserve.encrypting import EncryptionParts, wire_encryption
from lgserve.engine.executor import RunExecutor
from lgserve.engine.failures import error_object
from lgserve.engine.janitor import Janitor
from lgserve.engine.loopback import Loopback
from lgserve.engine.scheduler import CronScheduler
from lgserve.engine.tasks import TaskSet
from lgserve.engine.user_loop import UserLoopThread
from lgserve.engine.watchdog import StallWatchdog
from lgserve.engine.webhooks import WebhookWorker
from lgserve.engine.worker import RunWorker, WorkerOptions
from lgserve.graphs import schemas
from lgserve.graphs.loader import GraphSource
from lgserve.graphs.registry import GraphRegistry, LoadReport
from lgserve.graphs.schemas import context_for
from lgserve.graphs.tracebacks import describe_error
from lgserve.guarding import load_custom, make_authenticator, store_scope_of
from lgserve.handlers import Handlers
from lgserve.services.a2a import A2aService
from lgserve.services.a2a_agents import A2aAgents
from lgserve.services.assistants import AssistantService
from lgserve.services.cancelling import Canceller
from lgserve.services.creating import RunCreator
from lgserve.services.cron_firing import CronFirer
from lgserve.services.crons import CronService
from lgserve.services.event_feed import EventFeeds
from lgserve.services.introspection import IntrospectionService
from lgserve.services.runs import RunService
from lgserve.services.statistics import StatisticsService
from lgserve.services.thread_commands import ThreadCommands
from lgserve.services.thread_state import ThreadStateService
from lgserve.services.thread_streams import ThreadStreamService
from lgserve.services.threads import ThreadService
from lgserve.settings import Settings, export_environment, sdk_keys, tracing_environment
from lgserve.storage.checkpointers import SqliteCheckpointers
from lgserve.storage.custom_store import CustomStore
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage
from lgserve.storage.store_items import SqliteStore
from lgserve.store_parts import StoreParts, wire_store
from lgserve.tracing import Tracing, open_tracing
from lgserve.webhook_parts import wire_webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.core.ports import Authenticator

#: Bytes of a request line or a header; filters in a query can be long.
_LONGEST_LINE = 64 * 1024

_log = logging.getLogger("lgserve")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphReport:
    """How loading one graph went; `error` is one line, `details` shows the user's frames."""

    graph_id: str
    seconds: float
    error: str | None
    details: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupReport:
    """What is announced once the server answers."""

    url: str
    data: str
    seconds: float
    graphs: tuple[GraphReport, ...]
    recovered_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    services: Services
    graphs: GraphRegistry
    worker: RunWorker
    loopback: Loopback
    janitor: Janitor
    scheduler: CronScheduler
    webhooks: WebhookWorker
    authenticator: Authenticator | None
    store: StoreParts
    custom: CustomAppParts
    own_storage: CustomStorageParts
    encryption: EncryptionParts


Announce = Callable[[StartupReport], None]


def run_server(settings: Settings, listener: socket.socket, announce: Announce) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code; call it in the main thread.

    The first signal lets runs stop at their next superstep, at most `grace_seconds` long; the
    second one leaves at once.
    """
    export_environment(settings.project)
    _quiet_bad_requests()
    loop_factory = _loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_serve(settings, listener, announce, loop_factory))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop where it is installed, else asyncio's."""
    try:
        import uvloop  # absent on Windows
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(
    settings: Settings,
    listener: socket.socket,
    announce: Announce,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    async with Server(settings, listener, loop_factory).started() as report:
        announce(report)
        if report.graphs and all(graph.error for graph in report.graphs):
            _log.warning("no graph could be loaded; the API is up, runs will fail")
        await stop.wait()
    return 0


def _on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at the first signal; leave at once at the second."""
    loop = asyncio.get_running_loop()

    def received(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received, number)


class Server:
    """All parts of one server, wired; `started` runs it."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._loop_factory = loop_factory
        self._began = time.monotonic()
        self._tracing = Tracing()
        self._handlers = Handlers()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"

    @asynccontextmanager
    async def started(self) -> AsyncIterator[StartupReport]:
        """Serve while entered; the report says how the start went."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            self._tracing = open_tracing(
                tracing_environment(), settings.mount_prefix, mask_errors=settings.mask_errors
            )
            stack.push_async_callback(self._tracing.close)
            database = self._open_database(stack)
            user_loop = UserLoopThread(settings.n_jobs_per_worker, self._loop_factory)
            user_loop.start()
            stack.callback(user_loop.stop, 5)
            tasks = TaskSet()
            stack.push_async_callback(tasks.stop)
            parts = self._wire(database, user_loop, tasks)
            parts.loopback.open(parts.worker)
            stack.push_async_callback(user_loop.run, parts.loopback.close)
            stack.push_async_callback(parts.own_storage.close, user_loop)
            stack.push_async_callback(parts.custom.stop)
            await self._start_site(stack, parts)

            loaded = await self._load_graphs(user_loop, parts.graphs)
            await load_custom(settings, parts.authenticator, user_loop)
            await self._handlers.load(settings, user_loop)
            self._tracing.loaded()
            await parts.encryption.load(settings.project, user_loop, database)
            await parts.own_storage.load(
                settings.project, user_loop, parts.services.facts.tiers
            )
            await parts.store.load(settings.project, user_loop)
            stack.callback(parts.store.close)
            await parts.services.assistants.create_system_assistants()
            stack.push_async_callback(parts.webhooks.stop)
            await parts.webhooks.start()
            # Behind the drain: what is due meanwhile waits in the queue for the next process.
            stack.push_async_callback(parts.scheduler.stop)
            recovered = await parts.worker.recover()
            stack.push_async_callback(parts.worker.drain, settings.grace_seconds)
            parts.worker.run()
            tasks.start(parts.janitor.run(), "janitor")
            if "crons" not in _disabled(settings):
                parts.scheduler.start()
            self._start_watchdog(stack, user_loop, parts.worker)
            await parts.custom.start(settings.project, user_loop)
            parts.services.facts.loaded(loaded)
            yield StartupReport(
                url=self._url,
                data=self._data,
                seconds=time.monotonic() - self._began,
                graphs=tuple(_graph_report(report) for report in loaded),
                recovered_runs=len(recovered),
            )

    def _wire(self, database: SqliteDatabase, user_loop: UserLoopThread, tasks: TaskSet) -> _Parts:
        """Give each part what it needs; nothing starts here."""
        settings = self._settings
        clock = SystemClock()
        checkpointer = settings.project.checkpointer
        storage = SqliteStorage(
            database,
            clock,
            timedelta(seconds=settings.lease_seconds),
            checkpointer.default_ttl,
            timedelta(seconds=settings.webhooks.retry_seconds),
        )
        webhooks = wire_webhooks(
            settings.webhooks,
            storage,
            clock,
            owner=self._owner,
            own_url=self._url,
            enabled="webhooks" not in _disabled(settings),
        )
        store_parts = wire_store(settings.project.store, database, user_loop)
        store = store_parts.store
        encryption = wire_encryption(settings.project, user_loop)
        storage.seals = encryption.seals
        own_storage = wire_custom_storage(settings.project, storage, store, user_loop)
        checkpointers = own_storage.checkpointers or SqliteCheckpointers(
            database, encryption.cipher
        )
        loopback = self._loopback(user_loop)
        graphs = GraphRegistry()
        streams = LocalRunStreams(storage, clock, tasks.spawn)
        state = ThreadStateService(
            storage=storage,
            streams=streams,
            graphs=graphs,
            checkpointers=checkpointers,
            store=store,
            user_loop=user_loop,
            clock=clock,
            store_scope=store_scope_of(settings.auth.type),
        )
        worker = RunWorker(
            storage=storage,
            streams=streams,
            checkpointers=checkpointers,
            executor=self._executor(graphs, store, loopback),
            user_loop=user_loop,
            state=state,
            clock=clock,
            tasks=tasks,
            options=self._worker_options(),
        )
        canceller = Canceller(storage=storage, streams=streams, worker=worker)
        threads = ThreadService(
            storage=storage,
            clock=clock,
            canceller=canceller,
            state=state,
            default_ttl=checkpointer.default_ttl,
            sweep_limit=checkpointer.sweep_limit,
        )
        assistants = AssistantService(
            storage=storage, graphs=graphs, clock=clock, threads=threads, canceller=canceller
        )
        creator = RunCreator(
            storage=storage,
            streams=streams,
            worker=worker,
            graphs=graphs,
            clock=clock,
            canceller=canceller,
        )
        authenticator = make_authenticator(settings, storage, clock, user_loop)
        firer = CronFirer(
            storage=storage,
            creator=creator,
            clock=clock,
            is_system=assistants.is_system,
            authenticator=authenticator,
        )
        scheduler = CronScheduler(
            storage=storage, firer=firer, clock=clock, missed=settings.crons.missed
        )
        facts = self._facts(storage, worker, store)
        facts.lets_in = loopback.knows
        facts.features["encryption"] = lambda: encryption.cipher is not None
        if encryption.cipher is not None:
            facts.tiers["encryption"] = encryption.name
        facts.features["custom_app"] = lambda: settings.project.http.app is not None
        introspection = self._introspection(assistants, graphs, store, user_loop)
        runs = RunService(
            storage=storage, streams=streams, creator=creator, canceller=canceller, state=state
        )
        services = Services(
            assistants=assistants,
            introspection=introspection,
            threads=threads,
            state=state,
            runs=runs,
            agents=A2aAgents(assistants=assistants, introspection=introspection),
            a2a=A2aService(storage=storage, runs=runs),
            crons=CronService(
                storage=storage, graphs=graphs, clock=clock, alarm=scheduler, firer=firer
            ),
            webhooks=webhooks.service,
            thread_streams=ThreadStreamService(storage=storage, streams=streams),
            store=store_parts.service,
            feeds=EventFeeds(storage, streams, state),
            thread_commands=ThreadCommands(
                storage=storage, streams=streams, state=state, clock=clock
            ),
            facts=facts,
        )
        janitor = Janitor(
            storage,
            store,
            clock,
            settings.resumable_ttl_seconds,
            settings.project.store.sweep_interval_minutes * 60,
            threads=threads,
            thread_interval_seconds=checkpointer.sweep_interval_minutes * 60,
            webhook_keep_seconds=settings.webhooks.keep_seconds,
        )
        return _Parts(
            services=services,
            graphs=graphs,
            worker=worker,
            loopback=loopback,
            janitor=janitor,
            store=store_parts,
            own_storage=own_storage,
            encryption=encryption,
            custom=wire_custom_app(settings, user_loop, tasks.spawn, loopback),
            authenticator=authenticator,
            scheduler=scheduler,
            webhooks=webhooks.worker,
        )

    def _facts(self, storage: SqliteStorage, worker: RunWorker, store: SqliteStore | CustomStore) -> ServerFacts:
        facts = ServerFacts(
            storage={"kind": "sqlite", "path": self._data},
            queue={"n_jobs_per_worker": self._settings.n_jobs_per_worker},
        )
        facts.build = read_build()
        facts.auth = {"type": self._settings.auth.type}
        facts.tiers = {"storage": "sqlite", "streams": "local"}
        facts.auth = {"type": self._settings.auth.type}
        facts.features["auth"] = lambda: facts.auth["type"] != "none"
        facts.features["webhooks"] = lambda: "webhooks" not in _disabled(self._settings)
        facts.features["resumable_streams"] = lambda: True
        facts.features["semantic_search"] = lambda: store.semantic
        facts.features["tracing"] = self._tracing.working
        facts.tracing = self._traced
        facts.statistics = StatisticsService(storage=storage)
        facts.active_runs = lambda: worker.active
        return facts

    def _traced(self) -> dict[str, Any]:
        """Tell how runs are watched from outside."""
        callbacks = list(self._settings.callbacks)
        return {"otel": self._tracing.working(), "callbacks": callbacks}

    def _loopback(self, user_loop: UserLoopThread) -> Loopback:
        return Loopback(
            url=self._url,
            prefix=self._settings.mount_prefix,
            user_loop=user_loop,
            environment_keys=sdk_keys,
            trace_headers=self._tracing.headers,
        )

    def _introspection(
        self,
        assistants: AssistantService,
        graphs: GraphRegistry,
        store: SqliteStore | CustomStore,
        user_loop: UserLoopThread,
    ) -> IntrospectionService:
        return IntrospectionService(
            assistants=assistants,
            graphs=graphs,
            views=schemas,
            store=store,
            user_loop=user_loop,
            store_scope=store_scope_of(self._settings.auth.type),
            error_object=partial(error_object, mask=self._settings.mask_errors),
        )

    def _executor(
        self, graphs: GraphRegistry, store: SqliteStore | CustomStore, loopback: Loopback
    ) -> RunExecutor:
        return RunExecutor(
            graphs=graphs,
            store=store,
            store_scope=store_scope_of(self._settings.auth.type),
            api_url=self._url,
            mask_errors=self._settings.mask_errors,
            context_for=context_for,
            trim=self._trim,
            around=loopback.called_by,
            handlers=self._handlers,
            watch=self._tracing.watch,
        )

    @property
    def _url(self) -> str:
        host, port = self._listener.getsockname()[:2]
        host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def _data(self) -> str:
        path = self._settings.database
        return ":memory:" if path is None else str(path)

    def _open_database(self, stack: AsyncExitStack) -> SqliteDatabase:
        settings = self._settings
        if settings.data is not None:
            stack.enter_context(held(settings.data))
            if settings.fresh:
                remove_database(settings.data)
        database = SqliteDatabase(settings.data, synchronous=settings.synchronous)  # type: ignore[arg-type]
        database.open()
        stack.callback(database.close)
        return database

    def _worker_options(self) -> WorkerOptions:
        settings = self._settings
        return WorkerOptions(
            owner=self._owner,
            slots=settings.n_jobs_per_worker,
            lease_seconds=settings.lease_seconds,
            run_timeout_seconds=settings.run_timeout_seconds,
            max_attempts=settings.max_attempts,
            strict_blocking=settings.strict_blocking,
        )

    async def _start_site(self, stack: AsyncExitStack, parts: _Parts) -> None:
        guard = None if parts.authenticator is None else parts.loopback.guarded(parts.authenticator)
        app = build_app(
            parts.services,
            self._api_options(),
            guard,
            parts.custom.app,
            outermost=self._tracing.middlewares,
        )
        parts.custom.stands_in(app, self._api_options())
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=2,
            handler_cancellation=True,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, self._listener, backlog=1024).start()

    def _api_options(self) -> ApiOptions:
        settings = self._settings
        return ApiOptions(
            heartbeat_seconds=settings.heartbeat_seconds,
            mount_prefix=settings.mount_prefix,
            max_body_bytes=settings.max_body_bytes,
            cors=settings.cors,
            access_log=settings.access_log,
            disabled=_disabled(settings),
            protect=settings.auth.protect,
            openapi=settings.auth.openapi,
            public_url=settings.public_url,
            trusted_proxies=settings.trusted_proxies,
            default_agent=settings.a2a_assistant,
            configurable_headers=settings.project.http.configurable_headers,
            logging_headers=settings.project.http.logging_headers,
        )

    async def _load_graphs(
        self, user_loop: UserLoopThread, graphs: GraphRegistry
    ) -> Sequence[LoadReport]:
        """Import the project's graphs on the user loop's thread."""
        project = self._settings.project
        sources = [
            GraphSource(graph_id=spec.graph_id, path=spec.path, description=spec.description)
            for spec in project.graphs.values()
        ]

        async def load() -> None:
            graphs.load(sources, project.root, project.import_paths)

        await user_loop.run(load)
        return graphs.reports()

    def _start_watchdog(
        self, stack: AsyncExitStack, user_loop: UserLoopThread, worker: RunWorker
    ) -> None:
        watchdog = StallWatchdog(
            user_loop,
            root=self._settings.project.root,
            threshold_seconds=self._settings.stall_seconds,
            on_stall=worker.stalled,
        )
        watchdog.start()
        stack.callback(watchdog.stop)

    def _trim(self, error: BaseException) -> str:
        project = self._settings.project
        return describe_error(error, project.root, project.import_paths).text


def _quiet_bad_requests() -> None:
    """Make little of what aiohttp logs, with tracebacks, of requests that could not be answered."""

    def shorten(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError):
            return False  # broken off by us, or gone by itself
        if isinstance(error, HttpProcessingError):
            record.exc_info = None
            record.msg, record.args = "a request that is not HTTP was refused: %s", (error.message,)
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True

    logging.getLogger("aiohttp.server").addFilter(shorten)


def _disabled(settings: Settings) -> frozenset[str]:
    """Return the groups of routes that the config's `http.disable_<group>` takes away."""
    switches = settings.project.blocks.get("http", {}).items()
    groups = frozenset(
        key.removeprefix("disable_")
        for key, value in switches
        if key.startswith("disable_") and value is True
    )
    without_crons = "runs" in groups or not settings.crons.enabled
    return groups | {"crons"} if without_crons else groups


def _graph_report(report: LoadReport) -> GraphReport:
    error = report.error
    return GraphReport(
        graph_id=report.graph_id,
        seconds=report.seconds,
        error=None if error is None else error.summary,
        details=None if error is None else error.text,
    )
