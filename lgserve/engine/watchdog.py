"""Finds code that blocks the user loop: samples its stack when a tick is late.

Each place is reported once.

Nothing is patched and no run fails of it, unless `strict` asks for that.
"""

from __future__ import annotations

import linecache
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from lgserve.metrics import USER_LOOP_STALL_SECONDS

if TYPE_CHECKING:
    from lgserve.engine.user_loop import UserLoopThread

_log = logging.getLogger("lgserve.loop")

#: A stall that lasts longer is reported while it lasts, too.
_PATIENCE_SECONDS = 3.0
_LONGEST_CODE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The user loop stood still: where, in which node of which run, and for how long."""

    where: str
    #: The line of code that is there.
    code: str
    node: str | None
    graph_id: str | None
    run_id: str | None
    seconds: float


class StallWatchdog:
    """Watches the user loop from a thread of its own; calls `on_stall` there, while it lasts."""

    def __init__(
        self,
        user_loop: UserLoopThread,
        *,
        root: Path,
        threshold_seconds: float,
        on_stall: Callable[[Stall], None],
    ) -> None:
        self._user_loop = user_loop
        self._root = str(root)
        self._threshold = threshold_seconds
        self._on_stall = on_stall
        self._stopped = threading.Event()
        self._tick_seen = threading.Event()
        self._reported: set[str] = set()
        self._thread = threading.Thread(target=self._watch, name="lgserve-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._tick_seen.set()
        self._thread.join(2)

    def _watch(self) -> None:
        """Send a tick through the loop; when it is late, look at what runs, then time it."""
        while not self._stopped.wait(self._threshold / 2):
            self._tick_seen.clear()
            sent = time.monotonic()
            try:
                self._user_loop.loop.call_soon_threadsafe(self._tick_seen.set)
            except RuntimeError:
                return
            if self._tick_seen.wait(self._threshold):
                continue
            stall = self._sample(time.monotonic() - sent)
            if stall is not None:
                self._follow(stall, sent)
            self._tick_seen.wait()

    def _follow(self, stall: Stall, sent: float) -> None:
        """Report a stall until it is over: here at once, in the log the first time at its place."""
        # At once, while the node still blocks: later its run may have ended.
        self._on_stall(stall)
        is_new = stall.where not in self._reported
        self._reported.add(stall.where)
        if is_new and not self._tick_seen.wait(_PATIENCE_SECONDS):
            _report(stall, time.monotonic() - sent, over=False)
        self._tick_seen.wait()
        if self._stopped.is_set():
            return
        USER_LOOP_STALL_SECONDS.observe(time.monotonic() - sent)
        if is_new:
            _report(stall, time.monotonic() - sent, over=True)

    def _sample(self, seconds: float) -> Stall | None:
        frame = sys._current_frames().get(self._user_loop.thread_id)  # noqa: SLF001 - the one way to see another thread
        return None if frame is None else describe(frame, self._root, seconds)


def _report(stall: Stall, seconds: float, *, over: bool) -> None:
    detail = {
        "where": stall.where,
        "code": stall.code,
        "node": stall.node,
        "graph_id": stall.graph_id,
        "run_id": stall.run_id,
        "seconds": seconds,
        "over": over,
    }
    _log.warning("stall", extra={"stall": detail})


def describe(frame: FrameType, root: str, seconds: float) -> Stall:
    """Say where a blocked stack stands: the innermost frame of the project, else the innermost."""
    innermost = frame
    place: FrameType | None = None
    metadata: Mapping[str, Any] | None = None
    current: FrameType | None = frame
    while current is not None:
        if place is None and _is_project_file(current.f_code.co_filename, root):
            place = current
        if metadata is None:
            metadata = _run_metadata(current)
        current = current.f_back
    place = place or innermost
    name = place.f_code.co_filename.removeprefix(root).lstrip("/")
    found = metadata or {}
    return Stall(
        where=f"{name}:{place.f_lineno}",
        code=linecache.getline(place.f_code.co_filename, place.f_lineno).strip()[:_LONGEST_CODE],
        node=found.get("langgraph_node"),
        graph_id=found.get("graph_id"),
        run_id=found.get("run_id"),
        seconds=seconds,
    )


def _is_project_file(filename: str, root: str) -> bool:
    return filename.startswith(root) and "site-packages" not in filename


def _run_metadata(frame: FrameType) -> Mapping[str, Any] | None:
    """Return the run's metadata if this frame holds a node's config."""
    if "langgraph" not in frame.f_code.co_filename:
        return None
    config = frame.f_locals.get("config")
    metadata = config.get("metadata") if isinstance(config, Mapping) else None
    return metadata if isinstance(metadata, Mapping) and "langgraph_node" in metadata else None
