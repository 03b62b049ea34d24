"""The one event loop on which user code runs: its own thread, its own pool for sync nodes.

Whatever a node does to this loop, the loop that serves the API does not feel it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_log = logging.getLogger("lgserve")


class Handle(Generic[T]):
    """Work that was given to the user loop: await `future` for its result, `cancel` to stop it."""

    def __init__(self, home: asyncio.AbstractEventLoop, away: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[T] = home.create_future()
        self._home = home
        self._away = away
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Ask the work to stop; `future` is done when it has."""
        self._away.call_soon_threadsafe(self._cancel)

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Start the work; called on the user loop."""
        if self._cancelled:
            work.close()
            self._home.call_soon_threadsafe(self.future.cancel)
            return
        self._task = self._away.create_task(work)
        self._task.add_done_callback(self._done)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _done(self, task: asyncio.Task[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the home loop was closed; nobody waits any more
            self._home.call_soon_threadsafe(self._resolve, task)

    def _resolve(self, task: asyncio.Task[T]) -> None:
        if self.future.done():
            return
        if task.cancelled():
            self.future.cancel()
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())


class NodeThreads(ThreadPoolExecutor):
    """The threads of sync nodes; one that only waits for another run is lent."""

    def lend(self) -> None:
        """Have a thread more, at once; from any thread."""
        with _lending:
            self._max_workers += 1
        with contextlib.suppress(RuntimeError):  # shut down
            self.submit(int)  # what is queued gets a thread only when more is submitted

    def take_back(self) -> None:
        """Have a thread less, as soon as one is idle; from any thread."""
        with _lending:
            self._max_workers -= 1


_lending = threading.Lock()


class UserLoopThread:
    """Runs the user loop; see `lgserve.core.ports.UserLoop`."""

    def __init__(
        self,
        concurrency: int,
        new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        #: The pool of sync nodes.
        self.threads = NodeThreads(concurrency, thread_name_prefix="lgserve-node")
        self._new_loop = new_loop
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._main, name="lgserve-user-loop", daemon=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself; only after `start`."""
        assert self._loop is not None  # noqa: S101 - a programming error
        return self._loop

    @property
    def thread_id(self) -> int:
        """The thread's identifier, by which its stack is found."""
        return self._thread.ident or 0

    def start(self) -> None:
        """Start the thread and wait until its loop runs."""
        # A short switch interval lets the API's loop answer while a node computes.
        sys.setswitchinterval(0.0005)
        self._thread.start()
        self._started.wait()

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Handle[T]:
        """Start a coroutine function on the user loop; called on the loop that wants the result."""
        handle: Handle[T] = Handle(asyncio.get_running_loop(), self.loop)
        self.loop.call_soon_threadsafe(lambda: handle.begin(work()))
        return handle

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function there and return its result here; cancelling cancels it."""

        async def call() -> T:
            return await work()

        handle = self.submit(call)
        try:
            return await handle.future
        except asyncio.CancelledError:
            handle.cancel()
            raise

    def stop(self, timeout: float) -> None:
        """Cancel what runs and end the thread; a thread that is stuck is left behind."""
        if self._loop is None:
            return
        self._stopping.set()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)

    def _main(self) -> None:
        loop = self._new_loop()
        asyncio.set_event_loop(loop)
        loop.set_default_executor(self.threads)
        self._loop = loop
        loop.call_soon(self._started.set)
        try:
            _run_until_stopped(loop, self._stopping)
            _cancel_all(loop)
        finally:
            self.threads.shutdown(wait=False, cancel_futures=True)
            loop.close()


def _run_until_stopped(loop: asyncio.AbstractEventLoop, stopping: threading.Event) -> None:
    """Run the loop; a node that calls `sys.exit` or stops the loop hurts its own run only."""
    while not stopping.is_set():
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as exc:
            _log.warning("user code raised %r; the server goes on", exc)
        else:
            if not stopping.is_set():
                _log.warning("user code stopped its event loop; the server goes on")


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=2))
    loop.run_until_complete(loop.shutdown_asyncgens())
