"""Other processes that work on the same database, as a worker sees them."""

from __future__ import annotations

from typing import Protocol


class Neighbours(Protocol):
    """Other processes that work on the same database, if there are any."""

    @property
    def shared(self) -> bool:
        """Whether there are any at this moment, as far as is known."""
        ...

    def look(self) -> None:
        """Tell them that there may be something to claim."""
        ...

    def cancel(self, run_id: str) -> None:
        """Tell them that a run is to be cancelled."""
        ...


class Nobody:
    """There are no other processes."""

    shared = False

    def look(self) -> None:
        """Nobody hears it."""

    def cancel(self, run_id: str) -> None:
        """Nobody hears it."""
