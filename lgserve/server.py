"""One server from its start to its end.

Opens everything on one exit stack, serves until a signal, closes in reverse order.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp.http_exceptions import HttpProcessingError

from lgserve.api.app import build_app
from lgserve.api.connections import serve
from lgserve.core.ids import new_id
from lgserve.data_folder import held, remove_database
from lgserve.engine.tasks import TaskSet
from lgserve.engine.user_loop import UserLoopThread
from lgserve.engine.watchdog import StallWatchdog
from lgserve.graphs.loader import GraphSource
from lgserve.guarding import load_custom
from lgserve.handlers import Handlers
from lgserve.settings import Settings, export_environment, tracing_environment
from lgserve.storage.database import SqliteDatabase
from lgserve.tracing import open_tracing
from lgserve.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.graphs.registry import GraphRegistry, LoadReport

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
    """One server: its parts are opened in order and closed in reverse; `started` runs it."""

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

    @asynccontextmanager
    async def started(self) -> AsyncIterator[StartupReport]:
        """Serve while entered; the report says how the start went."""
        async with AsyncExitStack() as stack:
            parts = await self._open(stack)
            await start_site(stack, parts, self._listener)
            loaded = await self._load(stack, parts)
            recovered = await self._start_work(stack, parts)
            _spare_collector()
            parts.facts.loaded(loaded)
            yield StartupReport(
                url=parts.url,
                data=parts.data,
                seconds=time.monotonic() - self._began,
                graphs=tuple(_graph_report(report) for report in loaded),
                recovered_runs=recovered,
            )

    async def _open(self, stack: AsyncExitStack) -> Wiring:
        """Open what all parts stand on, and wire them."""
        settings = self._settings
        tracing = open_tracing(
            tracing_environment(), settings.mount_prefix, mask_errors=settings.mask_errors
        )
        stack.push_async_callback(tracing.close)
        database = self._open_database(stack)
        user_loop = UserLoopThread(settings.n_jobs_per_worker, self._loop_factory)
        user_loop.start()
        stack.callback(user_loop.stop, 5)
        tasks = TaskSet()
        stack.push_async_callback(tasks.stop)
        parts = Wiring(
            settings=settings,
            database=database,
            user_loop=user_loop,
            tasks=tasks,
            tracing=tracing,
            handlers=Handlers(),
            url=address_of(self._listener),
            owner=f"{socket.gethostname()}:{os.getpid()}:{new_id()}",
        )
        parts.loopback.open(parts.worker)
        stack.push_async_callback(user_loop.run, parts.loopback.close)
        stack.push_async_callback(parts.own_storage.close, user_loop)
        stack.push_async_callback(parts.custom.stop)
        return parts

    async def _load(self, stack: AsyncExitStack, parts: Wiring) -> Sequence[LoadReport]:
        """Import the project's code; the API answers already that it is not ready."""
        settings, user_loop = self._settings, parts.user_loop
        loaded = await self._load_graphs(user_loop, parts.graphs)
        await load_custom(settings, parts.authenticator, user_loop)
        await parts.handlers.load(settings, user_loop)
        parts.tracing.loaded()
        await parts.encryption.load(settings.project, user_loop, parts.database)
        await parts.own_storage.load(settings.project, user_loop, parts.facts.tiers)
        await parts.store_parts.load(settings.project, user_loop)
        stack.callback(parts.store_parts.close)
        return loaded

    async def _start_work(self, stack: AsyncExitStack, parts: Wiring) -> int:
        """Begin to do what nobody asks for; return how many runs of a dead process go on."""
        settings = self._settings
        await parts.assistants.create_system_assistants()
        stack.push_async_callback(parts.webhooks.worker.stop)
        await parts.webhooks.worker.start()
        # Behind the drain: what is due meanwhile waits in the queue for the next process.
        stack.push_async_callback(parts.scheduler.stop)
        recovered = await parts.worker.recover()
        stack.push_async_callback(parts.worker.drain, settings.grace_seconds)
        parts.worker.run()
        parts.tasks.start(parts.janitor.run(), "janitor")
        if "crons" not in parts.disabled:
            parts.scheduler.start()
        self._start_watchdog(stack, parts)
        await parts.custom.start(settings.project, parts.user_loop)
        return len(recovered)

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

    def _start_watchdog(self, stack: AsyncExitStack, parts: Wiring) -> None:
        watchdog = StallWatchdog(
            parts.user_loop,
            root=self._settings.project.root,
            threshold_seconds=self._settings.stall_seconds,
            on_stall=parts.worker.stalled,
        )
        watchdog.start()
        stack.callback(watchdog.stop)


async def start_site(stack: AsyncExitStack, parts: Wiring, listener: socket.socket) -> None:
    """Serve the API of these parts, until the stack is left."""
    guard = None if parts.authenticator is None else parts.loopback.guarded(parts.authenticator)
    app = build_app(
        parts.services,
        parts.api_options,
        guard,
        parts.custom.app,
        outermost=parts.tracing.middlewares,
    )
    parts.custom.stands_in(app, parts.api_options)
    await serve(app, listener, stack)


def address_of(listener: socket.socket) -> str:
    """Return the address at which this machine reaches what listens there."""
    host, port = listener.getsockname()[:2]
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _spare_collector() -> None:
    """Collect garbage less often, and not among what was imported: that stays anyway.

    A long answer is many objects that live for a moment; going through them costs a tenth of it.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


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


def _graph_report(report: LoadReport) -> GraphReport:
    error = report.error
    return GraphReport(
        graph_id=report.graph_id,
        seconds=report.seconds,
        error=None if error is None else error.summary,
        details=None if error is None else error.text,
    )
