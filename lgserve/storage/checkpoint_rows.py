"""Checkpoints into rows, and the way back along their parents.

Plain functions of a connection, to be called inside a transaction. What they store is encoded
already; but channel versions are not in what the graph's serializer made, so that it is known
without it which values are in use.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import ormsgpack

from lgserve import jsonio
from lgserve.storage.channel_blobs import (
    SMALLEST_SHARED,
    Base,
    find_shared,
    insert_blob,
    pack,
)

Version = int | float | str
#: A thread and a checkpoint namespace.
Place = tuple[str, str]

#: Values of at most this many bytes stand beside their version, larger ones in blobs.
LARGEST_INLINE = 256


class CheckpointRow(NamedTuple):
    """A row of `checkpoints`, in the order of its columns."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    parent_id: str | None
    run_id: str | None
    metadata: bytes
    versions: bytes
    kind: str
    checkpoint: bytes


class NewValue(NamedTuple):
    """A channel's serialized value at a new version."""

    channel: str
    version: Version
    kind: str
    data: bytes


class WriteRow(NamedTuple):
    """A row of `checkpoint_writes` whose data is complete."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    task_id: str
    idx: int
    task_path: str
    channel: str
    run_id: str | None
    kind: str
    data: bytes


def pack_versions(versions: Mapping[str, Version], inline: Sequence[str]) -> bytes:
    """Encode channel versions, and which channels' values stand in the checkpoint's own row."""
    return ormsgpack.packb((versions, inline))


def unpack_versions(data: bytes) -> tuple[dict[str, Version], list[str]]:
    """Decode what `pack_versions` encoded."""
    versions, inline = ormsgpack.unpackb(data)
    return versions, inline


class Change(NamedTuple):
    """What one call of a saver stores: a checkpoint and the values new with it, or writes."""

    checkpoint: CheckpointRow | None
    values: Sequence[NewValue]
    writes: Sequence[WriteRow]


def store_changes(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Store changes in order; a known version of a channel stays as it is.

    Many rows go into one statement: each that is run gives the interpreter to other threads, and
    getting it back costs more than the statement.
    """
    puts = [(change.checkpoint, change.values) for change in changes if change.checkpoint]
    small = [
        (row.thread_id, row.checkpoint_ns, *value, None)
        for row, values in puts
        for value in values
        if len(value.data) <= LARGEST_INLINE
    ]
    _insert(connection, _CHECKPOINTS, [row for row, _ in puts])
    _insert(connection, _VERSIONS, small)
    _insert(connection, _WRITES, [write for change in changes for write in change.writes])
    for row, values in puts:
        large = [value for value in values if len(value.data) > LARGEST_INLINE]
        if large:
            _store_large(connection, row, large)


class _Insert(NamedTuple):
    head: str
    width: int
    tail: str


_CHECKPOINTS = _Insert(
    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_id,"
    " run_id, metadata, versions, kind, checkpoint)",
    9,
    "",
)
_VERSIONS = _Insert(
    "INSERT INTO channel_versions (thread_id, checkpoint_ns, channel, version, kind, data,"
    " blob_id)",
    7,
    " ON CONFLICT DO NOTHING",
)
#: The task to which LangGraph counts what commands write; it stores them all anew with each.
OF_COMMANDS = "00000000-0000-0000-0000-000000000000"

_WRITES = _Insert(
    "INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx,"
    " task_path, channel, run_id, kind, data)",
    10,
    f""" ON CONFLICT DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel,
        run_id = excluded.run_id, kind = excluded.kind, data = excluded.data, blob_id = NULL,
        blob_start = 0, blob_length = 0, split = 0
    WHERE excluded.idx < 0
        OR excluded.task_id = '{OF_COMMANDS}' AND excluded.data IS NOT checkpoint_writes.data""",
)


def _insert(connection: sqlite3.Connection, into: _Insert, rows: Sequence[tuple[Any, ...]]) -> None:
    done = 0
    for size in (64, 32, 16, 8, 4, 2, 1):  # few sizes: statements are compiled once
        while len(rows) - done >= size:
            parameters = list(chain.from_iterable(rows[done : done + size]))
            connection.execute(_insert_statement(into, size), parameters)
            done += size


@cache
def _insert_statement(into: _Insert, rows: int) -> str:
    row = f"({','.join('?' * into.width)})"
    return f"{into.head} VALUES {','.join([row] * rows)}{into.tail}"


def _store_large(
    connection: sqlite3.Connection, row: CheckpointRow, values: Sequence[NewValue]
) -> None:
    versions = _parent_versions(connection, row)
    for value in values:
        key = (row.thread_id, row.checkpoint_ns, value.channel, value.version)
        if not _has_version(connection, key):
            base = _find_base(connection, row, value.channel, versions)
            blob_id = _put_blob(connection, row, value, base)
            _insert(connection, _VERSIONS, [(*key, value.kind, None, blob_id)])


def _has_version(connection: sqlite3.Connection, key: tuple[Any, ...]) -> bool:
    found = connection.execute(
        "SELECT 1 FROM channel_versions"
        " WHERE thread_id = ? AND checkpoint_ns = ? AND channel = ? AND version = ?",
        key,
    )
    return found.fetchone() is not None


def _parent_versions(connection: sqlite3.Connection, row: CheckpointRow) -> dict[str, Version]:
    found = connection.execute(
        "SELECT versions FROM checkpoints"
        " WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?",
        (row.thread_id, row.checkpoint_ns, row.parent_id),
    ).fetchone()
    return {} if found is None else unpack_versions(found[0])[0]


def _find_base(
    connection: sqlite3.Connection,
    row: CheckpointRow,
    channel: str,
    versions: Mapping[str, Version],
) -> Base | None:
    """Return the parent's list of this channel, if it had a large one."""
    found = connection.execute(
        "SELECT b.blob_id, b.items, b.size, b.digest, b.depth, b.whole FROM channel_versions v"
        " JOIN channel_blobs b ON b.blob_id = v.blob_id"
        " WHERE v.thread_id = ? AND v.checkpoint_ns = ? AND v.channel = ? AND v.version = ?",
        (row.thread_id, row.checkpoint_ns, channel, versions.get(channel)),
    ).fetchone()
    return None if found is None or found[3] is None else Base(*found)


def _put_blob(
    connection: sqlite3.Connection, row: CheckpointRow, value: NewValue, base: Base | None
) -> int:
    blob = pack(value.kind, value.data, base)
    blob_id = insert_blob(connection, blob)
    if len(blob.data) >= SMALLEST_SHARED:
        _share_writes(connection, row, value.channel, blob_id, blob.data)
    return blob_id


def _share_writes(
    connection: sqlite3.Connection, row: CheckpointRow, channel: str, blob_id: int, data: bytes
) -> None:
    """Let the writes that led to a value refer to its blob for what both contain."""
    key = (row.thread_id, row.checkpoint_ns, row.parent_id)
    writes = connection.execute(
        "SELECT task_id, idx, data FROM checkpoint_writes WHERE thread_id = ?"
        " AND checkpoint_ns = ? AND checkpoint_id = ? AND channel = ? AND blob_id IS NULL"
        " AND length(data) >= ?",
        (*key, channel, SMALLEST_SHARED),
    ).fetchall()
    for task_id, idx, written in writes:
        shared = find_shared(written, data)
        if shared is not None:
            rest = written[: shared.start] + written[shared.start + shared.length :]
            connection.execute(
                "UPDATE checkpoint_writes SET data = ?, split = ?, blob_id = ?, blob_start = ?,"
                " blob_length = ? WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
                " AND task_id = ? AND idx = ?",
                (rest, shared.start, blob_id, *shared[1:], *key, task_id, idx),
            )


def find_plain(
    connection: sqlite3.Connection, place: Place, checkpoint_id: str
) -> tuple[dict[str, Version], list[str], str, bytes] | None:
    """Return a checkpoint's versions, the channels whose values stand in its row, and the row."""
    found = connection.execute(
        "SELECT versions, kind, checkpoint FROM checkpoints"
        " WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?",
        (*place, checkpoint_id),
    ).fetchone()
    return None if found is None else (*unpack_versions(found[0]), found[1], found[2])


def latest_checkpoint_id(
    connection: sqlite3.Connection, thread_id: str, checkpoint_ns: str = ""
) -> str | None:
    """Return the id of a namespace's newest checkpoint, or None."""
    row = connection.execute(
        "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?",
        (thread_id, checkpoint_ns),
    ).fetchone()
    return None if row is None else row[0]


class Seed(NamedTuple):
    """The ancestor at which a channel's stored value was met."""

    distance: int
    checkpoint_id: str
    version: Version
    inline: bool


def stored_versions(
    connection: sqlite3.Connection, place: Place, channels: Sequence[str]
) -> set[tuple[str, Version]]:
    """Return the versions of these channels whose values are stored beside them."""
    return set(
        connection.execute(
            "SELECT channel, version FROM channel_versions WHERE thread_id = ? AND"
            " checkpoint_ns = ? AND channel IN (SELECT value FROM json_each(?))",
            (*place, jsonio.dumps(channels).decode()),
        )
    )


def walk_ancestors(
    connection: sqlite3.Connection,
    place: Place,
    checkpoint_id: str,
    channels: Sequence[str],
) -> tuple[list[str], dict[str, Seed]]:
    """Follow parents until every channel has met a stored value; return the path and the seeds."""
    stored = stored_versions(connection, place, channels)
    remaining = set(channels)
    path: list[str] = []
    seeds: dict[str, Seed] = {}
    for ancestor_id, data in connection.execute(_ANCESTORS, (*place, checkpoint_id, *place)):
        versions, inline = unpack_versions(data)
        for channel in [c for c in remaining if c in versions]:
            version = versions[channel]
            if channel in inline or (channel, version) in stored:
                seeds[channel] = Seed(len(path), ancestor_id, version, channel in inline)
                remaining.discard(channel)
        path.append(ancestor_id)
        if not remaining:
            break
    return path, seeds


_ANCESTORS = """
    WITH RECURSIVE path (checkpoint_id, parent_id, versions, distance) AS (
        SELECT checkpoint_id, parent_id, versions, 0 FROM checkpoints
        WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?
        UNION ALL
        SELECT c.checkpoint_id, c.parent_id, c.versions, distance + 1
        FROM path p JOIN checkpoints c ON c.thread_id = ? AND c.checkpoint_ns = ?
            AND c.checkpoint_id = p.parent_id
    )
    SELECT checkpoint_id, versions FROM path WHERE distance > 0
"""
