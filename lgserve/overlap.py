"""Two processes on one database, while a new one takes the place of another.

The parent passes on what they have to tell each other. What only one of them executes the other
one reads from the database, at short intervals, and only as long as somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from lgserve import jsonio
from lgserve.channel import Channel, Message
from lgserve.core.errors import LgserveError
from lgserve.core.models import EVERYTHING, Run, RunResult, StreamEvent
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES
from lgserve.engine.failures import error_object
from lgserve.services.results import error_result

if TYPE_CHECKING:
    from lgserve.brokers.local import LocalRunStreams
    from lgserve.brokers.run_log import RunLog
    from lgserve.children import Order
    from lgserve.core.ports import Storage, Transaction

_log = logging.getLogger("lgserve")

#: Seconds between two looks at what another process executes.
_LOOK_SECONDS = 0.025
#: Seconds until it is tried again when that failed.
_RETRY_SECONDS = 1.0
_BATCH = 256

Hear = Callable[[Message], None]


class NotTakenOverError(LgserveError):
    """The new code does not load; the process that serves goes on."""

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


class Place:
    """A child's place among the processes of its parent: what it may do, and its way to them."""

    def __init__(self, channel: Channel, order: Order) -> None:
        self.takeover = order.takeover
        self.broken = order.broken
        self.peers = order.peers
        #: Whether other processes use the database at this moment, as far as is known.
        self.shared = order.takeover
        self._channel = channel
        self._lock = threading.Lock()
        self._early: deque[Message] = deque()
        self._hear: Hear | None = None

    def listen(self) -> None:
        """Pass on what the parent says, until it is gone; in a thread of its own."""
        while (message := self._channel.receive()) is not None:
            with self._lock:
                if self._hear is None:
                    self._early.append(message)
                else:
                    self._hear(message)

    def attach(self, hear: Hear) -> None:
        """Have messages handled on this loop, those that have come before included."""
        loop = asyncio.get_running_loop()

        def pass_on(message: Message) -> None:
            try:
                loop.call_soon_threadsafe(hear, message)
            except RuntimeError:  # the loop is closed: the server has gone
                message.drop()

        with self._lock:
            self._hear = pass_on
            for message in self._early:
                pass_on(message)
            self._early.clear()

    def look(self) -> None:
        """Tell the others that there may be something in the database for them."""
        self._channel.send("signal", name="look")

    def cancel(self, run_id: str) -> None:
        """Tell the others that a run of theirs is to be cancelled."""
        self._channel.send("signal", name="cancel", run_id=run_id)

    def give(self, descriptor: int) -> None:
        """Give a client's connection to who serves now."""
        self._channel.send("connection", descriptor=descriptor)

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell the parent something."""
        self._channel.send(kind, **fields)


class _PastResults(Protocol):
    async def past_result(self, run: Run) -> RunResult: ...


@dataclass(frozen=True, slots=True)
class _Seen:
    run: Run | None
    events: Sequence[StreamEvent]


@dataclass(frozen=True, slots=True)
class ForeignRuns:
    """Follows, for those who ask here, runs that another process executes."""

    storage: Storage
    streams: LocalRunStreams
    results: _PastResults

    async def follow(self) -> None:
        """Look at them again and again, until cancelled."""
        while True:
            await self.streams.foreign_news.wait()
            pause = _LOOK_SECONDS
            for log in self.streams.foreign():
                try:
                    await self._catch_up(log)
                except Exception as exc:  # noqa: BLE001 - the database may refuse for a while
                    _log.warning("run %s cannot be followed: %r", log.run.run_id, exc)
                    pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _catch_up(self, log: RunLog) -> None:
        """Take in what a run has said, and its end."""
        if log.is_unkept:
            await log.keep()
        while True:
            seen = await self.storage.read(lambda tx: _look(tx, log))
            if not self.streams.is_foreign(log):
                return
            if seen.run is not None:
                log.run = replace(seen.run, resumable=log.run.resumable or seen.run.resumable)
            if not seen.events:
                break
            log.take_in(seen.events)
        if seen.run is None or seen.run.status not in ACTIVE_RUN_STATUSES:
            await self.streams.close(log.run.run_id, await self._result_of(log.run))

    async def _result_of(self, run: Run) -> RunResult:
        try:
            return await self.results.past_result(run)
        except Exception as exc:  # noqa: BLE001 - what the project's graph raises, if it is there
            return error_result(jsonio.dumps(error_object(exc, mask=True)))


def _look(tx: Transaction, log: RunLog) -> _Seen:
    run_id = log.run.run_id
    run = tx.runs.find(run_id, EVERYTHING)
    return _Seen(run, tx.events.after(run_id, log.last_seq, _BATCH))
