"""Sweeps what has outlived its time: logs of resumable runs, and expired store items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from lgserve.core.clock import to_iso

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, Storage

_INTERVAL_SECONDS = 60.0


class Sweepable(Protocol):
    """A store whose items may expire."""

    def sweep(self) -> Awaitable[int]:
        """Delete expired items; return how many."""
        ...


class Janitor:
    """Runs beside the server; everything it does could be done later as well."""

    def __init__(
        self, storage: Storage, store: Sweepable, clock: Clock, log_ttl_seconds: float
    ) -> None:
        self._storage = storage
        self._store = store
        self._clock = clock
        self._log_ttl = timedelta(seconds=log_ttl_seconds)

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def sweep(self) -> None:
        """Delete what has expired."""
        ended_before = to_iso(self._clock.now() - self._log_ttl)
        await self._storage.write(lambda tx: tx.events.delete_before(ended_before))
        await self._store.sweep()
