"""What a serving process does when another one takes its place.

It accepts no more, gives away the connections that are idle, and stays for what clients still wait
for: their requests, and runs. Runs nobody here waits for stop at their next superstep and go on in
the other process; the rest does so too when the grace is over. What they say there is read from
the database, so no open stream loses anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lgserve.core.models import EVERYTHING
from lgserve.engine.tasks import TaskSet

if TYPE_CHECKING:
    from lgserve.api.keys import ServerFacts
    from lgserve.brokers.local import LocalRunStreams
    from lgserve.channel import Message
    from lgserve.connections import Doors
    from lgserve.core.ports import Storage
    from lgserve.engine.scheduler import CronScheduler
    from lgserve.engine.webhooks import WebhookWorker
    from lgserve.engine.worker import RunWorker
    from lgserve.overlap import Place

#: Seconds between two looks for connections that have become idle.
_SWEEP_SECONDS = 0.01
#: Sweeps in a row that find nobody: what was accepted a moment ago may not be seen yet.
_QUIET_SWEEPS = 8
#: Seconds between two hints that something may have to be done elsewhere.
_HINT_SECONDS = 0.25
#: Seconds for which who served before may keep its successor from claiming.
_TURN_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Retirement:
    """Hears what the parent says, and lives through the rest of a process's life."""

    place: Place
    doors: Doors
    listener: socket.socket
    worker: RunWorker
    streams: LocalRunStreams
    storage: Storage
    scheduler: CronScheduler
    webhooks: WebhookWorker
    facts: ServerFacts
    _turn: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: asyncio.Event = field(default_factory=asyncio.Event)
    _grace: float = 0.0
    #: Those of the process that serves now.
    _graphs: frozenset[str] = frozenset()
    _tasks: TaskSet = field(default_factory=TaskSet)

    def hear(self, message: Message) -> None:
        """Act on what the parent says; on the API's loop."""
        match message.kind:
            case "serve":
                self._turn.set()
            case "peers":
                self.place.shared = message.fields["count"] > 0
            case "gone":
                left = self.worker.recover_from(message.fields["owner"])
                self._tasks.start(left, "taking back runs")
            case "retire":
                self.place.shared = True
                self._grace = message.fields["grace"]
                self._graphs = frozenset(message.fields["graphs"])
                self._begun.set()
            case "connection" if message.descriptor is not None:
                self._tasks.start(self.doors.take_over(message.descriptor), "taking over")
            case "reload_error":
                self.facts.reload_error = message.fields["error"]
            case "signal":
                self._heed(message.fields)
            case _:
                message.drop()

    async def turn(self) -> None:
        """Return when runs may be claimed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turn.wait()

    async def over(self, stop: asyncio.Event) -> None:
        """Return when this process may end: it is told to, or nobody needs it any more."""
        stopped = asyncio.ensure_future(stop.wait())
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait((stopped, begun), return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                await self._retire(stop)
        finally:
            stopped.cancel()
            begun.cancel()

    async def _retire(self, stop: asyncio.Event) -> None:
        port = self.listener.getsockname()[1]
        await self.doors.close(self.listener)
        self.doors.give_away_idle(port, self.place.give)
        await self.worker.retire(self._graphs)
        self.place.tell("retired")
        await self.scheduler.stop()
        until, hinted = time.monotonic() + self._grace, 0.0
        drained, quiet = False, 0
        while not stop.is_set():
            late = time.monotonic() > until
            if late and not drained:
                drained = True
                self.worker.request_drain()
            busy = self.doors.give_away_idle(port, self.place.give)
            quiet = 0 if self._is_needed(late=late, busy=busy) else quiet + 1
            if quiet == _QUIET_SWEEPS:
                break
            if time.monotonic() - hinted > _HINT_SECONDS:
                hinted = time.monotonic()
                self.place.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await stop.wait()
        self.place.tell("leaving")

    def _is_needed(self, *, late: bool, busy: int) -> bool:
        """Tell whether somebody would lose something if this process ended.

        Those who follow a thread, or talk over a socket, have until the grace is over.
        """
        if self.worker.active:
            return True
        return bool(busy and (not late or self.streams.awaited()))

    def _heed(self, signal: dict[str, Any]) -> None:
        """Act on what another process says."""
        if signal["name"] == "cancel":
            self._tasks.start(self._cancel(signal["run_id"]), "cancelling")
        else:
            self._look()

    async def _cancel(self, run_id: str) -> None:
        run = await self.storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        if run is not None:
            self.worker.stop_here(run)

    def _look(self) -> None:
        """Look for what another process has left in the database."""
        if not self._begun.is_set():
            self.worker.run_queued()
            self.scheduler.crons_changed()
        self.webhooks.webhooks_due()
