"""`.lgserve/server.json`: how commands in a project's folder find its running server."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = ".lgserve"
_NAME = "server.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """What a server leaves about itself while it runs."""

    pid: int
    url: str
    started_at: str
    version: str


def read_state(folder: Path) -> RunningServer | None:
    """Return the server that serves the project in this folder, if it still lives."""
    try:
        found = json.loads(_file(folder).read_text(encoding="utf-8"))
        state = RunningServer(
            pid=int(found["pid"]),
            url=str(found["url"]),
            started_at=str(found.get("started_at", "")),
            version=str(found.get("version", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return state if _alive(state.pid) else None


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
        state = read_state(folder)
        if state is not None and state.pid == os.getpid():
            with suppress(OSError):
                _file(folder).unlink()


def _file(folder: Path) -> Path:
    return folder / FOLDER / _NAME


def _alive(pid: int) -> bool:
    if sys.platform == "win32":  # there a signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0
