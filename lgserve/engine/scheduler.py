"""Fires crons: sleeps until the next one is due, and hears when that changes.

The table decides who fires a moment; a scheduler only knows when to look. What is wrong with one
cron is that cron's: it is noted in its history, or, where not even that works, the cron is left
alone for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lgserve.core.clock import to_iso
from lgserve.core.errors import StorageError
from lgserve.engine.tasks import TaskSet
from lgserve.services.cron_firing import moment_of

if TYPE_CHECKING:
    from lgserve.core.models import Cron
    from lgserve.core.ports import Clock, Storage
    from lgserve.core.vocabulary import MissedPolicy
    from lgserve.services.cron_firing import CronFirer

_log = logging.getLogger("lgserve")

#: Seconds after which the table is looked at even if nothing is due: clocks are set, and other
#: processes change crons.
_RECHECK_SECONDS = 30.0
_RETRY_SECONDS = 1.0
#: Crons that are fired at once; as many again wait to be written together.
_AT_ONCE = 128
#: Later than this a moment is missed: the machine slept. A busy server is never so late.
_LATE = timedelta(seconds=60)
#: So long a time without a server is a reload, no absence: what fell into it is fired late. It also
#: keeps a scheduler that joins others from passing over what they are about to fire.
_CHANGE_OVER = timedelta(seconds=5)
#: Moments of one cron that are made up for, with `all`.
_MOST_MADE_UP = 1000
#: How long a cron is left alone whose firing cannot even be noted, and how many are.
_REST_SECONDS = 60.0
_MOST_RESTING = 500


class CronScheduler:
    """See `lgserve.core.ports.CronAlarm`; lives on the API's loop."""

    def __init__(
        self, *, storage: Storage, firer: CronFirer, clock: Clock, missed: MissedPolicy = "skip"
    ) -> None:
        self._storage = storage
        self._firer = firer
        self._clock = clock
        self._policy = missed
        self._wake = asyncio.Event()
        self._since = clock.now()
        self._made_up: dict[str, int] = {}
        #: Crons that are left alone, and until when.
        self._resting: dict[str, float] = {}
        self._tasks = TaskSet()

    def crons_changed(self) -> None:
        """Look at the table again."""
        self._wake.set()

    def start(self) -> None:
        """Begin to fire; what was due before is missed."""
        self._since = self._clock.now()
        self._tasks.start(self._run(), "cron scheduler")

    async def stop(self) -> None:
        """Fire nothing any more; what is being fired is carried to its end."""
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.fire_due()
                wait = await self._until_due()
            except Exception as exc:  # noqa: BLE001 - the boundary: the database may refuse for a while
                _log.error("crons cannot be fired: %r", exc)
                wait = _RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def fire_due(self) -> None:
        """Fire what is due, until nothing is."""
        self._wake_rested()
        while True:
            due = await self._due()
            if not due:
                return
            ended = await asyncio.gather(*map(self._attend, due), return_exceptions=True)
            for error in ended:
                if error is not None:
                    raise error

    async def _due(self) -> list[Cron]:
        now, resting = to_iso(self._clock.now()), tuple(self._resting)
        return await self._storage.lookup(lambda tx: tx.crons.due(now, _AT_ONCE, resting))

    async def _until_due(self) -> float:
        """Return how long nothing is due, in seconds, or when to look all the same."""
        resting = tuple(self._resting)
        due = await self._storage.lookup(lambda tx: tx.crons.next_due(resting))
        if due is None:
            return _RECHECK_SECONDS
        return min(_RECHECK_SECONDS, max(0.001, (due - self._clock.now()).total_seconds()))

    async def _attend(self, cron: Cron) -> None:
        """See to a cron that is due; whatever happens concerns no other one."""
        try:
            await self._fire(cron)
        except StorageError:
            raise  # the database refuses them all
        except Exception as exc:  # the boundary around one cron
            _log.error("cron %s cannot be fired: %r", cron.cron_id, exc)
            if len(self._resting) < _MOST_RESTING:
                self._resting[cron.cron_id] = time.monotonic() + _REST_SECONDS
            else:
                raise

    async def _fire(self, cron: Cron) -> None:
        now, due = self._clock.now(), moment_of(cron.next_run_date or "")
        if not self._is_missed(due, now):
            await self._firer.fire(cron, onward=due)
        elif self._policy == "one":
            await self._firer.fire(cron, onward=now)
        elif self._policy == "all" and self._may_make_up(cron):
            await self._firer.fire(cron, onward=due)
        else:
            await self._firer.pass_over(cron, onward=now)

    def _is_missed(self, due: datetime, now: datetime) -> bool:
        return due < self._since - _CHANGE_OVER or due < now - _LATE

    def _may_make_up(self, cron: Cron) -> bool:
        done = self._made_up.get(cron.cron_id, 0)
        self._made_up[cron.cron_id] = done + 1
        return done < _MOST_MADE_UP

    def _wake_rested(self) -> None:
        now = time.monotonic()
        self._resting = {cron: until for cron, until in self._resting.items() if until > now}
