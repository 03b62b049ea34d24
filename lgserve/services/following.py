"""Reading a run's log for those who came too late for it: they are told what the run came to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from lgserve.core.models import Json, RunResult, StreamEvent
from lgserve.services.results import end_of

if TYPE_CHECKING:
    from lgserve.core.ports import Follower


class LateFollower:
    """A follower that, if the log ended without an event for it, tells the run's end instead."""

    def __init__(
        self, events: Follower, ending: Callable[[], Awaitable[Sequence[StreamEvent]]]
    ) -> None:
        self._events = events
        self._ending = ending
        self._told = False

    @property
    def epoch(self) -> int:
        """The run's epoch; known once the run has started."""
        return self._events.epoch

    def __aiter__(self) -> LateFollower:
        """Iterate over batches, to the end of the run."""
        return self

    async def __anext__(self) -> Sequence[StreamEvent]:
        """Return the next batch."""
        try:
            batch = await self._events.__anext__()
        except StopAsyncIteration:
            batch = () if self._told else await self._ending()
            if not batch:
                raise
        self._told = True
        return batch

    def close(self) -> None:
        """Stop reading."""
        self._events.close()


class EndingFollower:
    """A follower that tells at last how the run ended, for those who ask."""

    def __init__(self, events: Follower, run_id: str, result: Awaitable[RunResult]) -> None:
        self._events = events
        self._run_id = run_id
        self._result = asyncio.ensure_future(result)
        self._seq = 0
        self._told = False

    @property
    def epoch(self) -> int:
        """The run's epoch; known once the run has started."""
        return self._events.epoch

    def __aiter__(self) -> EndingFollower:
        """Iterate over batches, to the end of the run and what is told of it."""
        return self

    async def __anext__(self) -> Sequence[StreamEvent]:
        """Return the next batch."""
        try:
            batch = await self._events.__anext__()
        except StopAsyncIteration:
            if self._told:
                raise
            self._told = True
            end = end_of(self._run_id, await self._result)
            return [told_event("end", end, self._seq)]
        self._seq = batch[-1].seq
        return batch

    def close(self) -> None:
        """Stop reading."""
        self._result.cancel()
        self._events.close()


def told_event(name: str, data: Json, seq: int) -> StreamEvent:
    """Return an event made after the end of a log; `seq` is that of the log's last one."""
    frame = b"event: %b\r\ndata: %b\r\n" % (name.encode(), data)
    return StreamEvent(seq=seq, name=name, frame=frame)
