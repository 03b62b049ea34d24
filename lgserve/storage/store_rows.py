"""The rows of store items, as one owner sees them at one moment.

An owner is the scope an item was put in, written as JSON. Whoever has a scope sees its own items
only; without a scope all are seen, and of two with one key the one that is nobody's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.items import (
    DeleteItem,
    GetItem,
    ListNamespaces,
    Namespace,
    PutItem,
    SearchItems,
    StoreItem,
)
from lgserve.core.models import EVERYTHING, Json, Scope
from lgserve.storage import store_filters, vectors
from lgserve.storage.store_places import begins, common_start, decode, encode, owner_of, span
from lgserve.storage.store_values import to_json

#: Items read at a time while a filter is applied.
_SOME = 200
#: Rows deleted at a time, so that a sweep keeps nobody waiting.
SWEPT_AT_A_TIME = 1000
#: Longer times to live are as good as this one, and would leave the calendar.
_LONGEST_TTL_MINUTES = 500_000_000
_MOST_ITEMS = 2**53
_LAST_CHARACTER = "\U0010ffff"
#: From how many items on they are walked in the order of time, in place of being sorted.
_MANY = 500

_ALIVE = "(expires_at IS NULL OR expires_at > ?)"
_COLUMNS = (
    "namespace, store_items.key, store_items.value, metadata, created_at, updated_at, expires_at,"
    " ttl_minutes, item_id"
)
# Jumps from owner to owner in an index: there is one where nobody has to say who they are.
_OWNERS = """
    WITH RECURSIVE each(owner) AS (
        SELECT min(owner) FROM store_items
        UNION ALL
        SELECT (SELECT min(owner) FROM store_items WHERE owner > each.owner)
        FROM each WHERE each.owner IS NOT NULL
    ) SELECT owner FROM each WHERE owner IS NOT NULL
"""
# Likewise from namespace to namespace, however many items are in them.
_NAMESPACES = """
    WITH RECURSIVE each(namespace) AS (
        SELECT min(namespace) FROM store_items
        WHERE owner = :owner AND namespace >= :low AND namespace < :high
        UNION ALL
        SELECT (SELECT min(namespace) FROM store_items
                WHERE owner = :owner AND namespace > each.namespace AND namespace < :high)
        FROM each WHERE each.namespace IS NOT NULL
    ) SELECT namespace FROM each WHERE namespace IS NOT NULL AND EXISTS (
        SELECT 1 FROM store_items INDEXED BY store_items_by_place
        WHERE owner = :owner AND namespace = each.namespace
            AND (expires_at IS NULL OR expires_at > :now))
"""
_NEWEST_FIRST = "ORDER BY updated_at DESC, item_id DESC"
_GET = (
    f"SELECT {_COLUMNS} FROM store_items WHERE owner = ? AND namespace = ? AND key = ? AND {_ALIVE}"
)
_PUT = """
    INSERT INTO store_items (owner, namespace, key, value, metadata, index_fields, created_at,
        updated_at, ttl_minutes, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (owner, namespace, key) DO UPDATE SET value = excluded.value,
        metadata = excluded.metadata, index_fields = excluded.index_fields,
        updated_at = excluded.updated_at, ttl_minutes = excluded.ttl_minutes,
        expires_at = excluded.expires_at,
        created_at = CASE WHEN expires_at <= excluded.updated_at THEN excluded.created_at
            ELSE created_at END
    RETURNING item_id, created_at
"""


class _Row(NamedTuple):
    namespace: bytes
    key: str
    value: bytes
    metadata: bytes
    created_at: str
    updated_at: str
    expires_at: str | None
    ttl_minutes: float | None
    item_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryVector:
    """What a search looks for: a packed vector."""

    dims: int
    packed: bytes


@dataclass(slots=True)
class StoreRows:
    """Reads and writes over one connection."""

    scope: Scope
    now: datetime
    #: Items that were read and live longer for it: new expiry, item.
    used: list[tuple[str | None, int]] = field(default_factory=list)
    _time: str = field(init=False)

    def __post_init__(self) -> None:
        self._time = to_iso(self.now)

    def get(self, connection: sqlite3.Connection, op: GetItem) -> StoreItem | None:
        """Return an item that is there."""
        place = (encode(op.namespace), op.key, self._time)
        row = connection.execute(_GET, (owner_of(self.scope), *place)).fetchone()
        if row is None and self.scope == EVERYTHING:
            found = (
                connection.execute(_GET, (owner, *place)).fetchone()
                for owner in self._owners(connection)
            )
            row = next(filter(None, found), None)
        return None if row is None else self._item(_Row(*row), refresh=op.refresh_ttl)

    def put(
        self, connection: sqlite3.Connection, op: PutItem, dims: int, blob: bytes | None
    ) -> StoreItem:
        """Store an item and its vectors; return it as it now is."""
        value, metadata = to_json(op.value, "value"), to_json(op.metadata, "metadata")
        index = None if op.index is None else jsonio.dumps(op.index)
        expires_at = _expiry(self.now, op.ttl_minutes)
        item_id, created_at = connection.execute(
            _PUT,
            (
                *(owner_of(self.scope), encode(op.namespace), op.key, value, metadata, index),
                *(self._time, self._time, op.ttl_minutes, expires_at),
            ),
        ).fetchone()
        connection.execute("DELETE FROM store_vectors WHERE item_id = ?", (item_id,))
        if blob:
            connection.execute("INSERT INTO store_vectors VALUES (?, ?, ?)", (item_id, dims, blob))
        return StoreItem(
            namespace=op.namespace,
            key=op.key,
            value=value,
            metadata=metadata,
            created_at=created_at,
            updated_at=self._time,
            expires_at=expires_at,
        )

    def delete(self, connection: sqlite3.Connection, op: DeleteItem) -> None:
        """Remove what `get` could return."""
        for owner in self._owners(connection):
            connection.execute(
                "DELETE FROM store_items WHERE owner = ? AND namespace = ? AND key = ?",
                (owner, encode(op.namespace), op.key),
            )

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Let the items that were read live on as long as they were meant to at first."""
        connection.executemany("UPDATE store_items SET expires_at = ? WHERE item_id = ?", self.used)

    def search(
        self, connection: sqlite3.Connection, op: SearchItems, query: QueryVector | None
    ) -> list[StoreItem]:
        """Return a page of matching items: the nearest first, else the last updated."""
        start, stop = _slice(op)
        if query is not None:
            return self._nearest(connection, op, query, start, stop)
        ids = self._ids(connection, op)
        rows: Iterable[_Row]
        if op.filter or op.metadata:
            rows = islice(_matching(connection, ids, op), start, stop)
        else:
            rows = _rows(connection, list(islice(ids, start, stop)))
        return [self._item(row, refresh=op.refresh_ttl) for row in rows]

    def namespaces(self, connection: sqlite3.Connection, op: ListNamespaces) -> list[Namespace]:
        """Return a page of the namespaces, in order."""
        low, high = span(common_start(op.prefixes))
        named = {"low": low, "high": high, "now": self._time}
        rows = (
            row
            for owner in self._owners(connection)
            for row in connection.execute(_NAMESPACES, {**named, "owner": owner})
        )
        found = {
            namespace[: op.max_depth]
            for namespace in (decode(row[0]) for row in rows)
            if all(begins(namespace, path) for path in op.prefixes)
            and all(begins(namespace[::-1], path[::-1]) for path in op.suffixes)
        }
        start, stop = _slice(op)
        return sorted(found)[start:stop]

    def _owners(self, connection: sqlite3.Connection) -> list[str]:
        """Return whose items are seen."""
        if self.scope != EVERYTHING:
            return [owner_of(self.scope)]
        return [row[0] for row in connection.execute(_OWNERS)]

    def _ids(self, connection: sqlite3.Connection, op: SearchItems) -> Iterator[int]:
        """Find items by their place, the last updated first."""
        index, where, parameters = self._place(connection, op)
        rows = connection.execute(
            f"SELECT item_id FROM store_items INDEXED BY {index} WHERE {where} {_NEWEST_FIRST}",
            parameters,
        )
        return (row[0] for row in rows)

    def _place(self, connection: sqlite3.Connection, op: SearchItems) -> tuple[str, str, list[Any]]:
        """Return the index, the condition and its parameters that lead to the items of a place."""
        owners = self._owners(connection)
        low, high = span(op.prefix)
        where = f"owner IN ({','.join('?' * len(owners))}) AND namespace >= ? AND namespace < ?"
        parameters: list[Any] = [*owners, low, low + b"\x00" if op.exact else high]
        if op.key_prefix:
            where += " AND key >= ? AND key < ?"
            parameters += (op.key_prefix, op.key_prefix + _LAST_CHARACTER)
        walk = len(owners) == 1 and not op.key_prefix and _are_many(connection, parameters)
        index = "store_items_by_time" if walk else "store_items_by_place"
        return index, f"{where} AND {_ALIVE}", [*parameters, self._time]

    def _nearest(
        self,
        connection: sqlite3.Connection,
        op: SearchItems,
        query: QueryVector,
        start: int,
        stop: int,
    ) -> list[StoreItem]:
        """Return a page of items by similarity; those without vectors come last."""
        near: list[int] = []
        similar: list[float] = []
        without: list[int] = []
        for some in self._candidates(connection, op, query.dims):
            blobs = [blob for _, blob in some if blob is not None]
            similar += vectors.similarities(query.packed, blobs, query.dims)
            near += [item_id for item_id, blob in some if blob is not None]
            without += [item_id for item_id, blob in some if blob is None]
        best = sorted(range(len(near)), key=similar.__getitem__, reverse=True)[:stop]
        scores: dict[int, float | None] = {near[place]: similar[place] for place in best}
        scores |= dict.fromkeys(without[: max(stop - len(near), 0)])
        page = list(islice(scores, start, stop))
        return [
            self._item(row, refresh=op.refresh_ttl, score=scores[row.item_id])
            for row in _rows(connection, page)
        ]

    def _candidates(
        self, connection: sqlite3.Connection, op: SearchItems, dims: int
    ) -> Iterator[list[tuple[int, bytes | None]]]:
        """Return all items that match, some at a time, the last updated first, with vectors."""
        if op.filter or op.metadata:
            found = _matching(connection, self._ids(connection, op), op)
            while ids := [row.item_id for row in islice(found, _SOME)]:
                yield _with_vectors(connection, ids, dims)
            return
        index, where, parameters = self._place(connection, op)
        rows = connection.execute(
            f"SELECT item_id, iif(dims = ?, vectors, NULL) FROM store_items INDEXED BY {index}"
            f" LEFT JOIN store_vectors USING (item_id) WHERE {where} {_NEWEST_FIRST}",
            (dims, *parameters),
        )
        while some := rows.fetchmany(_SOME):
            yield some

    def _item(self, row: _Row, *, refresh: bool, score: float | None = None) -> StoreItem:
        expires_at = row.expires_at
        if refresh and row.ttl_minutes is not None:
            expires_at = _expiry(self.now, row.ttl_minutes)
            self.used.append((expires_at, row.item_id))
        return StoreItem(
            namespace=decode(row.namespace),
            key=row.key,
            value=Json(row.value),
            metadata=Json(row.metadata),
            created_at=row.created_at,
            updated_at=row.updated_at,
            expires_at=expires_at,
            score=score,
        )


def delete_expired_items(connection: sqlite3.Connection, now: str) -> int:
    """Remove some items that have expired; return how many they were."""
    return connection.execute(
        "DELETE FROM store_items WHERE item_id IN"
        " (SELECT item_id FROM store_items WHERE expires_at <= ? LIMIT ?)",
        (now, SWEPT_AT_A_TIME),
    ).rowcount


def _are_many(connection: sqlite3.Connection, place: Sequence[Any]) -> bool:
    row = connection.execute(
        "SELECT 1 FROM store_items INDEXED BY store_items_by_place"
        " WHERE owner = ? AND namespace >= ? AND namespace < ? LIMIT 1 OFFSET ?",
        (*place, _MANY),
    ).fetchone()
    return row is not None


def has_vectors_besides(connection: sqlite3.Connection, dims: int) -> bool:
    """Tell whether there are vectors of another length."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM store_vectors WHERE dims < ?)"
        " OR EXISTS (SELECT 1 FROM store_vectors WHERE dims > ?)",
        (dims, dims),
    ).fetchone()
    return bool(row[0])


def _matching(
    connection: sqlite3.Connection, ids: Iterator[int], op: SearchItems
) -> Iterator[_Row]:
    """Read items in the order of their ids, as far as they are asked for; give those that match."""
    likely, parameters = store_filters.superset_in_sql(op.filter, op.metadata)
    while some := list(islice(ids, _SOME)):
        for row in _rows(connection, some, likely, parameters):
            metadata = jsonio.loads(row.metadata)
            if store_filters.matches(jsonio.loads(row.value), op.filter, metadata) and (
                store_filters.matches(metadata, op.metadata)
            ):
                yield row


def _rows(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    condition: str = "",
    parameters: Sequence[Any] = (),
) -> Iterator[_Row]:
    """Read items by id, in the order of the ids."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM json_each(?) wanted CROSS JOIN store_items"
        f" ON store_items.item_id = wanted.value {condition and 'WHERE ' + condition}"
        " ORDER BY wanted.id",
        (jsonio.dumps(ids).decode(), *parameters),
    )
    return (_Row(*row) for row in found)


def _with_vectors(
    connection: sqlite3.Connection, ids: Sequence[int], dims: int
) -> list[tuple[int, bytes | None]]:
    """Return the items with their vectors; those of another model are none."""
    found = dict(
        connection.execute(
            "SELECT item_id, vectors FROM json_each(?) wanted CROSS JOIN store_vectors"
            " ON item_id = wanted.value WHERE dims = ?",
            (jsonio.dumps(ids).decode(), dims),
        ).fetchall()
    )
    return [(item_id, found.get(item_id)) for item_id in ids]


def _expiry(now: datetime, ttl_minutes: float | None) -> str | None:
    if ttl_minutes is None:
        return None
    minutes = max(min(ttl_minutes, _LONGEST_TTL_MINUTES), -_LONGEST_TTL_MINUTES)
    return to_iso(now + timedelta(minutes=minutes))


def _slice(op: SearchItems | ListNamespaces) -> tuple[int, int]:
    start = min(max(op.offset, 0), _MOST_ITEMS)
    return start, start + min(max(op.limit, 0), _MOST_ITEMS)
