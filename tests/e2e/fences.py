"""A fence around processes: they reach the loopback only, and what they tried beyond is noted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Python's own sockets are watched; libuv's cannot be, so the loop is asyncio's.
_SOURCE = """
import ipaddress, os, sys

sys.modules["uvloop"] = None
_NAMES = {"", "localhost", "localhost.localdomain"}
_ADDRESSED = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_NAMED = {
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
}


def _inside(host):
    if host is None:
        return True
    host = host.decode() if isinstance(host, bytes) else str(host)
    if host in _NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _host(event, args):
    if event in _ADDRESSED:
        address = args[1] if len(args) > 1 else None
        return address[0] if isinstance(address, tuple) else None
    if event in _NAMED:
        return args[0][0] if isinstance(args[0], tuple) else args[0]
    return None


def _fence(event, args):
    if event in _ADDRESSED or event in _NAMED:
        host = _host(event, args)
        if not _inside(host):
            note = os.open(os.environ["LGTEST_FENCE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(note, f"{event} {host}\\n".encode())
            os.close(note)
            raise OSError(101, f"the fence: {host}")


sys.addaudithook(_fence)
"""


@dataclass(frozen=True, slots=True)
class Fence:
    """Stands around the processes that have its environment, and around their children."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(_SOURCE)

    @property
    def environment(self) -> dict[str, str]:
        """What puts a process inside."""
        root = Path(__file__).parents[2]
        return {
            "PYTHONPATH": f"{self.folder}:{root}",
            "LGTEST_FENCE": str(self.folder / "tried.txt"),
        }

    @property
    def tried(self) -> list[str]:
        """What was tried beyond the loopback."""
        notes = self.folder / "tried.txt"
        return notes.read_text().splitlines() if notes.exists() else []
