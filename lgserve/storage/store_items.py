"""LangGraph's key-value store on the server's own database.

A batch is one unit: its reads see the state before its puts, as in LangGraph's own stores. What has
expired is not seen any more, whether or not it was swept yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import orjson
from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from lgserve import jsonio
from lgserve.core.clock import SystemClock, to_iso
from lgserve.core.ports import Clock
from lgserve.storage import store_filters
from lgserve.storage.database import SqliteDatabase

Namespace = tuple[str, ...]
_Row = tuple[Any, ...]

_ALIVE = "(expires_at IS NULL OR expires_at > ?)"
_COLUMNS = "namespace, store_items.key, store_items.value, created_at, updated_at, ttl_minutes"
#: Items read at a time while a filter is applied.
_SOME = 200
#: Longer times to live are as good as this one, and would leave the calendar.
_LONGEST_TTL_MINUTES = 500_000_000
_MOST_ITEMS = 2**53


class SqliteStore(BaseStore):
    """Items in a `SqliteDatabase`: values are JSON objects.

    Raises:
        TypeError: a value has a member that JSON cannot hold; the message says where.
        BadRequestError: a filter has an unknown operator.
        InvalidNamespaceError: a label is empty, no text, or has a period.
    """

    supports_ttl = True

    def __init__(
        self, db: SqliteDatabase, *, ttl: TTLConfig | None = None, clock: Clock | None = None
    ) -> None:
        self.ttl_config = ttl
        self._db = db
        self._clock = clock or SystemClock()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations as one."""
        batch = _Batch(list(ops), self._clock.now())
        if batch.writes:
            return await self._db.write(batch.run)
        if batch.is_quick:
            results = self._db.lookup_snapshot(batch.run)
        else:
            results = await self._db.read(batch.run)
        if batch.used:
            await self._db.write(batch.refresh)
        return results

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """As `abatch`, for a caller in a thread."""
        batch = _Batch(list(ops), self._clock.now())
        if batch.writes:
            return self._db.write_sync(batch.run)
        results = self._db.lookup_snapshot(batch.run)
        if batch.used:
            self._db.write_sync(batch.refresh)
        return results

    async def sweep(self) -> int:
        """Remove expired items; return how many they were."""
        now = to_iso(self._clock.now())
        return await self._db.write(partial(delete_expired_items, now=now))


def delete_expired_items(connection: sqlite3.Connection, now: str) -> int:
    """Remove items that have expired; return how many they were."""
    return connection.execute("DELETE FROM store_items WHERE expires_at <= ?", (now,)).rowcount


@dataclass(slots=True)
class _Batch:
    """Operations and the moment at which they happen."""

    ops: Sequence[Op]
    now: datetime
    #: Items that were read and live longer for it: new expiry, namespace, key.
    used: list[tuple[str | None, bytes, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for op in self.ops:
            validate_op_namespace(op)
            if isinstance(op, SearchOp):
                store_filters.check(op.filter or {})

    @property
    def writes(self) -> bool:
        """Whether there is anything to store."""
        return any(isinstance(op, PutOp) for op in self.ops)

    @property
    def is_quick(self) -> bool:
        """Whether the batch only reads a few rows by key."""
        return len(self.ops) <= 10 and all(isinstance(op, GetOp) for op in self.ops)

    def run(self, connection: sqlite3.Connection) -> list[Result]:
        """Read, then put; the last put of a key counts."""
        results = [self._read(connection, op) for op in self.ops]
        puts = {(op.namespace, op.key): op for op in self.ops if isinstance(op, PutOp)}
        if puts:
            self.refresh(connection)
        for op in puts.values():
            self._put(connection, op)
        return results

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Let the items that were read live on as long as they were meant to at first."""
        connection.executemany(
            "UPDATE store_items SET expires_at = ? WHERE namespace = ? AND key = ?", self.used
        )

    def _read(self, connection: sqlite3.Connection, op: Op) -> Result:
        if isinstance(op, GetOp):
            return self._get(connection, op)
        if isinstance(op, SearchOp):
            return self._search(connection, op)
        if isinstance(op, ListNamespacesOp):
            return self._namespaces(connection, op)
        return None

    def _get(self, connection: sqlite3.Connection, op: GetOp) -> Item | None:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM store_items WHERE namespace = ? AND key = ? AND {_ALIVE}",
            (_encode(op.namespace), op.key, to_iso(self.now)),
        ).fetchone()
        if row is None:
            return None
        self._note_use(row, refresh=op.refresh_ttl)
        return Item(**_members(row))

    def _search(self, connection: sqlite3.Connection, op: SearchOp) -> list[SearchItem]:
        """Return matching items, the last updated first."""
        prefix = _encode(op.namespace_prefix)
        ids = connection.execute(_IDS, (prefix, prefix + b"\xff", to_iso(self.now)))
        start, stop = _slice(op)
        rows: Iterable[_Row]
        if op.filter:
            rows = islice(_matching(connection, ids, op.filter), start, stop)
        else:
            rows = _rows(connection, [row[0] for row in islice(ids, start, stop)])
        items = []
        for row in rows:
            self._note_use(row, refresh=op.refresh_ttl)
            items.append(SearchItem(**_members(row)))
        return items

    def _note_use(self, row: _Row, *, refresh: bool) -> None:
        if refresh and row[5] is not None:
            self.used.append((_expiry(self.now, row[5]), row[0], row[1]))

    def _namespaces(self, connection: sqlite3.Connection, op: ListNamespacesOp) -> list[Namespace]:
        rows = connection.execute(
            f"SELECT DISTINCT namespace FROM store_items WHERE {_ALIVE}", (to_iso(self.now),)
        )
        found = {
            namespace[: op.max_depth]
            for namespace in (_decode(row[0]) for row in rows)
            if all(_matches(namespace, condition) for condition in op.match_conditions or ())
        }
        start, stop = _slice(op)
        return sorted(found)[start:stop]

    def _put(self, connection: sqlite3.Connection, op: PutOp) -> None:
        place = (_encode(op.namespace), op.key)
        if op.value is None:
            connection.execute("DELETE FROM store_items WHERE namespace = ? AND key = ?", place)
            return
        now = to_iso(self.now)
        index = None if op.index is None else jsonio.dumps(op.index)
        value = _to_json(dict(op.value))
        connection.execute(
            _PUT, (*place, value, index, now, now, op.ttl, _expiry(self.now, op.ttl))
        )


# Answered by an index alone.
_IDS = f"""
    SELECT rowid FROM store_items INDEXED BY store_items_by_update
    WHERE namespace >= ? AND namespace < ? AND {_ALIVE}
    ORDER BY updated_at DESC, rowid DESC
"""
_PUT = """
    INSERT INTO store_items (namespace, key, value, index_fields, created_at, updated_at,
        ttl_minutes, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value,
        index_fields = excluded.index_fields, updated_at = excluded.updated_at,
        ttl_minutes = excluded.ttl_minutes, expires_at = excluded.expires_at,
        created_at = CASE WHEN expires_at <= excluded.updated_at THEN excluded.created_at
            ELSE created_at END
"""


def _matching(
    connection: sqlite3.Connection, ids: Iterator[tuple[int]], wanted: dict[str, Any]
) -> Iterator[_Row]:
    """Read items in the order of their ids, as far as they are asked for; give those that match."""
    likely, parameters = store_filters.superset_in_sql(wanted)
    while some := [row[0] for row in islice(ids, _SOME)]:
        for row in _rows(connection, some, likely, parameters):
            if store_filters.matches(jsonio.loads(row[2]), wanted):
                yield row


def _rows(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    condition: str = "",
    parameters: Sequence[Any] = (),
) -> Iterator[_Row]:
    """Read items by id, in the order of the ids."""
    return connection.execute(
        f"SELECT {_COLUMNS} FROM json_each(?) wanted CROSS JOIN store_items"
        f" ON store_items.rowid = wanted.value {condition and 'WHERE ' + condition}"
        " ORDER BY wanted.id",
        (jsonio.dumps(ids).decode(), *parameters),
    )


def _encode(namespace: Namespace) -> bytes:
    return "".join(f"{label}\x00" for label in namespace).encode()


def _decode(namespace: bytes) -> Namespace:
    return tuple(namespace.decode().split("\x00")[:-1])


def _members(row: _Row) -> dict[str, Any]:
    """Return what `Item` and `SearchItem` are made of."""
    return {
        "namespace": _decode(row[0]),
        "key": row[1],
        "value": jsonio.loads(row[2]),
        "created_at": datetime.fromisoformat(row[3]),
        "updated_at": datetime.fromisoformat(row[4]),
    }


def _expiry(now: datetime, ttl_minutes: float | None) -> str | None:
    if ttl_minutes is None:
        return None
    minutes = max(min(ttl_minutes, _LONGEST_TTL_MINUTES), -_LONGEST_TTL_MINUTES)
    return to_iso(now + timedelta(minutes=minutes))


def _slice(op: SearchOp | ListNamespacesOp) -> tuple[int, int]:
    start = min(max(op.offset, 0), _MOST_ITEMS)
    return start, start + min(max(op.limit, 0), _MOST_ITEMS)


def _matches(namespace: Namespace, condition: MatchCondition) -> bool:
    """Tell whether a namespace begins, or ends, with a path in which `*` is any label."""
    path = condition.path
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)]
    if condition.match_type == "suffix":
        part = namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))


def _to_json(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # not plain JSON: big integers, sets, messages, or what has no form at all
        _refuse_formless(value, "value")
        return jsonio.dumps(value)


def _refuse_formless(value: Any, path: str) -> None:
    """Refuse members for which JSON would have null only: they would be lost without a word."""
    if isinstance(value, dict):
        for key, member in value.items():
            _refuse_formless(member, f"{path}.{key}")
    elif isinstance(value, list | tuple | set | frozenset):
        for index, member in enumerate(value):
            _refuse_formless(member, f"{path}[{index}]")
    elif value is not None and not isinstance(value, float) and jsonio.dumps(value) == b"null":
        raise TypeError(f"{path} is of type {type(value).__qualname__}, which JSON cannot hold")
