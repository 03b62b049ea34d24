"""Threads, in SQL. Their labels and counts are kept by triggers (see the migration)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.models import (
    Json,
    Page,
    Scope,
    Thread,
    ThreadFilter,
    ThreadSpace,
    ThreadTtl,
)
from lgserve.storage import thread_lifetimes as lifetimes
from lgserve.storage.checkpoint_reader import CheckpointReader
from lgserve.storage.checkpoint_removal import (
    copy_checkpoints,
    delete_thread_checkpoints,
    has_unsettled,
    prune_checkpoints,
)
from lgserve.storage.checkpoint_rows import store_changes
from lgserve.storage.filters import Where, order_and_page
from lgserve.storage.matching import contains
from lgserve.storage.sealed_saver import opened_values
from lgserve.storage.seals import PLAIN, Seals
from lgserve.storage.serializer import SERIALIZER
from lgserve.storage.thread_space import measure

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from lgserve.core.ports import Clock
    from lgserve.core.vocabulary import TtlStrategy
    from lgserve.storage.checkpoint_rows import Change

_COLUMNS = (
    'thread_id, created_at, updated_at, state_updated_at, metadata, status, config, "values",'
    " interrupts, error, values_in_state, ttl_strategy, ttl_minutes"
)
Label = tuple[str, str]
_ORDER = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")

#: Larger values are not kept in the row a second time: they are read from the latest checkpoint.
LARGEST_KEPT_VALUES = 64 * 1024


class SqliteThreads:
    """See `lgserve.core.ports.Threads`."""

    def __init__(
        self, connection: sqlite3.Connection, clock: Clock, default_ttl: ThreadTtl | None = None
    ) -> None:
        self._db = connection
        self._clock = clock
        self._default_ttl = default_ttl
        self.seals = PLAIN
        #: The project's own saver knows which checkpoints there are.
        self.checkpoints_elsewhere = False

    def find(self, thread_id: str, scope: Scope) -> Thread | None:
        """Return the thread, or None."""
        where = Where(["thread_id = ?", lifetimes.VISIBLE], [thread_id, self._now()])
        where.add_scope("metadata", scope)
        row = self._db.execute(
            f"SELECT {_COLUMNS}, expires_at FROM threads{where.sql}", where.parameters
        ).fetchone()
        return None if row is None else _thread(row, self.seals)

    def insert(self, thread: Thread) -> bool:
        """Add the thread."""
        return self._inserted(thread) or (
            self.delete_expired(thread.thread_id) and self._inserted(thread)
        )

    def _inserted(self, thread: Thread) -> bool:
        values, in_state = kept_values(thread.values, self.seals)
        ttl = thread.ttl or self._default_ttl
        done = self._db.execute(
            f"INSERT INTO threads ({_COLUMNS}, settled_status)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
            (
                thread.thread_id,
                thread.created_at,
                thread.updated_at,
                thread.state_updated_at,
                thread.metadata,
                thread.status,
                thread.config,
                values,
                self.seals.seal_json("thread", "interrupts", thread.interrupts),
                self.seals.seal_json("thread", "error", thread.error),
                in_state,
                None if ttl is None else ttl.strategy,
                None if ttl is None else ttl.minutes,
                thread.status,
            ),
        )
        return bool(done.rowcount)

    def reserve(self, thread: Thread, until: str) -> bool:
        """Take the id of a thread that is being made."""
        return lifetimes.reserve(self._db, thread, until) or (
            self.delete_expired(thread.thread_id) and lifetimes.reserve(self._db, thread, until)
        )

    def publish(self, thread: Thread) -> bool:
        """Add a thread whose id is reserved."""
        reserved = lifetimes.end_reservation(self._db, thread.thread_id, self._now())
        return reserved and self._inserted(thread)

    def copy(self, thread_id: str, into: Thread, until: str) -> bool:
        """Add a thread with all checkpoints of another one; False: it is only reserved."""
        copy_checkpoints(self._db, thread_id, into.thread_id)
        if has_unsettled(self._db, thread_id):
            lifetimes.reserve(self._db, into, until)
            return False
        self._inserted(into)
        self._db.execute(_COPY_STATE, {"source": thread_id, "target": into.thread_id})
        return True

    def fill(self, rows: Sequence[Change]) -> None:
        """Store checkpoints that were made ready."""
        store_changes(self._db, rows)

    def prune(self, thread_id: str, now: str) -> bool:
        """Remove all checkpoints but the newest of each namespace and what that needs."""
        row = self._db.execute(
            f"SELECT status FROM threads WHERE thread_id = ? AND {lifetimes.VISIBLE}",
            (thread_id, now),
        ).fetchone()
        if row is None or row[0] == "busy":
            return False
        prune_checkpoints(self._db, thread_id)
        lifetimes.begin_anew(self._db, thread_id, now)
        return True

    def space(self, thread_id: str) -> ThreadSpace:
        """Return what the thread takes."""
        return measure(self._db, thread_id)

    def set_ttl(self, thread_id: str, ttl: ThreadTtl, now: str) -> None:
        """Set how long the thread is kept."""
        lifetimes.set_ttl(self._db, thread_id, ttl, now)

    def adopt_default_ttl(self, thread_id: str) -> None:
        """Set how long the thread is kept if nobody has said so yet."""
        if self._default_ttl is not None:
            lifetimes.adopt_ttl(self._db, thread_id, self._default_ttl)

    def expired(self, limit: int) -> list[tuple[str, TtlStrategy]]:
        """Return threads whose time is over."""
        return lifetimes.expired(self._db, self._now(), limit)

    def delete_expired(self, thread_id: str) -> bool:
        """Remove a thread if its time is over."""
        void = lifetimes.is_void(self._db, thread_id, self._now())
        if void:
            self.delete(thread_id)
        return void

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
        kept, in_state = kept_values(values, self.seals)
        interrupts = cast("Json | None", self.seals.seal_json("thread", "interrupts", interrupts))
        sealed_error = self.seals.seal_json("thread", "error", error)
        self._db.execute(
            'UPDATE threads SET settled_status = ?, "values" = ?, values_in_state = ?,'
            " interrupts = ?, error = ?, updated_at = ?, state_updated_at = ?,"
            " status = CASE WHEN status = 'busy' THEN 'busy' ELSE ? END WHERE thread_id = ?",
            (status, kept, in_state, interrupts, sealed_error, now, now, status, thread_id),
        )

    def last_epoch(self, thread_id: str) -> int | None:
        """Return the greatest epoch the thread has given away."""
        row = self._db.execute(
            "SELECT epoch FROM threads WHERE thread_id = ?", (thread_id,)
        ).fetchone()
        return None if row is None else int(row[0])

    def advance_epoch(self, thread_id: str) -> int:
        """Return a number greater than every epoch of the thread before."""
        epoch = max(time.time_ns() // 1_000_000, (self.last_epoch(thread_id) or 0) + 1)
        self._db.execute("UPDATE threads SET epoch = ? WHERE thread_id = ?", (epoch, thread_id))
        return epoch

    def has_checkpoint(self, thread_id: str, namespace: str, checkpoint_id: str) -> bool:
        """Tell whether the thread has this checkpoint; where others know, say yes."""
        if self.checkpoints_elsewhere:
            return True
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

    def search(self, where: ThreadFilter, page: Page, scope: Scope) -> list[Thread]:
        """Return a page of matching threads."""
        if page.sort_by not in _ORDER:
            raise ValueError(page.sort_by)
        labels, rest, scope = _wanted_labels(where.metadata, scope)
        clause = _where(where, rest, scope)
        self._hide(clause)
        self._add_values(clause, where.values)
        entry = self._entry(labels, page)
        for label in labels:
            clause.add(_IN_LABELS if label == entry else _HAS_LABEL, *label)
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, expires_at FROM threads{clause.sql}"
            + order_and_page(page.sort_by, "thread_id", page),
            clause.parameters,
        )
        return [_thread(row, self.seals) for row in rows]

    def count(self, where: ThreadFilter, scope: Scope) -> int:
        """Return how many match, from the kept counts or the labels where they suffice."""
        labels, rest, scope = _wanted_labels(where.metadata, scope)
        clause = _where(where, rest, scope)
        hiding = self._hide(clause)
        plain = not (where.values or where.ids is not None or scope or rest or hiding)
        if plain and not labels:
            sql = "SELECT sum(total) FROM status_counts WHERE noun = 'thread'"
            narrowed = ("", ()) if where.status is None else (" AND status = ?", (where.status,))
            return int(self._db.execute(sql + narrowed[0], narrowed[1]).fetchone()[0])
        if plain and where.status is None and len(labels) == 1:
            return self._labelled(labels[0])
        self._add_values(clause, where.values)
        for label in labels:
            clause.add(_IN_LABELS, *label)
        sql = f"SELECT count(*) FROM threads{clause.sql}"
        return int(self._db.execute(sql, clause.parameters).fetchone()[0])

    def _hide(self, clause: Where) -> bool:
        """Leave out threads that are not there for anybody; tell whether there are such rows."""
        now = self._now()
        hiding = lifetimes.any_hidden(self._db, now)
        if hiding:
            clause.add(lifetimes.VISIBLE, now)
        return hiding

    def _now(self) -> str:
        return to_iso(self._clock.now())

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
        values = opened_values(self.seals.cipher, values)
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


_COPY_STATE = """
    UPDATE threads SET status = source.settled_status, settled_status = source.settled_status,
        "values" = source."values", values_in_state = source.values_in_state,
        interrupts = source.interrupts, error = source.error
    FROM threads AS source WHERE threads.thread_id = :target AND source.thread_id = :source
"""
_IN_LABELS = "thread_id IN (SELECT thread_id FROM thread_labels WHERE name = ? AND value = ?)"
_HAS_LABEL = (
    "EXISTS (SELECT 1 FROM thread_labels WHERE name = ? AND value = ?"
    " AND thread_labels.thread_id = threads.thread_id)"
)


def kept_values(values: Json | None, seals: Seals) -> tuple[Json | None, bool]:
    """Return what the row keeps of a thread's values, and whether they stand in the state only."""
    if values is not None and (seals.on or len(values) > LARGEST_KEPT_VALUES):
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


def _thread(row: tuple[Any, ...], seals: Seals) -> Thread:
    return Thread(
        thread_id=row[0],
        created_at=row[1],
        updated_at=row[2],
        state_updated_at=row[3],
        metadata=Json(row[4]),
        status=row[5],
        config=Json(row[6]),
        values=_json(row[7]),
        interrupts=seals.open_json("thread", "interrupts", row[8]),
        error=seals.open_json("thread", "error", row[9]),
        values_in_state=bool(row[10]),
        ttl=None if row[11] is None else lifetimes.ttl_of(*row[11:14]),
    )


def _json(text: bytes | None) -> Json | None:
    return None if text is None else Json(text)
