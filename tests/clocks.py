"""A clock that moves only when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lgserve.core.clock import to_iso

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class ManualClock:
    """Time that moves only when told to."""

    def __init__(self, moment: datetime = _START) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def advance(self, by: timedelta = timedelta(milliseconds=1)) -> str:
        """Move, and return the moment as rows hold it."""
        self.moment += by
        return self.iso

    @property
    def iso(self) -> str:
        return to_iso(self.moment)
