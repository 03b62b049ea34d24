"""Figures of the server as a whole; they count rows of all owners and show none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lgserve.core.models import Totals, Waiting
    from lgserve.core.ports import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsService:
    """What `/metrics` and `/info` tell of the database."""

    storage: Storage

    async def totals(self) -> Totals:
        """Return how much there is."""
        return await self.storage.lookup(lambda tx: tx.statistics.totals())

    async def waiting(self) -> Waiting:
        """Return how long runs that are due have been waiting."""
        return await self.storage.read(lambda tx: tx.statistics.waiting())

    def database_bytes(self) -> int:
        """Return how large the database is."""
        return self.storage.size()
