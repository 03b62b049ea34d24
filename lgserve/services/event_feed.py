"""A thread's events of protocol v2, over all its runs: replay first, then live, one read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from lgserve.core.errors import UnavailableError
from lgserve.core.models import EVERYTHING, Run, Scope, ThreadEvent, ThreadPosition
from lgserve.services.event_views import ProtocolEvent, RunView, number_in
from lgserve.services.threads import thread_not_found

if TYPE_CHECKING:
    from lgserve.core.models import Json
    from lgserve.core.ports import RunStreams, Storage, ThreadFollower, Transaction

#: How often one looks for a thread that is not there yet, unless its creation is heard of.
_LOOK_SECONDS = 0.25


class _States(Protocol):
    async def result_body(self, run: Run) -> Json: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where a feed begins, and where what is stored now ends."""

    position: ThreadPosition
    stored_end: ThreadPosition | None


class EventFeed:
    """Iterate for batches of events behind `since`; some are empty, as time passes in the log."""

    def __init__(
        self, streams: RunStreams, storage: Storage, states: _States, thread_id: str, since: int
    ) -> None:
        self._streams = streams
        self._storage = storage
        self._states = states
        self.thread_id = thread_id
        self._since = since
        self._follower: ThreadFollower | None = None
        self._view: RunView | None = None
        self._replay_end: ThreadPosition | None = None

    @property
    def replaying(self) -> bool:
        """Whether there is something left of what was stored when the feed began."""
        return self._replay_end is not None

    @property
    def begun(self) -> bool:
        """Whether it has its place."""
        return self._follower is not None

    async def begin(self) -> None:
        """Take the place behind `since`."""
        thread_id, since = self.thread_id, self._since

        def work(tx: Transaction) -> _Start:
            return _Start(
                position=tx.events.place_of(thread_id, since),
                stored_end=tx.events.stored_end(thread_id),
            )

        start = await self._storage.lookup(work)
        end = start.stored_end
        self._replay_end = end if end is not None and end > start.position else None
        self._follower = await self._streams.follow_thread(thread_id, start.position)

    def __aiter__(self) -> AsyncIterator[Sequence[ProtocolEvent]]:
        """Iterate over batches."""
        return self

    async def __anext__(self) -> Sequence[ProtocolEvent]:
        """Return the next batch; the end of the thread ends the iteration."""
        if self._follower is None:
            raise StopAsyncIteration
        told: list[ProtocolEvent] = []
        for event in await self._follower.__anext__():
            told.extend(await self._tell(event))
            self._note(event.position)
        return [event for event in told if event.seq > self._since]

    def close(self) -> None:
        """Stop reading."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def _note(self, position: ThreadPosition | None) -> None:
        end = self._replay_end
        if end is not None and position is not None and position >= end:
            self._replay_end = None

    async def _tell(self, event: ThreadEvent) -> Sequence[ProtocolEvent]:
        run = event.run
        if run is None:
            return ()
        if event.kind == "begin":
            self._view = await self._begin_run(run)
        elif self._view is None:
            return ()
        elif event.kind == "event" and event.event is not None:
            return list(self._view.event(event.event))
        elif event.kind == "end":
            view, self._view = self._view, None
            values = await self._last_values(view, run, event.status)
            return list(view.end(run, event.status or "deleted", values))
        return ()

    async def _begin_run(self, run: Run) -> RunView | None:
        """Return what tells a run; None if it is gone before anything could be told."""
        base = await self._storage.lookup(lambda tx: tx.events.base(run.run_id))
        return None if base is None else RunView(run, base)

    async def _last_values(self, view: RunView, run: Run, status: str | None) -> Json | None:
        """Return the values a run came to, if its own stream did not tell any."""
        if not view.needs_values or status != "success" or run.checkpoint_id is None:
            return None
        with contextlib.suppress(Exception):  # graphs are user code: its end is told all the same
            return await self._states.result_body(run)
        return None


class EventFeeds:
    """Opens feeds of threads, also of those that are not there yet."""

    def __init__(self, storage: Storage, streams: RunStreams, states: _States) -> None:
        self._storage = storage
        self._streams = streams
        self._states = states
        self._awaited: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def feed(self, thread_id: str, since: int) -> EventFeed:
        """Return a feed that has not begun."""
        return EventFeed(self._streams, self._storage, self._states, thread_id, since)

    async def check(self, thread_id: str, scope: Scope) -> None:
        """Refuse a thread that is not there, or not in the scope: it is the same.

        Raises:
            NotFoundError: so it is.
        """
        if not await self.is_there(thread_id, scope):
            raise thread_not_found(thread_id)

    async def arrival(self, thread_id: str) -> None:
        """Return once there is such a thread.

        Raises:
            UnavailableError: the server stops.
        """
        while not await self.is_there(thread_id):
            if self._streams.stopped:
                raise UnavailableError
            heard = self._awaited.setdefault(thread_id, asyncio.Event())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await heard.wait()

    def created(self, thread_id: str) -> None:
        """Hear that there may be a new thread: those who wait for it look at once."""
        heard = self._awaited.pop(thread_id, None)
        if heard is not None:
            heard.set()

    async def number_of(self, thread_id: str, event_id: str) -> int | None:
        """Return the number of the event with this id, None if nothing is known of it."""
        epoch, _, rest = event_id.partition("-")
        frame, _, part = rest.partition(".")
        if not all(text.isascii() and text.isdigit() for text in (epoch, frame, part or "0")):
            return None

        def work(tx: Transaction) -> tuple[Run | None, int | None]:
            run = tx.runs.find_by_epoch(thread_id, int(epoch) - (frame == "0"))
            return run, None if run is None else tx.events.base(run.run_id)

        run, base = await self._storage.lookup(work)
        if run is None or base is None:
            return None
        return number_in(run, base, int(frame), int(part or 0))

    async def last_number(self, thread_id: str) -> int:
        """Return a number below those of all events to come of the thread."""
        return await self._storage.lookup(lambda tx: tx.events.last_number(thread_id))

    async def is_there(self, thread_id: str, scope: Scope = EVERYTHING) -> bool:
        """Tell whether there is such a thread in the scope."""
        found = await self._storage.lookup(lambda tx: tx.threads.find(thread_id, scope))
        return found is not None
