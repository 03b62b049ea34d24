"""A small process that has imported what every server imports, and forks one when it is asked to.

It never has a second thread, an event loop, a database or a connection, so that what it forks is
as good as new. It also imports the third-party modules that the project needs, but never a module
of the project. It is started anew when its environment changes.

It reads its orders from a channel: `fork` (with the child's end of a channel of its own), `signal`,
`preload`, and `leave` (fork no more, end with the last child). It tells `forked`, `ended`, and
`unsafe` with the module whose import began a thread; then it ends once its children have.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from lgserve.channel import Channel, Message, unpacked
from lgserve.project_config import ProjectConfig
from lgserve.settings import export_environment

_PR_SET_NAME = 15
_PR_SET_PDEATHSIG = 1
_TASKS = Path("/proc/self/task")
_LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})
#: Imported for every server, whatever the project.
_HEAVY = ("lgserve.server", "uvloop", "pydantic", "orjson", "langgraph.graph", "langchain_core")


def can_fork() -> bool:
    """Tell whether a process can fork safely here: elsewhere the system's libraries mind."""
    return sys.platform == "linux" and _TASKS.is_dir()


def newest_module() -> str:
    """Name the module that was imported last."""
    return next(reversed(sys.modules))


def third_party_modules(since: str = "") -> list[str]:
    """Name the modules imported after another that lie in a folder of libraries, in their order.

    Older ones are not even looked at: after a fork that alone would copy the pages they lie on.
    """
    # One step for the interpreter, lest another thread import something meanwhile.
    newest_first = list(takewhile(since.__ne__, reversed(sys.modules)))
    return [name for name in reversed(newest_first) if _is_third_party(name, sys.modules.get(name))]


def _is_third_party(name: str, module: object) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or name.startswith(("lgserve", "__")):
        return False
    return not _LIBRARY_FOLDERS.isdisjoint(Path(file).parts)


@dataclass(frozen=True, slots=True)
class Forked:
    """Who one is after a fork."""

    listener: int
    channel: socket.socket
    #: Modules that were imported for the project's sake.
    preloaded: frozenset[str]
    #: The module that the fork server imported last.
    newest: str


class ForkServer:
    """Reads orders and forks; `run` returns in each child, and never in the server itself."""

    def __init__(self, channel: Channel, listener: int) -> None:
        self._channel = channel
        self._listener = listener
        self._children: set[int] = set()
        self._modules: deque[str] = deque()
        self._preloaded: set[str] = set()
        self._leaving = False
        self._wake_out, self._wake_in = os.pipe()

    def run(self) -> Forked:
        """Serve until the parent is gone; return in a child."""
        self._watch_children()
        while True:
            if forked := self._wait():
                return forked
            self._reap()
            if self._leaving and not self._children:
                os._exit(0)
            if self._modules:
                self._preload(self._modules.popleft())

    def _wait(self) -> Forked | None:
        """Wait for an order or a child's end; not at all while there is something to import."""
        message = self._channel.buffered()
        if message is None:
            timeout = 0 if self._modules else None
            orders = self._channel.fileno()
            ready, _, _ = select.select([orders, self._wake_out], [], [], timeout)
            if self._wake_out in ready:
                os.read(self._wake_out, 512)
            if orders not in ready:
                return None
            message = self._channel.receive()
        if message is None:
            os._exit(0)  # the parent is gone; the kernel ends the children with this process
        return self._obey(message)

    def _obey(self, message: Message) -> Forked | None:
        said = message.fields
        match message.kind:
            case "fork" if message.descriptor is not None:
                return self._fork(message.descriptor)
            case "signal":
                if said["pid"] in self._children:  # else its number may be another's by now
                    os.kill(said["pid"], said["number"])
            case "preload":
                self._modules.extend(n for n in said["modules"] if n not in sys.modules)
            case "leave":
                self._leaving = True
            case _:
                message.drop()
        return None

    def _fork(self, descriptor: int) -> Forked | None:
        gc.collect()
        gc.freeze()  # pages of what will never be collected stay shared
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as exc:  # no memory, or too many processes: this one must live on
            os.close(descriptor)
            self._channel.send("unborn", why=str(exc))
            return None
        if pid == 0:
            self._become_child(parent)
            end = socket.socket(fileno=descriptor)
            return Forked(self._listener, end, frozenset(self._preloaded), newest_module())
        os.close(descriptor)
        self._children.add(pid)
        self._channel.send("forked", pid=pid)
        return None

    def _become_child(self, parent: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(self._wake_in)
        os.close(self._wake_out)
        self._channel.abandon()
        die_with(parent)
        name_process("lgserve")
        _reseed()

    def _watch_children(self) -> None:
        os.set_blocking(self._wake_in, False)
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            self._channel.send("ended", pid=pid, status=os.waitstatus_to_exitcode(status))

    def _preload(self, name: str) -> None:
        """Import a module for the children to come; one that begins a thread spoils this server."""
        with contextlib.suppress(BaseException):  # whatever it is, the child will meet it itself
            importlib.import_module(name)
        self._preloaded.add(name)
        if _threads() > 1:
            self._modules.clear()
            self._leaving = True
            self._channel.send("unsafe", module=name)


def _threads() -> int:
    """Count this process's threads, those of native code included."""
    return len(os.listdir(_TASKS))  # noqa: PTH208 - counted, a hundred times


def _reseed() -> None:
    """Give the child random numbers of its own; Python sees to its own generator."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)


def name_process(name: str) -> None:
    """Show this process under a name in `top` and `ps -o comm`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def forget_shadowed(preloaded: Iterable[str], folders: Iterable[Path]) -> None:
    """Forget preloaded modules whose names the project has taken since: its own come first."""
    own = {name for folder in folders for name in _top_names(folder)}
    tops = {name.partition(".")[0] for name in preloaded} & own
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def _top_names(folder: Path) -> set[str]:
    with contextlib.suppress(OSError):
        return {
            entry.name.removesuffix(".py")
            for entry in os.scandir(folder)
            if entry.name.endswith(".py") or Path(entry.path, "__init__.py").is_file()
        }
    return set()


def serve(after_fork: Callable[[Forked], None]) -> None:
    """Be a fork server; `sys.argv` ends with the listener, the channel and the parent's id."""
    listener, descriptor, parent = map(int, sys.argv[-3:])
    for inherited in (listener, descriptor):
        os.set_inheritable(inherited, False)  # noqa: FBT003 - its signature
    die_with(parent)
    name_process("lgserve-fork")
    # Ctrl-C reaches the whole foreground group; the parent alone says what it means.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    channel = Channel(socket.socket(fileno=descriptor))
    message = channel.receive()
    if message is None:
        os._exit(0)
    project = unpacked(message.fields["project"])
    if not isinstance(project, ProjectConfig):
        raise TypeError(f"expected a project, not {type(project).__name__}")
    export_environment(project)  # langchain reads some of it when it is imported
    for name in _HEAVY:
        with contextlib.suppress(ImportError):  # uvloop is not everywhere
            importlib.import_module(name)
    if _threads() > 1:
        channel.send("unsafe", module="")
        os._exit(0)
    channel.send("warm")
    after_fork(ForkServer(channel, listener).run())
