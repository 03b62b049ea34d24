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
from functools import partial
from typing import TYPE_CHECKING

from aiohttp.http_exceptions import HttpProcessingError

from lgserve.api.app import build_app
from lgserve.api.connections import ready_to_serve
from lgserve.connections import Doors
from lgserve.core.ids import new_id
from lgserve.data_folder import held, remove_database
from lgserve.engine.tasks import TaskSet
from lgserve.engine.user_loop import UserLoopThread
from lgserve.engine.watchdog import StallWatchdog
from lgserve.graphs.loader import GraphSource
from lgserve.guarding import load_custom
from lgserve.handlers import Handlers
from lgserve.overlap import NotTakenOverError, Place
from lgserve.retiring import Retirement
from lgserve.settings import Settings, export_environment, tracing_environment
from lgserve.startup import Announce, StartupReport, graph_report
from lgserve.storage.database import SqliteDatabase
from lgserve.tracing import open_tracing
from lgserve.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.core.ports import Storage
    from lgserve.engine.worker import RunWorker
    from lgserve.graphs.registry import GraphRegistry, LoadReport

_log = logging.getLogger("lgserve")


def run_server(
    settings: Settings,
    listener: socket.socket,
    announce: Announce,
    place: Place | None = None,
    *,
    stopping: Callable[[], None] = lambda: None,
    folder_held: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code; call it in the main thread.

    The first signal lets runs stop at their next superstep, at most `grace_seconds` long; the
    second one leaves at once. With a `place`, another process may take over; then it ends too.

    Raises:
        NotTakenOverError: it was to take over, and does not load what the other one does.
    """
    export_environment(settings.project)
    _quiet_bad_requests()
    loop_factory = _loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        server = partial(Server, settings, listener, loop_factory, place, folder_held=folder_held)
        return runner.run(_serve(server, announce, stopping, place))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop where it is installed, else asyncio's."""
    try:
        import uvloop  # absent on Windows
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(
    make: Callable[[], Server],
    announce: Announce,
    stopping: Callable[[], None],
    place: Place | None,
) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    server = make()
    async with server.started() as report:
        announce(report)
        if report.graphs and all(graph.error for graph in report.graphs):
            _log.warning("no graph could be loaded; the API is up, runs will fail")
        await server.served(stop)
        stopping()
    if place is not None:
        place.look()  # at what was given back just now
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
        place: Place | None = None,
        *,
        folder_held: bool = False,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._loop_factory = loop_factory
        self._place = place
        self._folder_held = folder_held
        #: Where a child's own code calls: what others accept knows nothing of its runs.
        self._own_listener = None if place is None else socket.create_server(("127.0.0.1", 0))
        self._retirement: Retirement | None = None
        self._began = time.monotonic()
        #: The name under which runs are executed here.
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"

    @asynccontextmanager
    async def started(self) -> AsyncIterator[StartupReport]:
        """Serve while entered; the report says how the start went."""
        async with AsyncExitStack() as stack:
            parts = await self._open(stack)
            doors = await open_doors(stack, parts)
            if self._own_listener is not None:
                stack.callback(self._own_listener.close)
                await doors.open(self._own_listener)
            if not self._takes_over:
                await doors.open(self._listener)
            loaded = await self._load(stack, parts)
            recovered = await self._start_work(stack, parts, doors)
            _spare_collector()
            parts.facts.loaded(loaded)
            if self._takes_over:
                await doors.open(self._listener)
            yield StartupReport(
                url=parts.url,
                data=parts.data,
                seconds=time.monotonic() - self._began,
                graphs=tuple(graph_report(report) for report in loaded),
                recovered_runs=recovered,
                running_runs=await _running(parts.storage),
                owner=self.owner,
            )

    async def served(self, stop: asyncio.Event) -> None:
        """Return when it is time to end: a signal has come, or another process serves."""
        if self._retirement is None:
            await stop.wait()
        else:
            await self._retirement.over(stop)

    @property
    def _takes_over(self) -> bool:
        """Whether another process serves until this one is ready."""
        return self._place is not None and self._place.takeover

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
            owner=self.owner,
            own_url=None if self._own_listener is None else address_of(self._own_listener),
            place=self._place,
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
        self._refuse_broken(loaded)
        await load_custom(settings, parts.authenticator, user_loop)
        await parts.handlers.load(settings, user_loop)
        parts.tracing.loaded()
        await parts.encryption.load(settings.project, user_loop, parts.database)
        await parts.own_storage.load(settings.project, user_loop, parts.facts.tiers)
        await parts.store_parts.load(settings.project, user_loop)
        stack.callback(parts.store_parts.close)
        return loaded

    def _refuse_broken(self, loaded: Sequence[LoadReport]) -> None:
        """Leave the place to who has it if a graph does not load that does load there."""
        place = self._place
        if place is None or not place.takeover:
            return
        errors = {r.graph_id: r.error for r in loaded if r.error and r.graph_id not in place.broken}
        if errors:
            told = "\n".join(f"{name}: {error.summary}" for name, error in errors.items())
            raise NotTakenOverError(
                told, {"graphs": {name: error.to_json() for name, error in errors.items()}}
            )

    async def _start_work(self, stack: AsyncExitStack, parts: Wiring, doors: Doors) -> int:
        """Begin to do what nobody asks for; return how many runs of a dead process go on."""
        project = self._settings.project
        await parts.assistants.create_system_assistants()
        stack.push_async_callback(parts.webhooks.worker.stop)
        if self._takes_over:
            await parts.custom.start(project, parts.user_loop)
        await parts.webhooks.worker.start(alone=not self._takes_over)
        # Behind the drain: what is due meanwhile waits in the queue for the next process.
        stack.push_async_callback(parts.scheduler.stop)
        recovered = await parts.worker.recover(self._place.peers if self._place else ())
        stack.push_async_callback(parts.worker.drain, self._settings.grace_seconds)
        self._start_runs(parts, doors)
        parts.tasks.start(parts.janitor.run(), "janitor")
        if "crons" not in parts.disabled:
            parts.scheduler.start()
        self._start_watchdog(stack, parts)
        if not self._takes_over:
            await parts.custom.start(project, parts.user_loop)
        return len(recovered)

    def _start_runs(self, parts: Wiring, doors: Doors) -> None:
        """Begin to execute runs, and to follow those of other processes."""
        parts.tasks.start(parts.foreign.follow(), "runs of others")
        if self._place is not None:
            self._retirement = self._join(self._place, parts, doors)
        if self._takes_over:
            parts.tasks.start(self._claim_in_turn(parts.worker), "taking over")
        else:
            parts.worker.run()

    def _join(self, place: Place, parts: Wiring, doors: Doors) -> Retirement:
        """Take one's place among the processes of the parent."""
        retirement = Retirement(
            place=place,
            doors=doors,
            listener=self._listener,
            worker=parts.worker,
            streams=parts.streams,
            storage=parts.storage,
            scheduler=parts.scheduler,
            webhooks=parts.webhooks.worker,
            facts=parts.facts,
        )
        place.attach(retirement.hear)
        return retirement

    async def _claim_in_turn(self, worker: RunWorker) -> None:
        """Begin to claim when who served before has taken what would be lost with it."""
        if self._retirement is not None:
            await self._retirement.turn()
        worker.run()

    def _open_database(self, stack: AsyncExitStack) -> SqliteDatabase:
        settings = self._settings
        if settings.data is not None:
            if not self._folder_held:
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


async def open_doors(stack: AsyncExitStack, parts: Wiring) -> Doors:
    """Make the API of these parts ready to be called, until the stack is left."""
    guard = None if parts.authenticator is None else parts.loopback.guarded(parts.authenticator)
    app = build_app(
        parts.services,
        parts.api_options,
        guard,
        parts.custom.app,
        outermost=parts.tracing.middlewares,
    )
    parts.custom.stands_in(app, parts.api_options)
    doors = Doors()
    app.on_response_prepare.append(doors.prepare)
    doors.lead_to(await ready_to_serve(app, stack))
    stack.push_async_callback(doors.close)
    return doors


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


async def _running(storage: Storage) -> int:
    counts = await storage.lookup(lambda tx: tx.runs.counts())
    return counts.get("running", 0)
