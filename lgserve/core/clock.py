"""The one place that asks the machine for the time."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock, in aware UTC."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)


def to_iso(moment: datetime) -> str:
    """Write an aware moment as the API does: microseconds and `+00:00`; sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
