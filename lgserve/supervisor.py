"""`lgserve dev` with reload: a parent that owns the socket, and a child that serves on it.

The parent imports neither the user's code nor the server. It watches files; on a change it stops
the child and starts a new one on the same socket: connections made meanwhile wait in the backlog.

The two are bound by three file descriptors that the child inherits: the listening socket; the
*order*, a pipe on which the child reads what to do and, later, the end of the parent; the *report*,
a pipe on which the child says that it is ready.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pickle
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from lgserve.core.errors import ConfigurationError
from lgserve.settings import Settings

#: A child's exit status: it cannot serve, and no change of code would help. It has said why.
CANNOT_SERVE = 70
INTERRUPTED = 130
#: Beyond the grace its runs get, the time a child has to leave.
_LEAVE_SECONDS = 3.0
_STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a child is told when it starts."""

    settings: Settings
    color: bool
    debug_port: int | None = None
    wait_for_client: bool = False


class Talk(Protocol):
    """Tells people what happens."""

    def ready(self, report: dict[str, Any], *, reloaded: bool) -> None:
        """The child serves; `report` has the fields of `StartupReport`."""

    def changed(self, paths: Sequence[Path]) -> None:
        """Files have changed; a new child is about to be started."""

    def not_reloaded(self, error: ConfigurationError) -> None:
        """Files have changed, but the config is wrong: what runs goes on."""

    def died(self, status: int) -> None:
        """The child has ended by itself; a change starts a new one."""

    def stopping(self) -> None:
        """The first signal to stop has come."""

    def not_watching(self, reason: str) -> None:
        """Files cannot be watched; what runs goes on."""


#: Watches until the event is set, and hands over the paths that changed.
Watch = Callable[[Settings, threading.Event, Callable[[Sequence[Path]], None]], None]


@dataclass(frozen=True, slots=True)
class _Stop:
    signal_number: int


@dataclass(frozen=True, slots=True)
class _Changed:
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Ready:
    child: _Child
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Ended:
    child: _Child


@dataclass(frozen=True, slots=True)
class _Blind:
    reason: str


_Event = _Stop | _Changed | _Ready | _Ended | _Blind
_Phase = Literal["serving", "replacing", "stopping"]


class Supervisor:
    """Keeps one child serving until it is told to stop."""

    def __init__(
        self,
        *,
        listener: socket.socket,
        command: Sequence[str],
        order: Order,
        reload_settings: Callable[[], Settings],
        watch: Watch,
        talk: Talk,
        exit_after_seconds: float | None = None,
    ) -> None:
        self._listener = listener
        self._command = command
        self._order = order
        self._reload_settings = reload_settings
        self._watch = watch
        self._talk = talk
        self._exit_after_seconds = exit_after_seconds
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._child: _Child | None = None
        self._phase: _Phase = "serving"
        self._deadline: float | None = None
        self._served = False
        self._unwatch = threading.Event()

    def run(self) -> int:
        """Serve until SIGINT, SIGTERM or SIGHUP; return the exit status."""
        with self._signals(), self._alarm():
            try:
                self._start()
                self._follow_files()
                return self._loop()
            finally:
                self._unwatch.set()
                if self._child is not None:
                    self._child.kill()

    def _loop(self) -> int:
        while True:
            match self._next_event():
                case _Stop(number):
                    if self._child is None:
                        return 0
                    if self._phase == "stopping":
                        return INTERRUPTED if number == signal.SIGINT else 0
                    self._talk.stopping()
                    self._let_go("stopping")
                case _Changed(paths) if self._phase != "stopping":
                    self._reload(paths)
                case _Ended(child) if child is self._child:
                    self._child = None
                    if (status := self._follow_up(child.status)) is not None:
                        return status
                case event:
                    self._pass_on(event)

    def _next_event(self) -> _Event | None:
        """Wait for an event; a child that does not leave in time is ended, and None returned."""
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            return self._events.get(timeout=left)
        except queue.Empty:
            self._deadline = None
            if self._child is not None:
                self._child.kill()
            return None

    def _pass_on(self, event: _Event | None) -> None:
        """Tell people; news of a child that has been replaced is no news."""
        match event:
            case _Ready(child, report) if child is self._child:
                self._talk.ready(report, reloaded=self._served)
                self._served = True
            case _Blind(reason):
                self._talk.not_watching(reason)
            case _:
                pass

    def _start(self) -> None:
        self._phase, self._deadline = "serving", None
        self._child = _Child(self._command, self._listener, self._order, self._events.put)

    def _let_go(self, phase: _Phase) -> None:
        """Ask the child to leave; its runs get their grace."""
        self._phase = phase
        if self._deadline is None and self._child is not None:  # a second signal would end it
            self._child.terminate()
        grace = self._order.settings.grace_seconds
        self._deadline = time.monotonic() + grace + _LEAVE_SECONDS

    def _follow_up(self, status: int) -> int | None:
        """Act on the end of the child; return the exit status if it is the end of all."""
        if self._phase == "stopping":
            return 0
        if self._phase == "replacing":
            self._start()
        elif status == CANNOT_SERVE and not self._served:
            return 1
        else:
            self._talk.died(status)
        return None

    def _reload(self, paths: tuple[Path, ...]) -> None:
        """Replace the child; a config that cannot be read leaves everything as it is."""
        try:
            settings = self._reload_settings()
        except ConfigurationError as exc:
            self._talk.not_reloaded(exc)
            return
        self._talk.changed(paths)
        _forget_compiled(paths)
        if self._phase != "replacing":
            self._let_go("replacing")
        before = self._order.settings
        self._order = replace(
            self._order, settings=replace(settings, fresh=settings.fresh and not self._served)
        )
        if _watched(settings) != _watched(before):
            self._unwatch.set()
            self._follow_files()
        if self._child is None:
            self._start()

    def _follow_files(self) -> None:
        self._unwatch = stop = threading.Event()
        settings = self._order.settings

        def follow() -> None:
            try:
                self._watch(settings, stop, lambda paths: self._events.put(_Changed(tuple(paths))))
            except Exception as exc:  # noqa: BLE001 - the boundary of a thread: it is reported
                self._events.put(_Blind(str(exc)))

        threading.Thread(target=follow, name="watch", daemon=True).start()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        # SimpleQueue.put may be called from a signal handler, whatever the main thread is doing.
        before = {
            number: signal.signal(number, lambda n, _: self._events.put(_Stop(n)))
            for number in _STOP_SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[None]:
        if self._exit_after_seconds is None:
            yield
            return
        stop = _Stop(signal.SIGTERM)
        timer = threading.Timer(self._exit_after_seconds, self._events.put, (stop,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _watched(settings: Settings) -> tuple[object, ...]:
    project = settings.project
    patterns = (settings.reload_dirs, settings.reload_include, settings.reload_exclude)
    return (project.root, project.import_paths, project.files, settings.data, *patterns)


def _forget_compiled(paths: Sequence[Path]) -> None:
    """Remove the byte code of changed files: Python takes an edit within its second for the old."""
    for path in paths:
        if path.suffix == ".py":
            with contextlib.suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


class _Child:
    """A serving process, from its start to its end."""

    def __init__(
        self,
        command: Sequence[str],
        listener: socket.socket,
        order: Order,
        tell: Callable[[_Event], None],
    ) -> None:
        order_out, self._order_in = os.pipe()
        report_out, report_in = os.pipe()
        inherited = (listener.fileno(), order_out, report_in)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, *map(str, inherited), str(os.getpid())], pass_fds=inherited
            )
        finally:
            os.close(order_out)
            os.close(report_in)
        self._tell = tell
        self._send(order)
        threading.Thread(target=self._read_reports, args=(report_out,), daemon=True).start()
        threading.Thread(target=self._await_end, daemon=True).start()

    @property
    def status(self) -> int:
        """The exit status; negative for the signal that ended it."""
        return self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _send(self, order: Order) -> None:
        """Write the order; the pipe stays open, and its end is the end of the parent."""
        text = pickle.dumps(order)
        with contextlib.suppress(BrokenPipeError):
            view = memoryview(len(text).to_bytes(8, "big") + text)
            while view:
                view = view[os.write(self._order_in, view) :]

    def _read_reports(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8") as reports:
            for line in reports:
                self._tell(_Ready(self, json.loads(line)))

    def _await_end(self) -> None:
        self._process.wait()
        os.close(self._order_in)
        self._tell(_Ended(self))
