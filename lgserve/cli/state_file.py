"""`.lgserve/server.json`: how commands in a project's folder find its running server."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = ".lgserve"
_NAME = "server.json"
#: The place of a process's start, in ticks since the machine's, among its fields.
_BEGAN = 19
#: Word is left when a server is ready, so a process that has just begun did not leave it.
_SLACK_SECONDS = 2.0
_PROBE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """What a server leaves about itself while it runs."""

    pid: int
    url: str
    started_at: str
    version: str


def read_state(folder: Path) -> RunningServer | None:
    """Return the server that serves the project in this folder, if it still lives."""
    state = _left_word(folder)
    return state if state is not None and _alive(state) else None


def find_state(start: Path) -> tuple[RunningServer, Path] | None:
    """Return the nearest server upward from a folder, and the file that tells of it."""
    for folder in (start, *start.parents):
        if state := read_state(folder):
            return state, _file(folder)
    return None


def write_state(folder: Path, url: str, version: str) -> None:
    """Leave word of this process, unless a living one has left its own.

    A folder that cannot be written to is no reason to fail.
    """
    if read_state(folder) is not None:
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    state = RunningServer(pid=os.getpid(), url=url, started_at=now, version=version)
    with suppress(OSError):
        _file(folder).parent.mkdir(mode=0o700, exist_ok=True)
        ignore = _file(folder).with_name(".gitignore")
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        fresh = _file(folder).with_name(f"{_NAME}.{os.getpid()}")
        fresh.write_text(json.dumps(asdict(state)) + "\n", encoding="utf-8")
        fresh.replace(_file(folder))


@contextmanager
def removed_at_end(folder: Path) -> Iterator[None]:
    """Take back the word this process has left; that of another process stays."""
    try:
        yield
    finally:
        state = _left_word(folder)
        if state is not None and state.pid == os.getpid():
            with suppress(OSError):
                _file(folder).unlink()


def _left_word(folder: Path) -> RunningServer | None:
    """Return what a server has left here, whether or not it lives."""
    try:
        found = json.loads(_file(folder).read_text(encoding="utf-8"))
        return RunningServer(
            pid=int(found["pid"]),
            url=str(found["url"]),
            started_at=str(found.get("started_at", "")),
            version=str(found.get("version", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(folder: Path) -> Path:
    return folder / FOLDER / _NAME


def _alive(state: RunningServer) -> bool:
    """Tell whether the process that left word is there still, and not another one with its id."""
    if sys.platform == "win32":  # there a signal 0 would end the process
        return True
    try:
        os.kill(state.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    if state.pid <= 0 or _is_zombie(state.pid):
        return False
    # Clocks are set, so a late start alone proves nothing: nobody listening there does.
    return not _began_later(state) or _answers(state.url)


def _is_zombie(pid: int) -> bool:
    fields = _process_fields(pid)
    return bool(fields) and fields[0] in ("Z", "X")


def _began_later(state: RunningServer) -> bool:
    """Tell whether the process began after the word was left; False where that cannot be told."""
    fields = _process_fields(state.pid)
    try:
        left = datetime.fromisoformat(state.started_at).timestamp()
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        age = up - int(fields[_BEGAN]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return False
    return time.time() - age > left + _SLACK_SECONDS


def _process_fields(pid: int) -> list[str]:
    """Return what Linux tells of a process, from its state on; nothing elsewhere."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # its name may hold anything, brackets too


def _answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 80), _PROBE_SECONDS):
            return True
    except (OSError, ValueError):
        return False
