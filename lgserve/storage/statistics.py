"""Figures over the whole database, from counts that triggers keep; for all owners together."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from lgserve.core.clock import to_iso
from lgserve.core.models import Totals, Waiting
from lgserve.core.ports import Clock

_DUE = "FROM runs WHERE status = 'pending' AND due_at <= ?"
_UNBLOCKED = (
    f"SELECT due_at {_DUE} AND NOT EXISTS (SELECT 1 FROM runs AS other"
    " WHERE other.thread_id = runs.thread_id AND other.status = 'running')"
    " ORDER BY due_at LIMIT 1"
)


class SqliteStatistics:
    """See `lgserve.core.ports.Statistics`."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock

    def totals(self) -> Totals:
        """Return how much there is."""
        kept: dict[str, dict[str, int]] = {"thread": {}, "run": {}}
        for noun, status, total in self._db.execute(
            "SELECT noun, status, total FROM status_counts"
        ):
            kept.setdefault(noun, {})[status] = total
        (assistants,) = self._db.execute("SELECT count(*) FROM assistants").fetchone()
        return Totals(assistants=assistants, threads=kept["thread"], runs=kept["run"])

    def waiting(self) -> Waiting:
        """Return how long runs that are due have been waiting; reads the index of pending runs."""
        now = self._clock.now()
        moment = to_iso(now)
        (due,) = self._db.execute(f"SELECT count(*) {_DUE}", (moment,)).fetchone()
        if not due:
            return Waiting()
        ordered = f"SELECT due_at {_DUE} ORDER BY due_at LIMIT 1 OFFSET ?"
        return Waiting(
            longest=self._age(now, ordered, moment, 0),
            median=self._age(now, ordered, moment, due // 2),
            longest_unblocked=self._age(now, _UNBLOCKED, moment),
        )

    def _age(self, now: datetime, query: str, *values: object) -> float | None:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else (now - datetime.fromisoformat(row[0])).total_seconds()
