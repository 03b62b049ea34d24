"""`lgserve dev` with reload: a parent that owns the socket, and children that serve on it.

The parent imports neither the user's code nor the server. It watches files; a change starts a new
child, beside the one that serves. Once it has loaded everything it takes connections, and the old
one *retires*: it accepts no more, hands over the connections that are idle, lets its runs finish
or go on in the new one, and leaves. A child that cannot load the new code leaves, and nothing else
has happened. So somebody always serves.

Each child has a channel to the parent (`lgserve.channel`). What children have to tell each other
goes through the parent: that something can be claimed, that a run is to be cancelled, connections.
"""

from __future__ import annotations

import contextlib
import importlib.util
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from lgserve.channel import Message
from lgserve.children import Child, Ended, Forker, Launcher, Order, Said, Spawner, Spoiled, Tell
from lgserve.core.errors import ConfigurationError
from lgserve.fork_server import can_fork
from lgserve.settings import Settings

__all__ = ["CANNOT_SERVE", "Order", "Supervisor", "Talk"]

#: A child's exit status: it cannot serve, and no change of code would help. It has said why.
CANNOT_SERVE = 70
INTERRUPTED = 130
#: Beyond the grace its runs get, the time a child has to leave.
_LEAVE_SECONDS = 3.0
#: The time a child that still loads has, once what it loads is out of date.
_LOAD_SECONDS = 2.0
#: Retired children at once; of more, the oldest has to leave within its grace.
_MOST_RETIRED = 8
_STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


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
class _Blind:
    reason: str


_Event = _Stop | _Changed | Said | Ended | Spoiled | _Blind


class Supervisor:
    """Keeps a child serving until it is told to stop."""

    def __init__(
        self,
        *,
        listener: socket.socket,
        command: Sequence[str],
        order: Order,
        reload_settings: Callable[[], Settings],
        watch: Watch,
        talk: Talk,
        fork_command: Sequence[str] | None = None,
        exit_after_seconds: float | None = None,
    ) -> None:
        self._order = order
        self._reload_settings = reload_settings
        self._watch = watch
        self._talk = talk
        self._exit_after_seconds = exit_after_seconds
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._launcher: Launcher = _launcher(command, fork_command, listener, self._events.put)
        #: Who serves, who is about to, and who did and has not left yet, oldest first.
        self._serving: Child | None = None
        self._coming: Child | None = None
        self._retired: list[Child] = []
        #: Owners that ended when nobody served who could take back their runs.
        self._gone: list[str] = []
        self._refused: ConfigurationError | None = None
        self._changed_again = False
        self._stopping = False
        self._deadlines: dict[Child, float] = {}
        self._broken: frozenset[str] = frozenset()
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
                self._launcher.close()

    def _loop(self) -> int:
        status: int | None = None
        while status is None:
            status = self._act(self._next_event())
        return status

    def _act(self, event: _Event | None) -> int | None:
        """Act on an event; return the exit status if it is the end of all."""
        match event:
            case _Stop(number):
                return self._stop(number)
            case Ended(child, number):
                return self._follow_up(child, number)
            case _Changed(paths) if not self._stopping:
                self._reload(paths)
            case Said(child, message):
                self._hear(child, message)
            case Spoiled() if not self._stopping:
                self._launcher.renew()
            case _Blind(reason):
                self._talk.not_watching(reason)
            case _:
                pass
        return None

    def _next_event(self) -> _Event | None:
        """Wait for an event; who does not leave in time is ended, and None returned."""
        first = min(self._deadlines.values(), default=None)
        left = None if first is None else max(0.0, first - time.monotonic())
        try:
            return self._events.get(timeout=left)
        except queue.Empty:
            for child, deadline in list(self._deadlines.items()):
                if deadline <= time.monotonic():
                    del self._deadlines[child]
                    child.send_signal(signal.SIGKILL)
            return None

    @property
    def _alive(self) -> list[Child]:
        return [child for child in (*self._retired, self._serving, self._coming) if child]

    # ---------------------------------------------------------------- beginning

    def _start(self) -> None:
        """Start a child: beside the one that serves, if there is one."""
        self._changed_again = False
        takeover = self._serving is not None
        if takeover and self._order.debug_port is not None:
            self._replace_debugged()
            return
        peers = tuple(child.owner for child in self._alive if child.owner)
        order = replace(self._order, takeover=takeover, broken=self._broken, peers=peers)
        child = self._launcher.start(order)
        if takeover:
            self._coming = child
        else:
            self._serving = child

    def _replace_debugged(self) -> None:
        """End the one that serves first: two cannot listen for one debugger."""
        self._changed_again = True
        if self._serving is not None:
            self._let_go(self._serving)

    def _reload(self, paths: tuple[Path, ...]) -> None:
        """Start on the new code; a config that cannot be read leaves everything as it is."""
        try:
            settings = self._reload_settings()
        except ConfigurationError as exc:
            self._refuse(exc)
            return
        self._talk.changed(paths)
        _forget_compiled(paths)
        before = self._order.settings
        self._order = replace(
            self._order, settings=replace(settings, fresh=settings.fresh and not self._served)
        )
        if _watched(settings) != _watched(before):
            self._unwatch.set()
            self._follow_files()
        loading = self._coming or self._serving
        if loading is not None and not loading.owner:
            self._changed_again = True  # what is being loaded may be half of the change
            self._deadlines.setdefault(loading, time.monotonic() + _LOAD_SECONDS)
        else:
            self._start()

    def _refuse(self, error: ConfigurationError) -> None:
        """Say why the new code is not served, here and in the API of who serves."""
        self._refused = error
        self._talk.not_reloaded(error)
        self._tell_refused()

    def _tell_refused(self) -> None:
        if self._serving is not None and self._refused is not None:
            error = {"message": self._refused.message, "hint": self._refused.hint}
            details = getattr(self._refused, "details", {})
            self._serving.channel.send("reload_error", error={**error, **details})

    # ---------------------------------------------------------------- hearing

    def _hear(self, child: Child, message: Message) -> None:
        match message.kind:
            case "ready":
                self._promote(child, message.fields)
            case "failed" if child is self._coming:
                self._give_up(child, message)
            case "retired":
                self._let_claim()
            case "leaving":
                self._deadlines.setdefault(child, time.monotonic() + _LEAVE_SECONDS)
            case _:
                self._pass_on(child, message)

    def _give_up(self, child: Child, message: Message) -> None:
        """Leave the place to who has it: the new code does not load."""
        self._coming = None
        self._retired.append(child)
        self._deadlines[child] = time.monotonic() + _LEAVE_SECONDS
        self._refuse(LoadError(message.fields["message"], message.fields["details"]))
        self._go_on()

    def _let_claim(self) -> None:
        """Tell who serves that who did before has taken what would be lost with it."""
        if self._serving is not None:
            self._serving.channel.send("serve")

    def _promote(self, child: Child, facts: dict[str, Any]) -> None:
        """Let a child that is ready serve, and who did before retire."""
        child.owner = facts.pop("owner", None)
        if not self._stopping:
            self._deadlines.pop(child, None)
        modules = facts.pop("modules", ())
        if child is self._coming:
            before, self._serving, self._coming = self._serving, child, None
            if before is not None:
                self._retire(before, facts)
            else:
                self._let_claim()
            self._tell_gone()
        if child is not self._serving or self._stopping:
            return
        self._broken = frozenset(g["graph_id"] for g in facts.get("graphs", ()) if g["error"])
        self._refused = None
        self._talk.ready(facts, reloaded=self._served)
        self._served = True
        self._launcher.loaded(modules)
        self._go_on()

    def _retire(self, child: Child, facts: dict[str, Any]) -> None:
        """Have a child make room for another one, of which these are the facts."""
        self._retired.append(child)
        graphs = [graph["graph_id"] for graph in facts.get("graphs", ())]
        child.channel.send("retire", grace=self._order.settings.grace_seconds, graphs=graphs)
        for oldest in self._retired[:-_MOST_RETIRED]:
            if oldest not in self._deadlines:
                self._let_go(oldest)

    def _go_on(self) -> None:
        if self._changed_again and self._coming is None and not self._stopping:
            self._start()

    def _pass_on(self, child: Child, message: Message) -> None:
        """Pass a hint on to all others, and a client's connection to who serves."""
        others = [other for other in self._alive if other is not child]
        if message.kind == "connection":
            others = [other for other in others if other is self._serving]
        for other in others:
            other.channel.send(message.kind, descriptor=message.descriptor, **message.fields)
        message.drop()

    # ---------------------------------------------------------------- ending

    def _stop(self, number: int) -> int | None:
        """Ask all to leave; at the second time, leave at once."""
        if not self._alive:
            return 0
        if self._stopping:
            return INTERRUPTED if number == signal.SIGINT else 0
        self._stopping = True
        self._talk.stopping()
        if self._coming is not None:
            self._coming.send_signal(signal.SIGKILL)
        for child in self._alive:
            self._let_go(child)
        return None

    def _let_go(self, child: Child) -> None:
        """Ask a child to leave; its runs get their grace."""
        if child not in self._deadlines or self._stopping:
            grace = self._order.settings.grace_seconds
            if child not in self._deadlines:  # a second signal would end it
                child.send_signal(signal.SIGTERM)
            self._deadlines[child] = time.monotonic() + grace + _LEAVE_SECONDS

    def _follow_up(self, child: Child, status: int) -> int | None:
        """Act on the end of a child; return the exit status if it is the end of all."""
        expected = child in self._deadlines or child in self._retired
        self._deadlines.pop(child, None)
        if child in self._retired:
            self._retired.remove(child)
        if self._stopping:
            return self._one_less(child)
        if child is self._coming:
            self._coming = None
            self._refuse(LoadError(_ended_by_itself(status), {}))
        elif child is self._serving:
            self._serving = None
            if status == CANNOT_SERVE and not self._served:
                return 1
            if not expected:
                self._talk.died(status)
        if self._serving is not None:
            self._serving.channel.send("peers", count=len(self._retired))
        self._gone += [child.owner] if child.owner else []
        self._tell_gone()
        self._go_on()
        return None

    def _tell_gone(self) -> None:
        """Have who serves take back the runs of processes that have ended."""
        while self._serving is not None and self._serving.owner and self._gone:
            self._serving.channel.send("gone", owner=self._gone.pop())

    def _one_less(self, child: Child) -> int | None:
        """Note that one has left; the last one ends it all."""
        self._coming = None if child is self._coming else self._coming
        self._serving = None if child is self._serving else self._serving
        return None if self._alive else 0

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


class LoadError(ConfigurationError):
    """The new code cannot be served."""

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


def _launcher(
    command: Sequence[str],
    fork_command: Sequence[str] | None,
    listener: socket.socket,
    tell: Tell,
) -> Launcher:
    spawner = Spawner(command, listener, tell)
    if fork_command is None or not can_fork():
        return spawner
    return Forker(fork_command, spawner, listener, tell)


def _ended_by_itself(status: int) -> str:
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"the new code ended its process as it was loaded ({how})"


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
