"""Sweeps what has outlived its time: logs of resumable runs, store items, threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from lgserve.core.clock import to_iso

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, Storage

_INTERVAL_SECONDS = 60.0
#: How long a request that named itself may be repeated.
_REPEATABLE = timedelta(hours=24)
_WEBHOOKS_KEPT_SECONDS = 7 * 86_400.0

_log = logging.getLogger("lgserve")


class Sweepable(Protocol):
    """A store of what may expire: items, threads."""

    def sweep(self) -> Awaitable[int]:
        """Remove what has expired; return how much."""
        ...


class Janitor:
    """Runs beside the server; everything it does could be done later as well."""

    def __init__(
        self,
        storage: Storage,
        store: Sweepable,
        clock: Clock,
        log_ttl_seconds: float,
        store_interval_seconds: float = _INTERVAL_SECONDS,
        *,
        threads: Sweepable,
        thread_interval_seconds: float,
        webhook_keep_seconds: float = _WEBHOOKS_KEPT_SECONDS,
    ) -> None:
        self._storage = storage
        self._store = store
        self._clock = clock
        self._log_ttl = timedelta(seconds=log_ttl_seconds)
        self._store_interval = store_interval_seconds
        self._threads = threads
        self._thread_interval = thread_interval_seconds
        self._webhooks_kept = timedelta(seconds=webhook_keep_seconds)

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_repeat(self.sweep_logs, _INTERVAL_SECONDS))
            group.create_task(_repeat(self.sweep_requests, _INTERVAL_SECONDS))
            group.create_task(_repeat(self.sweep_webhooks, _INTERVAL_SECONDS))
            group.create_task(_repeat(self.sweep_store, self._store_interval))
            group.create_task(_repeat(self.sweep_threads, self._thread_interval))

    async def sweep_logs(self) -> None:
        """Delete the logs that nobody may resume any more."""
        ended_before = to_iso(self._clock.now() - self._log_ttl)
        await self._storage.write(lambda tx: tx.events.delete_before(ended_before))

    async def sweep_requests(self) -> None:
        """Forget requests so old that nobody repeats them any more."""
        answered_before = to_iso(self._clock.now() - _REPEATABLE)
        await self._storage.write(lambda tx: tx.requests.delete_before(answered_before))

    async def sweep_webhooks(self) -> None:
        """Forget what became of webhooks long ago."""
        ended_before = to_iso(self._clock.now() - self._webhooks_kept)
        await self._storage.write(lambda tx: tx.webhooks.delete_before(ended_before))

    async def sweep_store(self) -> None:
        """Delete the store items that have expired."""
        await self._store.sweep()

    async def sweep_threads(self) -> None:
        """Delete the threads whose time is over, or all of their checkpoints but the latest."""
        await self._threads.sweep()


async def _repeat(sweep: Callable[[], Coroutine[None, None, None]], seconds: float) -> None:
    """Sweep again and again; a database that refuses is asked again the next time."""
    while True:
        try:
            await sweep()
        except Exception as exc:  # noqa: BLE001 - the database may refuse in many ways, for a while
            _log.warning("sweeping failed: %r", exc)
        await asyncio.sleep(seconds)
