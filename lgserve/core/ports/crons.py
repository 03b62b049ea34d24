"""Crons as they are stored, and who hears of a change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lgserve.core.models import Cron, CronFilter, CronFiring, Page, Scope


class Crons(Protocol):
    """Runs that recur, and what became of their firings.

    A cron whose thread is deleted is gone with it; so is one whose thread has expired.
    """

    def find(self, cron_id: str, scope: Scope) -> Cron | None:
        """Return the cron, or None if there is none in the scope."""
        ...

    def insert(self, cron: Cron) -> None:
        """Add a cron."""
        ...

    def update(self, cron: Cron) -> None:
        """Make the cron stand as given."""
        ...

    def delete(self, cron_id: str) -> None:
        """Remove the cron and its history; runs that it created go on."""
        ...

    def delete_of_assistant(self, assistant_id: str) -> None:
        """Remove the crons of an assistant as `delete` does."""
        ...

    def search(self, where: CronFilter, page: Page, scope: Scope) -> list[Cron]:
        """Return a page of matching crons; what has no `next_run_date` or the like sorts last."""
        ...

    def count(self, where: CronFilter, scope: Scope) -> int:
        """Return how many crons match."""
        ...

    def due(self, now: str, limit: int, without: Sequence[str] = ()) -> list[Cron]:
        """Return enabled crons whose `next_run_date` has come, the longest due first."""
        ...

    def next_due(self, without: Sequence[str] = ()) -> datetime | None:
        """Return when an enabled cron is due next, None if none is."""
        ...

    def advance(self, cron: Cron, following: str | None) -> bool:
        """Move `next_run_date` on from where it stands in `cron`, which is enabled.

        False, and nothing done, if the cron was fired or changed meanwhile. So of any number of
        schedulers one gets True for a moment. `updated_at` stays: nobody has changed the cron.
        """
        ...

    def add_firing(self, cron_id: str, firing: CronFiring) -> bool:
        """Note what became of a moment; False, and nothing done, if that is known already.

        Of each cron the newest are kept (`FIRINGS_KEPT`).
        """
        ...

    def firings(self, cron_id: str, limit: int, offset: int) -> list[CronFiring]:
        """Return what became of a cron's firings, newest first."""
        ...

    def count_firings(self, cron_id: str) -> int:
        """Return how many of them are known."""
        ...


class CronAlarm(Protocol):
    """What waits for the next cron to be due in this process."""

    def crons_changed(self) -> None:
        """Hear that a cron may be due earlier than it was: it only hurries, the table decides."""
        ...
