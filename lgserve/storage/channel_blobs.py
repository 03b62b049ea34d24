"""Bytes of large channel values: a list that grew is stored as the tail its last version lacks.

LangGraph's serializer writes a list as an array header and the encodings of its elements, one after
the other. So if the elements of one version are, byte for byte, the beginning of the next one's,
the next needs its tail only. That is found by comparing digests: it holds for elements of any
type, and an element that was changed in place is noticed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from lgserve import jsonio

#: The serializer's tag for what may be a list.
MSGPACK = "msgpack"

#: A chain of tails is joined by storing the list whole again once it has this many tails and they
#: outweigh the whole part (so at most three times the list is stored in all), or at the latest ...
_COMPACT_DEPTH = 64
#: ... when it has this many: reading costs a row each.
_LONGEST_CHAIN = 1000

#: Fewer bytes in common are not worth a reference.
SMALLEST_SHARED = 1024
_PROBE = 32
_PROBE_AT = 96


class BlobRow(NamedTuple):
    """A row of `channel_blobs` without its id; the migration describes the members."""

    base_id: int | None
    items: int
    size: int
    digest: bytes | None
    depth: int
    whole: int
    data: bytes


class Base(NamedTuple):
    """The stored list against which a later version is compared."""

    blob_id: int
    items: int
    size: int
    digest: bytes | None
    depth: int
    whole: int


class Shared(NamedTuple):
    """Bytes that two values have in common."""

    start: int
    start_in_other: int
    length: int


def pack(kind: str, data: bytes, base: Base | None) -> BlobRow:
    """Return how to store a value: as the tail of `base` if it is a list that begins with it."""
    header = _array_header(data) if kind == MSGPACK else None
    if header is None:
        return BlobRow(None, 0, 0, None, 0, len(data), data)
    items, start = header
    body = memoryview(data)[start:]
    digest = hashlib.blake2b(digest_size=16)
    if base is not None and base.items <= items and base.size <= len(body):
        digest.update(body[: base.size])
        tail = body[base.size :]
        if digest.digest() == base.digest and not _should_be_whole(base, len(body)):
            digest.update(tail)
            row = (base.blob_id, items, len(body), digest.digest(), base.depth + 1, base.whole)
            return BlobRow(*row, bytes(tail))
        digest.update(tail)
    else:
        digest.update(body)
    return BlobRow(None, items, len(body), digest.digest(), 0, len(body), bytes(body))


def _should_be_whole(base: Base, size: int) -> bool:
    depth = base.depth + 1
    return depth > _LONGEST_CHAIN or (depth > _COMPACT_DEPTH and size - base.whole >= base.whole)


def _array_header(data: bytes) -> tuple[int, int] | None:
    """Return the elements of a msgpack array and where they start; None if it is no array."""
    first = data[0] if data else 0
    if first & 0xF0 == 0x90:
        return first & 0x0F, 1
    if first == 0xDC:
        return int.from_bytes(data[1:3]), 3
    if first == 0xDD:
        return int.from_bytes(data[1:5]), 5
    return None


def array_header(items: int) -> bytes:
    """Return the msgpack header of an array."""
    if items < 16:
        return bytes((0x90 | items,))
    if items < 2**16:
        return b"\xdc" + items.to_bytes(2)
    return b"\xdd" + items.to_bytes(4)


def insert_blob(connection: sqlite3.Connection, row: BlobRow) -> int:
    """Store a blob and return its id, which is greater than that of its base."""
    cursor = connection.execute(
        "INSERT INTO channel_blobs (base_id, items, size, digest, depth, whole, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    return cursor.lastrowid or 0


def read_blob(connection: sqlite3.Connection, blob_id: int) -> tuple[bytes, dict[int, int]]:
    """Return a value's bytes and, for a list, the lengths of the versions it grew from, by blob."""
    base_id, items, digest, data = connection.execute(
        "SELECT base_id, items, digest, data FROM channel_blobs WHERE blob_id = ?", (blob_id,)
    ).fetchone()
    if digest is None:
        return data, {}
    lengths = {blob_id: items}
    parts = [data]
    if base_id is not None:
        for ancestor_id, length, part in connection.execute(_ANCESTORS, (base_id,)):
            lengths[ancestor_id] = length
            parts.append(part)
    parts.append(array_header(items))
    return b"".join(reversed(parts)), lengths


_ANCESTORS = """
    WITH RECURSIVE chain (blob_id, base_id) AS (
        SELECT blob_id, base_id FROM channel_blobs WHERE blob_id = ?
        UNION ALL
        SELECT b.blob_id, b.base_id FROM chain c JOIN channel_blobs b ON b.blob_id = c.base_id
    )
    SELECT b.blob_id, b.items, b.data FROM chain c JOIN channel_blobs b ON b.blob_id = c.blob_id
    ORDER BY b.blob_id DESC
"""


def delete_unreferenced(connection: sqlite3.Connection, blob_ids: Iterable[int]) -> None:
    """Delete those of the blobs, and of the blobs below them, that nothing refers to any more."""
    ids = list(blob_ids)
    if ids:
        connection.execute(_DELETE_UNREFERENCED, (jsonio.dumps(ids).decode(),))


_DELETE_UNREFERENCED = """
    WITH RECURSIVE touched (id) AS (
        SELECT value FROM json_each(?)
        UNION
        SELECT b.base_id FROM touched t JOIN channel_blobs b ON b.blob_id = t.id
        WHERE b.base_id IS NOT NULL
    ),
    live (id) AS (
        SELECT id FROM touched
        WHERE EXISTS (SELECT 1 FROM channel_versions v WHERE v.blob_id = id)
            OR EXISTS (SELECT 1 FROM checkpoint_writes w WHERE w.blob_id = id)
            OR EXISTS (
                SELECT 1 FROM channel_blobs b
                WHERE b.base_id = id AND b.blob_id NOT IN (SELECT id FROM touched)
            )
        UNION
        SELECT b.base_id FROM live l JOIN channel_blobs b ON b.blob_id = l.id
        WHERE b.base_id IS NOT NULL
    )
    DELETE FROM channel_blobs
    WHERE blob_id IN (SELECT id FROM touched EXCEPT SELECT id FROM live)
"""


def find_shared(data: bytes, other: bytes) -> Shared | None:
    """Return a run of bytes that both values contain, if it is most of `data`.

    A write and the version it leads to are encoded apart, and often differ in their frames only
    (a list's header, a message that was given as an object). The search starts from two places of
    `data`, near its beginning and in its middle.
    """
    best = Shared(0, 0, 0)
    for at in (_PROBE_AT, len(data) // 2):
        found = other.find(data[at : at + _PROBE])
        if found >= 0:
            before = _common_suffix(data[:at], other[max(0, found - at) : found])
            after = _common_prefix(data[at:], other[found : found + len(data) - at])
            best = max(best, Shared(at - before, found - before, before + after), key=_length)
    return best if best.length >= max(SMALLEST_SHARED, len(data) // 2) else None


def _length(shared: Shared) -> int:
    return shared.length


def _common_prefix(left: bytes, right: bytes) -> int:
    size = min(len(left), len(right))
    difference = int.from_bytes(left[:size]) ^ int.from_bytes(right[:size])
    return size - (difference.bit_length() + 7) // 8


def _common_suffix(left: bytes, right: bytes) -> int:
    size = min(len(left), len(right))
    if not size:
        return 0
    difference = int.from_bytes(left[-size:], "little") ^ int.from_bytes(right[-size:], "little")
    return size - (difference.bit_length() + 7) // 8
