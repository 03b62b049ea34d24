"""Rows back into LangGraph's checkpoint tuples: one by key, a page of many, a delta history.

A reader decodes what consecutive checkpoints have in common once. They then share the elements of
a list, never the list itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from lgserve import jsonio
from lgserve.storage.channel_blobs import read_blob
from lgserve.storage.checkpoint_rows import (
    Place,
    Seed,
    Version,
    latest_checkpoint_id,
    unpack_versions,
    walk_ancestors,
)

#: A page ends early once this many bytes of values were decoded for it.
_PAGE_BYTES = 4 * 1024 * 1024
#: Versions asked for in one statement.
_MANY_VERSIONS = 250

_COLUMNS = (
    "thread_id, checkpoint_ns, checkpoint_id, parent_id, metadata, versions, kind, checkpoint"
)


class _Row(NamedTuple):
    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    parent_id: str | None
    metadata: bytes
    versions: bytes
    kind: str
    checkpoint: bytes


class _Stored(NamedTuple):
    """Where the value of a channel's version is."""

    kind: str
    data: bytes | None
    blob_id: int | None


@dataclass(slots=True)
class _Decoded:
    """A channel's last decoded value; `lengths` are those of earlier versions, by blob."""

    version: Version
    value: Any
    lengths: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointQuery:
    """Which checkpoints to list; each given member must hold."""

    thread_id: str | None = None
    checkpoint_ns: str | None = None
    checkpoint_id: str | None = None
    before_id: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class Page:
    """A part of a list, newest first; `after` continues it, None if this was the last part."""

    tuples: list[CheckpointTuple] = field(default_factory=list)
    after: tuple[str, str, str] | None = None


class CheckpointReader:
    """Decodes checkpoints for one call; not to be kept, for it remembers values."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde
        #: Pairs of channel and version that were asked for, and where the values of some are.
        self._known: dict[Place, set[tuple[str, Version]]] = {}
        self._stored: dict[Place, dict[str, dict[Version, _Stored]]] = {}
        self._decoded: dict[tuple[Place, str], _Decoded] = {}
        self._bytes = 0

    def find(
        self, connection: sqlite3.Connection, place: Place, checkpoint_id: str | None
    ) -> CheckpointTuple | None:
        """Return the checkpoint, or the newest of its namespace if no id is given."""
        wanted = "" if checkpoint_id is None else " AND checkpoint_id = ?"
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?{wanted}"
            " ORDER BY checkpoint_id DESC LIMIT 1",
            place if checkpoint_id is None else (*place, checkpoint_id),
        ).fetchone()
        return None if row is None else self._tuples(connection, [_Row(*row)])[0]

    def page(
        self,
        connection: sqlite3.Connection,
        query: CheckpointQuery,
        after: tuple[str, str, str] | None,
        size: int,
    ) -> Page:
        """Return the next checkpoints of a list, at most `size`."""
        where, parameters = _conditions(query, after)
        rows = [
            _Row(*row)
            for row in connection.execute(
                f"SELECT {_COLUMNS} FROM checkpoints{where}"
                " ORDER BY checkpoint_id DESC, checkpoint_ns DESC, thread_id DESC LIMIT ?",
                (*parameters, size),
            )
        ]
        page = Page(self._tuples(connection, rows))
        if len(page.tuples) < len(rows) or len(rows) == size:
            last = rows[len(page.tuples) - 1]
            page.after = (last.checkpoint_id, last.checkpoint_ns, last.thread_id)
        return page

    def _tuples(
        self, connection: sqlite3.Connection, rows: Sequence[_Row]
    ) -> list[CheckpointTuple]:
        """Decode rows until they are enough for a page; at least one."""
        decoded = [(row, *unpack_versions(row.versions)) for row in rows]
        self._locate(connection, decoded)
        writes = _stored_writes(connection, rows)
        tuples: list[CheckpointTuple] = []
        self._bytes = 0
        for row, versions, inline in decoded:
            mine = writes.get(row[:3], ())
            tuples.append(self._tuple(connection, row, versions, inline, mine))
            if self._bytes > _PAGE_BYTES:
                break
        return tuples

    def _tuple(
        self,
        connection: sqlite3.Connection,
        row: _Row,
        versions: dict[str, Version],
        inline: Sequence[str],
        writes: Sequence[tuple[Any, ...]],
    ) -> CheckpointTuple:
        place = (row.thread_id, row.checkpoint_ns)
        checkpoint = self._serde.loads_typed((row.kind, row.checkpoint))
        checkpoint["id"] = row.checkpoint_id
        checkpoint["channel_versions"] = versions
        checkpoint["channel_values"] = self._values(
            connection, place, versions, checkpoint["channel_values"] if inline else {}
        )
        return CheckpointTuple(
            config=checkpoint_config(*place, row.checkpoint_id),
            checkpoint=cast(Checkpoint, checkpoint),
            metadata=cast(CheckpointMetadata, jsonio.loads(row.metadata)),
            parent_config=(
                None if row.parent_id is None else checkpoint_config(*place, row.parent_id)
            ),
            pending_writes=[self._write(*write) for write in writes],
        )

    def _values(
        self,
        connection: sqlite3.Connection,
        place: Place,
        versions: dict[str, Version],
        inline: dict[str, Any],
    ) -> dict[str, Any]:
        values = dict(inline)
        for channel, by_version in self._stored.get(place, {}).items():
            version = versions.get(channel)
            if channel not in values and version in by_version:
                found = by_version[version]
                values[channel] = self._value(connection, (place, channel), version, found)
        return values

    def _locate(
        self,
        connection: sqlite3.Connection,
        rows: Sequence[tuple[_Row, dict[str, Version], Sequence[str]]],
    ) -> None:
        """Learn where the values of these checkpoints are, in as few statements as possible."""
        wanted: dict[Place, set[tuple[str, Version]]] = {}
        for row, versions, inline in rows:
            here = wanted.setdefault((row.thread_id, row.checkpoint_ns), set())
            here |= versions.items() - {(name, versions[name]) for name in inline}
        for place, pairs in wanted.items():
            known = self._known.setdefault(place, set())
            unknown = iter(pairs - known)
            known |= pairs
            by_channel = self._stored.setdefault(place, {})
            while some := list(islice(unknown, _MANY_VERSIONS)):
                found = connection.execute(
                    _locate_statement(len(some)), [*(x for pair in some for x in pair), *place]
                ).fetchall()
                for channel, version, *stored in found:
                    by_channel.setdefault(channel, {})[version] = _Stored(*stored)

    def _value(
        self,
        connection: sqlite3.Connection,
        channel: tuple[Place, str],
        version: Version,
        stored: _Stored,
    ) -> Any:
        last = self._decoded.get(channel)
        if last is not None and stored.blob_id in last.lengths:
            return last.value[: last.lengths[stored.blob_id]]
        if last is None or last.version != version:
            data, lengths = _read(connection, stored)
            self._bytes += len(data)
            last = _Decoded(version, self._serde.loads_typed((stored.kind, data)), lengths)
            self._decoded[channel] = last
        return _fresh(last.value)

    def _write(
        self,
        task_id: str,
        channel: str,
        kind: str,
        data: bytes,
        split: int,
        shared: bytes | None,
    ) -> PendingWrite:
        if shared is not None:
            data = data[:split] + shared + data[split:]
        self._bytes += len(data)
        return task_id, channel, self._serde.loads_typed((kind, data))

    def delta_history(
        self,
        connection: sqlite3.Connection,
        place: Place,
        checkpoint_id: str | None,
        channels: Sequence[str],
    ) -> dict[str, DeltaChannelHistory]:
        """Return what a checkpoint's ancestors wrote to channels since their last stored value."""
        target = checkpoint_id or latest_checkpoint_id(connection, *place)
        path, seeds = walk_ancestors(connection, place, target or "", channels)
        histories: dict[str, DeltaChannelHistory] = {name: {"writes": []} for name in channels}
        rows = connection.execute(
            _PATH_WRITES,
            (jsonio.dumps(path).decode(), *place, jsonio.dumps(channels).decode()),
        )
        for distance, *row in rows:
            if row[1] not in seeds or distance <= seeds[row[1]].distance:
                histories[row[1]]["writes"].append(self._write(*row))
        for channel, seed in seeds.items():
            histories[channel]["seed"] = self._seed(connection, place, channel, seed)
        return histories

    def _seed(self, connection: sqlite3.Connection, place: Place, channel: str, seed: Seed) -> Any:
        if seed.inline:
            kind, data = connection.execute(
                "SELECT kind, checkpoint FROM checkpoints WHERE thread_id = ?"
                " AND checkpoint_ns = ? AND checkpoint_id = ?",
                (*place, seed.checkpoint_id),
            ).fetchone()
            return self._serde.loads_typed((kind, data))["channel_values"][channel]
        row = connection.execute(
            "SELECT kind, data, blob_id FROM channel_versions WHERE thread_id = ?"
            " AND checkpoint_ns = ? AND channel = ? AND version = ?",
            (*place, channel, seed.version),
        ).fetchone()
        stored = _Stored(*row)
        return self._serde.loads_typed((stored.kind, _read(connection, stored)[0]))


def _read(connection: sqlite3.Connection, stored: _Stored) -> tuple[bytes, dict[int, int]]:
    """Return a value's bytes, and the lengths of a list's earlier versions by blob."""
    if stored.blob_id is not None:
        return read_blob(connection, stored.blob_id)
    return stored.data or b"", {}


_WRITE_COLUMNS = (
    "w.task_id, w.channel, w.kind, w.data, w.split, substr(b.data, w.blob_start + 1, w.blob_length)"
)
_WRITES = f"""
    SELECT w.checkpoint_id, {_WRITE_COLUMNS}
    FROM checkpoint_writes w LEFT JOIN channel_blobs b ON b.blob_id = w.blob_id
    WHERE w.thread_id = ? AND w.checkpoint_ns = ? AND w.checkpoint_id BETWEEN ? AND ?
    ORDER BY w.task_path, w.task_id, w.idx
"""
_PATH_WRITES = f"""
    SELECT path.key, {_WRITE_COLUMNS}
    FROM json_each(?) path CROSS JOIN checkpoint_writes w
        LEFT JOIN channel_blobs b ON b.blob_id = w.blob_id
    WHERE w.thread_id = ? AND w.checkpoint_ns = ? AND w.checkpoint_id = path.value
        AND w.channel IN (SELECT value FROM json_each(?))
    ORDER BY path.key DESC, w.task_path, w.task_id, w.idx
"""


def _stored_writes(
    connection: sqlite3.Connection, rows: Sequence[_Row]
) -> dict[tuple[str, str, str], list[tuple[Any, ...]]]:
    """Return the writes to checkpoints, in order, by place and id; a statement a place."""
    places: dict[Place, list[str]] = {}
    for row in rows:
        places.setdefault((row.thread_id, row.checkpoint_ns), []).append(row.checkpoint_id)
    found: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
    for place, ids in places.items():
        wanted = set(ids)
        # All at once: each row that is fetched by itself hands over the interpreter.
        stored = connection.execute(_WRITES, (*place, min(ids), max(ids))).fetchall()
        for checkpoint_id, *write in stored:
            if checkpoint_id in wanted:
                found.setdefault((*place, checkpoint_id), []).append(tuple(write))
    return found


@lru_cache
def _locate_statement(count: int) -> str:
    return f"""
        WITH wanted (channel, version) AS (VALUES {",".join(["(?,?)"] * count)})
        SELECT v.channel, v.version, v.kind, v.data, v.blob_id
        FROM wanted w CROSS JOIN channel_versions v ON v.thread_id = ? AND v.checkpoint_ns = ?
            AND v.channel = w.channel AND v.version = w.version
    """


def _conditions(
    query: CheckpointQuery, after: tuple[str, str, str] | None
) -> tuple[str, list[Any]]:
    conditions = {
        "thread_id = ?": query.thread_id,
        "checkpoint_ns = ?": query.checkpoint_ns,
        "checkpoint_id = ?": query.checkpoint_id,
        "checkpoint_id < ?": query.before_id,
        # The first bound alone can use the key's order; the second makes it exact.
        "checkpoint_id <= ?": None if after is None else after[0],
        "json_contains(metadata, ?)": (
            jsonio.dumps(query.metadata).decode() if query.metadata else None
        ),
    }
    given = {text: value for text, value in conditions.items() if value is not None}
    parameters: list[Any] = list(given.values())
    parts = list(given)
    if after is not None:
        parts.append("(checkpoint_id, checkpoint_ns, thread_id) < (?, ?, ?)")
        parameters += after
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), parameters


def checkpoint_config(thread_id: str, checkpoint_ns: str, checkpoint_id: str) -> RunnableConfig:
    """Return the config that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": checkpoint_ns,
            "checkpoint_id": checkpoint_id,
        }
    }


def _fresh(value: Any) -> Any:
    """Return a container of its own, so that a reducer that works in place harms no other."""
    return value.copy() if type(value) in (list, dict, set) else value
