"""Runs as they begin, change and end: the server is asked at an interval for what has changed.

No server tells of all its runs in one stream; threads sorted by their last change lead to them.
Between two questions a run may pass through several states, of which the last is seen.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.commands.runs.list import graph_of
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.events import read_events
from lgserve.cli.lookup import Row, runs_of_thread, search_threads
from lgserve.cli.output import seconds_between

_ENDED = ("success", "error", "timeout", "interrupted")
#: Newest runs of a thread that are looked at each time.
_RUNS = 50
_CONNECTIONS = 8
#: Runs whose events are followed at a time.
_FOLLOWED = 32
#: Lines that wait to be written; who brings more waits.
_WAITING = 1_000

Line = dict[str, Any]
#: Returns the runs as they stand, and whether there will be no more.
Source = Callable[[], tuple[Sequence[Row], bool]]


def one_run(client: ApiClient, thread_id: str, run_id: str) -> Source:
    """Return the source of one run, which ends with it."""
    path = f"/threads/{thread_id}/runs/{run_id}"

    def read() -> tuple[Sequence[Row], bool]:
        try:
            run = client.get(path)
        except CliError as exc:
            if exc.exit_code is ExitCode.NOT_FOUND:  # rolled back, or deleted
                return [], True
            raise
        return [run], run["status"] in _ENDED

    return read


def thread_runs(client: ApiClient, thread_id: str) -> Source:
    """Return the source of a thread's runs, from those that are active now on."""
    client.get(f"/threads/{thread_id}")
    began = _Beginning()

    def read() -> tuple[Sequence[Row], bool]:
        return began.fresh(list(runs_of_thread(client, thread_id, limit=_RUNS))), False

    return read


def all_runs(client: ApiClient) -> Source:
    """Return the source of all runs, from those that are active now on."""
    began, seen, active = _Beginning(), dict[str, object](), set[str]()
    newest = {"sort_by": "updated_at", "sort_order": "desc", "select": ["thread_id", "updated_at"]}
    first = True

    def read() -> tuple[Sequence[Row], bool]:
        nonlocal first
        changed = []
        for thread in search_threads(client, newest, limit=100 if first else 1_000):
            thread_id, updated = thread["thread_id"], thread["updated_at"]
            if seen.get(thread_id) == updated:
                break
            seen[thread_id] = updated
            changed.append(thread_id)
        first = False
        wanted = list(dict.fromkeys([*reversed(changed), *active]))
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            found = [
                run for runs in pool.map(lambda each: _runs(client, each), wanted) for run in runs
            ]
        active.clear()
        active.update(run["thread_id"] for run in found if run["status"] not in _ENDED)
        return began.fresh(found), False

    return read


class _Beginning:
    """Leaves out what was over already when the first question was asked."""

    def __init__(self) -> None:
        self._over: set[str] | None = None

    def fresh(self, runs: Sequence[Row]) -> list[Row]:
        if self._over is None:
            self._over = {run["run_id"] for run in runs if run["status"] in _ENDED}
        over = self._over
        return [run for run in runs if run["run_id"] not in over]


def _runs(client: ApiClient, thread_id: str) -> list[Row]:
    try:
        return list(runs_of_thread(client, thread_id, limit=_RUNS))
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:  # deleted since the search
            return []
        raise


class Firehose:
    """Turns what a source says, again and again, into lines of what has changed."""

    def __init__(
        self,
        client: ApiClient,
        source: Source,
        *,
        seconds: float,
        until: float | None,
        events: bool,
    ) -> None:
        self._client = client
        self._source = source
        self._seconds = seconds
        self._until = until
        self._events = events
        self._known: dict[str, str] = {}
        self._lines: queue.Queue[Line] = queue.Queue(_WAITING)
        self._followers: dict[str, threading.Thread] = {}
        self._stopped = threading.Event()

    def lines(self) -> Iterator[Line]:
        """Yield lines until the source ends or time is over."""
        try:
            ended = False
            while not ended:
                runs, ended = self._ask()
                for run in sorted(runs, key=lambda each: str(each.get("created_at"))):
                    yield from self._changes(run)
                yield from self._said(last=ended)
                if self._until is not None and time.monotonic() >= self._until:
                    return
        finally:
            self._stopped.set()

    def _ask(self) -> tuple[Sequence[Row], bool]:
        """Ask, for as long as an answer may take, while the server is away for a moment."""
        deadline = time.monotonic() + self._client.connection.timeout_seconds
        while True:
            try:
                return self._source()
            except CliError as exc:
                passing = exc.exit_code in (ExitCode.UNREACHABLE, ExitCode.LATER)
                if not passing or not self._known or time.monotonic() > deadline:
                    raise
            time.sleep(self._seconds)

    def _changes(self, run: Row) -> Iterator[Line]:
        run_id, status = run["run_id"], run["status"]
        if self._known.get(run_id) == status:
            return
        first = run_id not in self._known
        self._known[run_id] = status
        if self._events and first and status not in _ENDED:
            self._follow(run)
        if status in _ENDED:
            yield from self._rest(run_id)
        yield _line_of(run)

    def _follow(self, run: Row) -> None:
        alive = sum(thread.is_alive() for thread in self._followers.values())
        if alive < _FOLLOWED:
            follower = threading.Thread(target=self._read_events, args=(run,), daemon=True)
            self._followers[run["run_id"]] = follower
            follower.start()

    def _read_events(self, run: Row) -> None:
        """Bring the events of a run; one that cannot be followed is told of by its end alone."""
        path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
        try:
            opened = self._client.open("GET", path, headers={"last-event-id": "-1"})
            with opened:
                for event in read_events(opened):
                    line = {"type": "event", "at": _now(), **_names(run), **event.to_json()}
                    self._bring(line)
                    if self._stopped.is_set():
                        return
        except (CliError, OSError, http.client.HTTPException, ValueError):
            return

    def _bring(self, line: Line) -> None:
        while not self._stopped.is_set():
            try:
                self._lines.put(line, timeout=0.1)
            except queue.Full:
                continue
            return

    def _said(self, *, last: bool) -> Iterator[Line]:
        """Yield what the runs say until it is time to ask again."""
        end = time.monotonic() + (0.0 if last else self._seconds)
        if self._until is not None:
            end = min(end, self._until)
        while True:
            left = end - time.monotonic()
            try:
                yield self._lines.get(block=left > 0, timeout=max(left, 0.001))
            except queue.Empty:
                if left <= 0 or self._lines.empty():
                    return

    def _rest(self, run_id: str) -> Iterator[Line]:
        """Yield what a run said before it is told that it has ended."""
        follower = self._followers.pop(run_id, None)
        end = time.monotonic() + 2.0
        while follower is not None and follower.is_alive() and time.monotonic() < end:
            try:
                yield self._lines.get(timeout=0.02)
            except queue.Empty:
                follower.join(0.02)
        while True:
            try:
                yield self._lines.get_nowait()
            except queue.Empty:
                return


def _line_of(run: Row) -> Line:
    """Return a run as it stands now."""
    status = run["status"]
    ended = status in _ENDED
    seconds = seconds_between(run.get("created_at"), run.get("updated_at")) if ended else None
    return {
        "type": "run",
        "at": (run.get("updated_at") if ended else None) or _now(),
        **_names(run),
        "status": status,
        "seconds": None if seconds is None else max(seconds, 0.0),
        "reason": run.get("cancel_reason"),
    }


def _names(run: Row) -> Line:
    return {"run_id": run["run_id"], "thread_id": run["thread_id"], "graph": graph_of(run)}


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat()
