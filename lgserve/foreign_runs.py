"""Runs that another process executes, for those who ask here.

While a new process takes the place of another, both work on one database: what only one of them
executes the other one reads from there, at short intervals, and only as long as somebody asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lgserve import jsonio
from lgserve.core.models import EVERYTHING, Run, RunResult, StreamEvent
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES
from lgserve.engine.failures import error_object
from lgserve.services.results import error_result

if TYPE_CHECKING:
    from lgserve.brokers.local import LocalRunStreams
    from lgserve.brokers.run_log import RunLog
    from lgserve.core.ports import Storage, Transaction

_log = logging.getLogger("lgserve")

#: Seconds between two looks at what another process executes.
_LOOK_SECONDS = 0.025
#: Seconds until it is tried again when that failed.
_RETRY_SECONDS = 1.0
_BATCH = 256


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
