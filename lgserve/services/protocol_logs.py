"""Logs of runs of protocol v2, for readers of the other protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lgserve import jsonio
from lgserve.core.models import Run, StreamEvent, ThreadEvent
from lgserve.core.protocol_frames import FLAG, in_other_protocol

if TYPE_CHECKING:
    from lgserve.core.ports import Follower, ThreadFollower


def is_of_protocol(run: Run) -> bool:
    """Tell whether a run's log is written for protocol v2."""
    return run.kwargs.find(FLAG.encode()) >= 0 and bool(jsonio.loads(run.kwargs).get(FLAG))


def readable_log(run: Run, events: Follower) -> Follower:
    """Return a reader to whom every run looks as if it had been created by the other protocol."""
    return _OtherProtocol(events) if is_of_protocol(run) else events


class _OtherProtocol:
    """A follower of a run of protocol v2 that shows what the other one knows."""

    def __init__(self, events: Follower) -> None:
        self._events = events

    @property
    def epoch(self) -> int:
        return self._events.epoch

    def __aiter__(self) -> _OtherProtocol:
        return self

    async def __anext__(self) -> Sequence[StreamEvent]:
        while True:
            batch = await self._events.__anext__()
            shown = [found for event in batch if (found := in_other_protocol(event)) is not None]
            if shown:
                return shown

    def close(self) -> None:
        self._events.close()


class ReadableThread:
    """A thread's log in which every run looks as if created by the other protocol."""

    def __init__(self, events: ThreadFollower) -> None:
        self._events = events
        self._translates = False

    def __aiter__(self) -> ReadableThread:
        """Iterate over batches."""
        return self

    async def __anext__(self) -> Sequence[ThreadEvent]:
        """Return the next batch."""
        while True:
            batch = await self._events.__anext__()
            shown = [found for item in batch if (found := self._shown(item)) is not None]
            if shown:
                return shown

    def close(self) -> None:
        """Stop reading."""
        self._events.close()

    def _shown(self, item: ThreadEvent) -> ThreadEvent | None:
        if item.kind == "begin" and item.run is not None:
            self._translates = is_of_protocol(item.run)
        if item.kind != "event" or item.event is None or not self._translates:
            return item
        event = in_other_protocol(item.event)
        return None if event is None else replace(item, event=event)
