"""Crons and their firings, in SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from lgserve.core.clock import to_iso
from lgserve.core.models import FIRINGS_KEPT, Cron, CronFilter, CronFiring, Json, Page, Scope
from lgserve.storage.filters import Where, order_and_page
from lgserve.storage.seals import PLAIN
from lgserve.storage.thread_lifetimes import VISIBLE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lgserve.core.ports import Clock

_COLUMNS = (
    "cron_id, assistant_id, thread_id, user_id, schedule, timezone, payload, metadata,"
    " on_run_completed, enabled, end_time, ends_at, next_run_date, created_at, updated_at, user"
)
_NAMES = _COLUMNS.replace(" ", "").split(",")
#: The values of a cron in the order of the columns, which are named as its members.
_parameters = attrgetter(*_NAMES)
_CHANGES = ", ".join(f"{name} = ?" for name in _NAMES)
#: A cron goes with its thread, in the moment in which that expires.
_THREAD_IS_THERE = (
    "(crons.thread_id IS NULL OR EXISTS"
    f" (SELECT 1 FROM threads WHERE threads.thread_id = crons.thread_id AND {VISIBLE}))"
)
_ORDER = {
    "cron_id": "cron_id",
    "assistant_id": "assistant_id",
    "thread_id": "thread_id",
    "next_run_date": "next_run_date",
    "end_time": "ends_at",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
_FIRING = "due_at, outcome, fired_at, manual, run_id, thread_id, error"


class SqliteCrons:
    """See `lgserve.core.ports.Crons`."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock
        self.seals = PLAIN

    def find(self, cron_id: str, scope: Scope) -> Cron | None:
        """Return the cron, or None."""
        where = self._visible(scope)
        where.add("cron_id = ?", cron_id)
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM crons{where.sql}", where.parameters
        ).fetchone()
        return None if row is None else self._cron(row)

    def insert(self, cron: Cron) -> None:
        """Add a cron."""
        marks = ",".join("?" * len(_NAMES))
        self._db.execute(f"INSERT INTO crons ({_COLUMNS}) VALUES ({marks})", self._row(cron))

    def update(self, cron: Cron) -> None:
        """Make the cron stand as given."""
        self._db.execute(
            f"UPDATE crons SET {_CHANGES} WHERE cron_id = ?", (*self._row(cron), cron.cron_id)
        )

    def delete(self, cron_id: str) -> None:
        """Remove the cron and its history."""
        self._db.execute("DELETE FROM crons WHERE cron_id = ?", (cron_id,))

    def delete_of_assistant(self, assistant_id: str) -> None:
        """Remove the crons of an assistant."""
        self._db.execute("DELETE FROM crons WHERE assistant_id = ?", (assistant_id,))

    def search(self, where: CronFilter, page: Page, scope: Scope) -> list[Cron]:
        """Return a page of matching crons."""
        clause = self._where(where, scope)
        column = _ORDER[page.sort_by]
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM crons{clause.sql}"
            + order_and_page(column, "cron_id", page).replace(
                " ORDER BY ", f" ORDER BY {column} IS NULL, ", 1
            ),
            clause.parameters,
        )
        return [self._cron(row) for row in rows]

    def count(self, where: CronFilter, scope: Scope) -> int:
        """Return how many match."""
        clause = self._where(where, scope)
        (total,) = self._db.execute(
            f"SELECT count(*) FROM crons{clause.sql}", clause.parameters
        ).fetchone()
        return int(total)

    def due(self, now: str, limit: int, without: Sequence[str] = ()) -> list[Cron]:
        """Return enabled crons whose time has come."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM crons WHERE enabled = 1 AND next_run_date <= ?"
            f" AND cron_id NOT IN ({_marks(without)}) ORDER BY next_run_date, cron_id LIMIT ?",
            (now, *without, limit),
        )
        return [self._cron(row) for row in rows]

    def next_due(self, without: Sequence[str] = ()) -> datetime | None:
        """Return when an enabled cron is due next."""
        (moment,) = self._db.execute(
            "SELECT min(next_run_date) FROM crons WHERE enabled = 1 AND next_run_date IS NOT NULL"
            f" AND cron_id NOT IN ({_marks(without)})",
            tuple(without),
        ).fetchone()
        return None if moment is None else datetime.fromisoformat(moment)

    def advance(self, cron: Cron, following: str | None) -> bool:
        """Move the next moment on, if the cron is as it is thought to be."""
        done = self._db.execute(
            "UPDATE crons SET next_run_date = ?"
            " WHERE cron_id = ? AND next_run_date = ? AND updated_at = ? AND enabled = 1",
            (following, cron.cron_id, cron.next_run_date, cron.updated_at),
        )
        return done.rowcount > 0

    def add_firing(self, cron_id: str, firing: CronFiring) -> bool:
        """Note what became of a moment, and forget what is long past."""
        done = self._db.execute(
            f"INSERT INTO cron_firings (cron_id, {_FIRING}) VALUES (?,?,?,?,?,?,?,?)"
            " ON CONFLICT DO NOTHING",
            (
                cron_id,
                firing.due_at,
                firing.outcome,
                firing.fired_at,
                firing.manual,
                firing.run_id,
                firing.thread_id,
                firing.error,
            ),
        )
        if not done.rowcount:
            return False
        self._db.execute(
            "DELETE FROM cron_firings WHERE cron_id = ? AND due_at <= (SELECT due_at"
            " FROM cron_firings WHERE cron_id = ? ORDER BY due_at DESC LIMIT 1 OFFSET ?)",
            (cron_id, cron_id, FIRINGS_KEPT),
        )
        return True

    def firings(self, cron_id: str, limit: int, offset: int) -> list[CronFiring]:
        """Return what became of a cron's firings, newest first."""
        rows = self._db.execute(
            f"SELECT {', '.join(f'f.{name}' for name in _FIRING.split(', '))}, runs.status"
            " FROM cron_firings AS f LEFT JOIN runs ON runs.run_id = f.run_id"
            " WHERE f.cron_id = ? ORDER BY f.due_at DESC LIMIT ? OFFSET ?",
            (cron_id, limit, offset),
        )
        return [_firing(row) for row in rows]

    def count_firings(self, cron_id: str) -> int:
        """Return how many of them are known."""
        (total,) = self._db.execute(
            "SELECT count(*) FROM cron_firings WHERE cron_id = ?", (cron_id,)
        ).fetchone()
        return int(total)

    def _row(self, cron: Cron) -> tuple[Any, ...]:
        return _parameters(
            replace(
                cron,
                payload=cast("Json", self.seals.seal("cron", "payload", cron.payload)),
                user=cast("Json | None", self.seals.seal_json("cron", "user", cron.user)),
            )
        )

    def _cron(self, row: tuple[Any, ...]) -> Cron:
        return Cron(
            cron_id=row[0],
            assistant_id=row[1],
            thread_id=row[2],
            user_id=row[3],
            schedule=row[4],
            timezone=row[5],
            payload=Json(self.seals.open("cron", "payload", row[6])),
            metadata=Json(row[7]),
            on_run_completed=row[8],
            enabled=bool(row[9]),
            end_time=row[10],
            ends_at=row[11],
            next_run_date=row[12],
            created_at=row[13],
            updated_at=row[14],
            user=self.seals.open_json("cron", "user", row[15]),
        )

    def _visible(self, scope: Scope) -> Where:
        clause = Where([_THREAD_IS_THERE], [to_iso(self._clock.now())])
        clause.add_scope("crons.metadata", scope)
        return clause

    def _where(self, wanted: CronFilter, scope: Scope) -> Where:
        clause = self._visible(scope)
        clause.add_contains("crons.metadata", wanted.metadata)
        if wanted.assistant_id is not None:
            clause.add("assistant_id = ?", wanted.assistant_id)
        if wanted.thread_id is not None:
            clause.add("thread_id = ?", wanted.thread_id)
        if wanted.enabled is not None:
            clause.add("enabled = ?", wanted.enabled)
        return clause


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _firing(row: tuple[Any, ...]) -> CronFiring:
    return CronFiring(
        due_at=row[0],
        outcome=row[1],
        fired_at=row[2],
        manual=bool(row[3]),
        run_id=row[4],
        thread_id=row[5],
        error=None if row[6] is None else Json(row[6]),
        run_status=row[7],
    )
