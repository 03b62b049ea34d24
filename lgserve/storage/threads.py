"""Threads, in SQL. Their labels and counts are kept by triggers (see the migration)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.models import Json, Page, Scope, Thread, ThreadFilter
from lgserve.storage.checkpoint_reader import CheckpointReader
from lgserve.storage.checkpoints import delete_thread_checkpoints
from lgserve.storage.filters import Where, order_and_page
from lgserve.storage.matching import contains
from lgserve.storage.serializer import SERIALIZER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_COLUMNS = (
    'thread_id, created_at, updated_at, state_updated_at, metadata, status, config, "values",'
    " interrupts, error, values_in_state"
)
Label = tuple[str, str]
_ORDER = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")

#: Larger values are not kept in the row a second time: they are read from the latest checkpoint.
LARGEST_KEPT_VALUES = 64 * 1024


class SqliteThreads:
    """See `lgserve.core.ports.Threads`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def find(self, thread_id: str, scope: Scope) -> Thread | None:
        """Return the thread, or None."""
        where = Where(["thread_id = ?"], [thread_id])
        where.add_scope("metadata", scope)
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM threads{where.sql}", where.parameters
        ).fetchone()
        return None if row is None else _thread(row)

    def insert(self, thread: Thread) -> bool:
        """Add the thread."""
        values, in_state = kept_values(thread.values)
        done = self._db.execute(
            f"INSERT INTO threads ({_COLUMNS}, settled_status)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
            (
                thread.thread_id,
                thread.created_at,
                thread.updated_at,
                thread.state_updated_at,
                thread.metadata,
                thread.status,
                thread.config,
                values,
                thread.interrupts,
                thread.error,
                in_state,
                thread.status,
            ),
        )
        return bool(done.rowcount)

    def set_metadata(self, thread_id: str, metadata: Json, now: str) -> None:
        """Replace the metadata."""
        self._db.execute(
            "UPDATE threads SET metadata = ?, updated_at = ? WHERE thread_id = ?",
            (metadata, now, thread_id),
        )

    def settle(
        self,
        thread_id: str,
        *,
        has_next: bool,
        values: Json | None,
        interrupts: Json | None,
        error: Json | None,
        now: str,
    ) -> None:
        """Record the state the thread stands at."""
        status = "error" if error else "interrupted" if has_next else "idle"
        kept, in_state = kept_values(values)
        self._db.execute(
            'UPDATE threads SET settled_status = ?, "values" = ?, values_in_state = ?,'
            " interrupts = ?, error = ?, updated_at = ?, state_updated_at = ?,"
            " status = CASE WHEN status = 'busy' THEN 'busy' ELSE ? END WHERE thread_id = ?",
            (status, kept, in_state, interrupts, error, now, now, status, thread_id),
        )

    def has_checkpoint(self, thread_id: str, namespace: str, checkpoint_id: str) -> bool:
        """Tell whether the thread has this checkpoint."""
        row = self._db.execute(
            "SELECT 1 FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?"
            " AND checkpoint_id = ?",
            (thread_id, namespace, checkpoint_id),
        ).fetchone()
        return row is not None

    def delete(self, thread_id: str) -> None:
        """Remove the thread with all that is its own."""
        delete_thread_checkpoints(self._db, thread_id)
        self._db.execute("DELETE FROM threads WHERE thread_id = ?", (thread_id,))

    def delete_by_metadata(self, metadata: Mapping[str, Any], scope: Scope) -> list[str]:
        """Remove all matching threads."""
        clause = _where(ThreadFilter(), metadata, scope)
        ids = [
            row[0]
            for row in self._db.execute(
                f"SELECT thread_id FROM threads{clause.sql}", clause.parameters
            ).fetchall()
        ]
        for thread_id in ids:
            self.delete(thread_id)
        return ids

    def search(self, where: ThreadFilter, page: Page, scope: Scope) -> list[Thread]:
        """Return a page of matching threads."""
        if page.sort_by not in _ORDER:
            raise ValueError(page.sort_by)
        labels, rest, scope = _wanted_labels(where.metadata, scope)
        clause = _where(where, rest, scope)
        self._add_values(clause, where.values)
        entry = self._entry(labels, page)
        for label in labels:
            clause.add(_IN_LABELS if label == entry else _HAS_LABEL, *label)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM threads{clause.sql}"
            + order_and_page(page.sort_by, "thread_id", page),
            clause.parameters,
        )
        return [_thread(row) for row in rows]

    def count(self, where: ThreadFilter, scope: Scope) -> int:
        """Return how many match, from the kept counts or the labels where they suffice."""
        labels, rest, scope = _wanted_labels(where.metadata, scope)
        plain = where.values is None and where.ids is None and not scope and not rest
        if plain and not labels:
            sql = "SELECT sum(total) FROM status_counts WHERE noun = 'thread'"
            narrowed = ("", ()) if where.status is None else (" AND status = ?", (where.status,))
            return int(self._db.execute(sql + narrowed[0], narrowed[1]).fetchone()[0])
        if plain and where.status is None and len(labels) == 1:
            return self._labelled(labels[0])
        clause = _where(where, rest, scope)
        self._add_values(clause, where.values)
        for label in labels:
            clause.add(_IN_LABELS, *label)
        sql = f"SELECT count(*) FROM threads{clause.sql}"
        return int(self._db.execute(sql, clause.parameters).fetchone()[0])

    def _add_values(self, clause: Where, wanted: Mapping[str, Any] | None) -> None:
        """Ask for values, also of threads that have them in their latest checkpoint only."""
        if not wanted:
            return
        shown = jsonio.dumps_wire(wanted)  # as values are kept
        large = self._db.execute("SELECT thread_id FROM threads WHERE values_in_state").fetchall()
        found = [row[0] for row in large if contains(self._state(row[0]), jsonio.loads(shown))]
        clause.add(
            '(json_contains("values", ?) OR thread_id IN (SELECT value FROM json_each(?)))',
            shown.decode(),
            json.dumps(found),
        )

    def _state(self, thread_id: str) -> Any:
        """Return the values of a thread's latest checkpoint as clients see them."""
        found = CheckpointReader(SERIALIZER).find(self._db, (thread_id, ""), None)
        values = {} if found is None else found.checkpoint["channel_values"]
        return jsonio.loads(jsonio.dumps_wire(values))

    def _entry(self, labels: list[Label], page: Page) -> Label | None:
        """Return the rarest label where entering by it touches fewer rows than walking in order."""
        if not labels:
            return None
        found, label = min((self._labelled(label), label) for label in labels)
        (total,) = self._db.execute(
            "SELECT sum(total) FROM status_counts WHERE noun = 'thread'"
        ).fetchone()
        walked = (page.offset + page.limit) * (total or 0) / max(found, 1)
        return label if found < walked else None

    def _labelled(self, label: Label) -> int:
        sql = "SELECT count(*) FROM thread_labels WHERE name = ? AND value = ?"
        return int(self._db.execute(sql, label).fetchone()[0])


_IN_LABELS = "thread_id IN (SELECT thread_id FROM thread_labels WHERE name = ? AND value = ?)"
_HAS_LABEL = (
    "EXISTS (SELECT 1 FROM thread_labels WHERE name = ? AND value = ?"
    " AND thread_labels.thread_id = threads.thread_id)"
)


def kept_values(values: Json | None) -> tuple[Json | None, bool]:
    """Return what the row keeps of a thread's values, and whether they stand in the state only."""
    if values is not None and len(values) > LARGEST_KEPT_VALUES:
        return None, True
    return values, False


def _labels(metadata: Mapping[str, Any] | None) -> tuple[list[Label], dict[str, Any]]:
    """Split wanted metadata into members that are kept as labels, and the rest."""
    labels: list[Label] = []
    rest: dict[str, Any] = {}
    for name, value in (metadata or {}).items():
        if isinstance(value, str) and "\x00" not in value and "\x00" not in name:
            labels.append((name, value))
        else:
            rest[name] = value
    return labels, rest


def _wanted_labels(
    metadata: Mapping[str, Any] | None, scope: Scope
) -> tuple[list[Label], dict[str, Any], Scope]:
    """Return the labels that are wanted, and what else of the metadata and of the scope."""
    labels, rest = _labels(metadata)
    of_scope, rest_of_scope = _labels(scope)
    return list(dict.fromkeys([*labels, *of_scope])), rest, rest_of_scope


def _where(wanted: ThreadFilter, metadata: Mapping[str, Any], scope: Scope) -> Where:
    """Return the clause for all that is wanted but labels."""
    clause = Where()
    clause.add_scope("metadata", scope)
    clause.add_contains("metadata", metadata)
    if wanted.status is not None:
        clause.add("status = ?", wanted.status)
    if wanted.ids is not None:
        clause.add("thread_id IN (SELECT value FROM json_each(?))", json.dumps(wanted.ids))
    return clause


def _thread(row: tuple[Any, ...]) -> Thread:
    return Thread(
        thread_id=row[0],
        created_at=row[1],
        updated_at=row[2],
        state_updated_at=row[3],
        metadata=Json(row[4]),
        status=row[5],
        config=Json(row[6]),
        values=_json(row[7]),
        interrupts=_json(row[8]),
        error=_json(row[9]),
        values_in_state=bool(row[10]),
    )


def _json(text: bytes | None) -> Json | None:
    return None if text is None else Json(text)
