"""The processes that serve, as their parent sees them: how they are started, and how they end.

A child is forked from a fork server where that is possible, so that it is there at once; else it
is started like any other program.
"""

from __future__ import annotations

import contextlib
import os
import site
import socket
import subprocess
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lgserve.channel import Channel, Message, packed
from lgserve.settings import Settings

#: How long what a child has said may still be on its way when it has ended.
_LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a child is told when it starts."""

    settings: Settings
    color: bool
    debug_port: int | None = None
    wait_for_client: bool = False
    #: Another one serves: take its place once everything is loaded, not before.
    takeover: bool = False
    #: Graphs that did not load in the one that serves: those alone may be broken here.
    broken: frozenset[str] = frozenset()
    #: The owners of runs that others execute on the same database.
    peers: tuple[str, ...] = ()
    #: The parent holds the data folder for its children.
    folder_held: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A child has said something."""

    child: Child
    message: Message


@dataclass(frozen=True, slots=True)
class Ended:
    """A child has ended, with an exit status, negative for a signal."""

    child: Child
    status: int


@dataclass(frozen=True, slots=True)
class Spoiled:
    """What children are started from is of no use any more: `Launcher.renew` it."""


Tell = Callable[[Said | Ended | Spoiled], None]
Signal = Callable[[int], None]


class Child:
    """A serving process, from its start to its end."""

    def __init__(self, tell: Tell) -> None:
        self.channel, self.other_end = Channel.pair()
        #: The name under which it executes runs, once it is ready.
        self.owner: str | None = None
        self.ended = False
        self._tell = tell
        self._lock = threading.Lock()
        self._signal: Signal | None = None
        self._unsent: list[int] = []
        self._reader = threading.Thread(target=self._listen, name="child", daemon=True)

    def started(self) -> None:
        """Hear that the process has its end of the channel, or soon will."""
        self.other_end.close()
        self._reader.start()

    def reachable(self, signal: Signal) -> None:
        """Learn how to send it a signal."""
        with self._lock:
            self._signal, unsent = signal, self._unsent
        for number in unsent:
            signal(number)

    def send_signal(self, number: int) -> None:
        """Send it a signal, as soon as it is there."""
        with self._lock:
            if self._signal is None:
                self._unsent.append(number)
                return
        if not self.ended:
            self._signal(number)

    def end(self, status: int) -> None:
        """Hear that it has ended; what it has said before is told before."""
        threading.Thread(target=self._end, args=(status,), daemon=True).start()

    def _end(self, status: int) -> None:
        self._reader.join(_LAST_WORDS_SECONDS)
        self.ended = True
        self.channel.close()
        self._tell(Ended(self, status))

    def _listen(self) -> None:
        while (message := self.channel.receive()) is not None:
            self._tell(Said(self, message))


class Launcher(Protocol):
    """Starts children."""

    def start(self, order: Order) -> Child:
        """Start a child."""
        ...

    def loaded(self, modules: Sequence[str]) -> None:
        """Hear which modules of others the project needed, that were not imported beforehand."""
        ...

    def renew(self) -> None:
        """Replace what has been spoiled; in the thread that starts children."""
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...


class Spawner:
    """Starts each child as a program of its own."""

    def __init__(self, command: Sequence[str], listener: socket.socket, tell: Tell) -> None:
        self._command = command
        self._listener = listener
        self._tell = tell
        self._running: set[subprocess.Popen[bytes]] = set()

    def start(self, order: Order) -> Child:
        """Start a child."""
        child = Child(self._tell)
        process = _spawn(self._command, self._listener, child.other_end)
        self._running.add(process)
        child.started()
        child.reachable(process.send_signal)
        child.channel.send("order", order=packed(order))
        threading.Thread(target=self._await, args=(process, child), daemon=True).start()
        return child

    def loaded(self, modules: Sequence[str]) -> None:
        """Nothing is imported beforehand."""

    def renew(self) -> None:
        """Nothing can be spoiled."""

    def close(self) -> None:
        """End everything that was started."""
        for process in list(self._running):
            process.kill()
            process.wait()

    def _await(self, process: subprocess.Popen[bytes], child: Child) -> None:
        status = process.wait()
        self._running.discard(process)
        child.end(status)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What a fork server was started with: when it changes, another one is needed."""

    environment: Mapping[str, str]
    distributions: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> _Surroundings:
        return cls(dict(settings.project.env), _distributions())


@dataclass(slots=True, eq=False)
class _Server:
    """A fork server that runs."""

    process: subprocess.Popen[bytes]
    channel: Channel
    around: _Surroundings
    #: Asked for, and not yet forked.
    awaited: deque[Child] = field(default_factory=deque)
    children: dict[int, Child] = field(default_factory=dict)
    leaving: bool = False


class Forker:
    """Starts children by a fork server; by a program, where that turns out to be unsafe."""

    def __init__(
        self,
        server_command: Sequence[str],
        spawner: Spawner,
        listener: socket.socket,
        tell: Tell,
    ) -> None:
        self._command = server_command
        self._spawner = spawner
        self._listener = listener
        self._tell = tell
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._servers: list[_Server] = []
        self._settings: Settings | None = None
        self._modules: tuple[str, ...] = ()
        #: Packages whose import begins a thread.
        self._unsafe: set[str] = set()
        self._gave_up = False

    def start(self, order: Order) -> Child:
        """Have a child forked, from a new server if what is around has changed."""
        with self._lock:
            self._settings = order.settings
            if self._gave_up:
                return self._spawner.start(order)
            server = self._fitting(order.settings)
            child = Child(self._tell)
            server.awaited.append(child)
            server.channel.send("fork", descriptor=child.other_end.fileno())
            child.started()
            child.channel.send("order", order=packed(order))
            return child

    def loaded(self, modules: Sequence[str]) -> None:
        """Have them imported for the children to come."""
        with self._lock:
            self._modules = tuple(dict.fromkeys((*self._modules, *modules)))
            self._preload()

    def renew(self) -> None:
        """Start a server in the place of one that has been spoiled.

        Not where that is heard of: the kernel ends a server with the thread that started it.
        """
        with self._lock:
            server = self._server
            if server is not None and server.leaving and self._settings and not self._gave_up:
                self._start_server(self._settings, server.around)
                self._preload()

    def close(self) -> None:
        """End the servers, and with them their children."""
        with self._lock:
            servers, self._servers = self._servers, []
        for server in servers:
            server.process.kill()
            server.process.wait()
            server.channel.close()
        self._spawner.close()

    def _fitting(self, settings: Settings) -> _Server:
        around = _Surroundings.of(settings)
        server = self._server
        if server is not None and not server.leaving and server.around == around:
            return server
        self._let_go(server)
        return self._start_server(settings, around)

    def _let_go(self, server: _Server | None) -> None:
        if server is not None:
            server.leaving = True
            server.channel.send("leave")

    def _start_server(self, settings: Settings, around: _Surroundings) -> _Server:
        channel, other_end = Channel.pair()
        process = _spawn(self._command, self._listener, other_end)
        other_end.close()
        server = self._server = _Server(process, channel, around)
        self._servers.append(server)
        channel.send("project", project=packed(settings.project))
        threading.Thread(target=self._listen, args=(server,), name="forks", daemon=True).start()
        return server

    def _preload(self) -> None:
        server = self._server
        if server is not None and not server.leaving and self._modules:
            wanted = [n for n in self._modules if n.partition(".")[0] not in self._unsafe]
            server.channel.send("preload", modules=wanted)

    def _listen(self, server: _Server) -> None:
        while (message := server.channel.receive()) is not None:
            with self._lock:
                self._hear(server, message)
        status = server.process.wait()
        with self._lock:
            server.leaving = True
            with contextlib.suppress(ValueError):
                self._servers.remove(server)
            left = [*server.awaited, *server.children.values()]
            server.awaited.clear()
            server.children.clear()
            server.channel.close()
        for child in left:  # they end with it
            child.end(status or -9)

    def _hear(self, server: _Server, message: Message) -> None:
        said = message.fields
        match message.kind:
            case "forked":
                child = server.children[said["pid"]] = server.awaited.popleft()
                pid = said["pid"]
                child.reachable(lambda number: _signal(server, pid, number))
            case "unborn":
                server.awaited.popleft().end(1)
            case "ended":
                server.children.pop(said["pid"]).end(said["status"])
            case "unsafe":
                self._avoid(server, said["module"])
            case _:
                message.drop()

    def _avoid(self, server: _Server, module: str) -> None:
        """Do without a module that makes forking unsafe; without forks, if it is our own need."""
        server.leaving = True
        if not module:
            self._gave_up = True
            return
        self._unsafe.add(module.partition(".")[0])
        self._tell(Spoiled())


def _signal(server: _Server, pid: int, number: int) -> None:
    server.channel.send("signal", pid=pid, number=number)


def _spawn(
    command: Sequence[str], listener: socket.socket, end: socket.socket
) -> subprocess.Popen[bytes]:
    inherited = (listener.fileno(), end.fileno())
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, *map(str, inherited), str(os.getpid())], pass_fds=inherited
    )


def _distributions() -> frozenset[str]:
    """Name what is installed, with versions: after `pip install` old modules are not served."""
    folders: Collection[str] = {
        *sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()
    }  # fmt: skip
    return frozenset(
        f"{folder}/{entry.name}"
        for folder in folders
        if Path(folder).is_dir()
        for entry in os.scandir(folder)
        if entry.name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth"))
    )
