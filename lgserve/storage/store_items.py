"""The server's key-value store on its own database: for the API, and for graphs.

A batch is one unit: its reads see the state before its puts, as in LangGraph's own stores. What has
expired is not seen any more, whether or not it was swept yet. With an embedder, puts are embedded
before they are stored, and a search with a query ranks by similarity.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from langgraph.store.base import BaseStore, Op, Result, TTLConfig

from lgserve.core.clock import SystemClock, to_iso
from lgserve.core.items import (
    DeleteItem,
    Embedder,
    GetItem,
    ItemOp,
    ItemResult,
    ListNamespaces,
    Namespace,
    PutItem,
    SearchItems,
    Vector,
)
from lgserve.core.models import EVERYTHING, Scope
from lgserve.core.ports import Clock
from lgserve.storage import store_filters, vectors
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.store_ops import to_item_op, to_result
from lgserve.storage.store_rows import (
    SWEPT_AT_A_TIME,
    QueryVector,
    StoreRows,
    delete_expired_items,
    has_vectors_besides,
)
from lgserve.storage.store_values import texts_at

_Place = tuple[Namespace, str]

#: So many operations by key are done where they are asked for: a hop would cost more.
_FEW = 10


class SqliteStore(BaseStore):
    """Items in a `SqliteDatabase`, as one scope sees them; see `lgserve.core.items.ItemStore`.

    Raises:
        TypeError: a value has a member that JSON cannot hold; the message says where.
        BadRequestError: a filter has an unknown operator.
        InvalidNamespaceError: a label is empty, no text, or has a period.
        EmbeddingError: the project's embedding function failed.
    """

    supports_ttl = True

    def __init__(
        self,
        db: SqliteDatabase,
        *,
        ttl: TTLConfig | None = None,
        clock: Clock | None = None,
        embedder: Embedder | None = None,
        scope: Scope = EVERYTHING,
    ) -> None:
        self.ttl_config = ttl
        self._db = db
        self._clock = clock or SystemClock()
        self._embedder = embedder
        self._scope = scope
        if embedder is not None:
            vectors.numpy()

    @property
    def semantic(self) -> bool:
        """Whether `query` has a meaning here."""
        return self._embedder is not None

    def for_scope(self, scope: Scope) -> SqliteStore:
        """Return the same store as a graph may see it that runs for this scope."""
        return SqliteStore(
            self._db,
            ttl=self.ttl_config,
            clock=self._clock,
            embedder=self._embedder,
            scope=scope,
        )

    async def run(self, ops: Sequence[ItemOp], scope: Scope) -> list[ItemResult]:
        """Carry out operations as one."""
        batch = _Batch(ops, scope, self._clock.now(), self._embedder)
        if self._embedder is not None and batch.needs_vectors:
            batch.take(await self._embedder.embed(*batch.texts))
        if batch.writes:
            write = self._db.write_few if batch.is_small else self._db.write
            return await write(batch.run)
        if batch.is_small:
            results = self._db.lookup_snapshot(batch.run)
        else:
            results = await self._db.read(batch.run)
        if batch.rows.used:
            await self._db.write(batch.rows.refresh)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out LangGraph's operations as one."""
        given = list(ops)
        results = await self.run([to_item_op(op) for op in given], self._scope)
        return [to_result(op, result) for op, result in zip(given, results, strict=True)]

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """As `abatch`, for a caller in a thread."""
        given = list(ops)
        results = self._run_blocking([to_item_op(op) for op in given])
        return [to_result(op, result) for op, result in zip(given, results, strict=True)]

    def _run_blocking(self, ops: Sequence[ItemOp]) -> list[ItemResult]:
        batch = _Batch(ops, self._scope, self._clock.now(), self._embedder)
        if self._embedder is not None and batch.needs_vectors:
            batch.take(self._embedder.embed_blocking(*batch.texts))
        if batch.writes:
            return self._db.write_sync(batch.run)
        results = self._db.lookup_snapshot(batch.run)
        if batch.rows.used:
            self._db.write_sync(batch.rows.refresh)
        return results

    async def has_foreign_vectors(self) -> bool:
        """Tell whether there are vectors that no query of this embedder can be compared with."""
        dims = self._embedder.dims if self._embedder is not None else 0
        return await self._db.read(partial(has_vectors_besides, dims=dims))

    async def sweep(self) -> int:
        """Remove expired items; return how many they were."""
        now = to_iso(self._clock.now())
        swept = deleted = await self._db.write(partial(delete_expired_items, now=now))
        while deleted == SWEPT_AT_A_TIME:
            deleted = await self._db.write(partial(delete_expired_items, now=now))
            swept += deleted
        return swept


@dataclass(slots=True)
class _Batch:
    """Operations, whose they are, and the moment at which they happen."""

    ops: Sequence[ItemOp]
    scope: Scope
    now: datetime
    embedder: Embedder | None
    rows: StoreRows = field(init=False)
    #: What is written last to each place: that counts.
    _writes: dict[_Place, PutItem | DeleteItem] = field(init=False)
    #: The texts of each put; packed vectors of puts and queries, when they are there.
    _documents: dict[_Place, list[str]] = field(default_factory=dict)
    _queries: list[str] = field(default_factory=list)
    _blobs: dict[_Place, bytes] = field(default_factory=dict)
    _query_vectors: dict[str, QueryVector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = StoreRows(self.scope, self.now)
        for op in self.ops:
            if isinstance(op, SearchItems):
                store_filters.check(op.filter)
                store_filters.check(op.metadata)
        self._writes = {
            (op.namespace, op.key): op for op in self.ops if isinstance(op, PutItem | DeleteItem)
        }
        if self.embedder is not None:
            self._collect_texts(self.embedder.fields)

    @property
    def writes(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._writes)

    @property
    def is_small(self) -> bool:
        """Whether the batch is about a few rows by key."""
        return len(self.ops) <= _FEW and not any(
            isinstance(op, SearchItems | ListNamespaces) for op in self.ops
        )

    @property
    def needs_vectors(self) -> bool:
        """Whether there are texts to embed."""
        return bool(self._documents or self._queries)

    @property
    def texts(self) -> tuple[list[str], list[str]]:
        """The texts of documents and of queries, in the order in which `take` wants vectors."""
        return [text for texts in self._documents.values() for text in texts], self._queries

    def take(self, found: Sequence[Vector]) -> None:
        """Receive the vectors of the texts."""
        dims = self.embedder.dims if self.embedder is not None else 0
        remaining = iter(found)
        for place, texts in self._documents.items():
            self._blobs[place] = vectors.packed(next(remaining) for _ in texts)
        for query in self._queries:
            packed = vectors.packed([next(remaining)])
            self._query_vectors[query] = QueryVector(dims=dims, packed=packed)

    def run(self, connection: sqlite3.Connection) -> list[ItemResult]:
        """Read, then write; the last write to a place counts."""
        results = [self._read(connection, op) for op in self.ops]
        if self._writes:
            self.rows.refresh(connection)
        written = {place: self._write(connection, place, op) for place, op in self._writes.items()}
        return [
            written[op.namespace, op.key] if isinstance(op, PutItem) else result
            for op, result in zip(self.ops, results, strict=True)
        ]

    def _read(self, connection: sqlite3.Connection, op: ItemOp) -> ItemResult:
        if isinstance(op, GetItem):
            return self.rows.get(connection, op)
        if isinstance(op, SearchItems):
            return self.rows.search(connection, op, self._query_vectors.get(op.query or ""))
        if isinstance(op, ListNamespaces):
            return self.rows.namespaces(connection, op)
        return None

    def _write(
        self, connection: sqlite3.Connection, place: _Place, op: PutItem | DeleteItem
    ) -> ItemResult:
        if isinstance(op, DeleteItem):
            self.rows.delete(connection, op)
            return None
        dims = self.embedder.dims if self.embedder is not None else 0
        return self.rows.put(connection, op, dims, self._blobs.get(place))

    def _collect_texts(self, fields: Sequence[str]) -> None:
        for place, op in self._writes.items():
            if isinstance(op, PutItem) and op.index is not False:
                texts = texts_at(op.value, fields if op.index is None else op.index)
                if texts:
                    self._documents[place] = texts
        queries = (op.query for op in self.ops if isinstance(op, SearchItems) and op.query)
        self._queries = list(dict.fromkeys(queries))
