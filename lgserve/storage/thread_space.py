"""What a thread's checkpoints take in the database, counted as they are stored."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

from lgserve.core.models import Space, ThreadSpace
from lgserve.storage.checkpoint_rows import Version, unpack_versions
from lgserve.storage.serializer import SERIALIZER


def measure(connection: sqlite3.Connection, thread_id: str) -> ThreadSpace:
    """Return what a thread takes. Values that stand in a checkpoint's row count as values.

    A channel whose version has no value is counted, with no bytes.
    """
    versions: set[tuple[str, str, Version]] = set()
    sizes: Counter[str] = Counter()
    count = size = 0
    for namespace, metadata, packed, kind, data in connection.execute(_CHECKPOINTS, (thread_id,)):
        known, inline = unpack_versions(packed)
        versions.update((namespace, channel, version) for channel, version in known.items())
        of_values = _inline_sizes(kind, data, inline)
        sizes.update(of_values)
        count += 1
        size += metadata + len(packed) + len(data) - of_values.total()
    versions.update(connection.execute(_VERSIONS, (thread_id,)))
    for statement in (_SMALL, _LARGE):
        sizes.update(dict(connection.execute(statement, (thread_id,)).fetchall()))
    numbers = Counter(channel for _, channel, _ in versions)
    return ThreadSpace(
        checkpoints=Space(count=count, size=size),
        channels={name: Space(count=numbers[name], size=sizes[name]) for name in sorted(numbers)},
        writes=Space(**_writes(connection, thread_id)),
    )


def _inline_sizes(kind: str, data: bytes, channels: list[str]) -> Counter[str]:
    """Return the bytes of the values that stand in a checkpoint's row."""
    if not channels:
        return Counter()
    values: dict[str, Any] = SERIALIZER.loads_typed((kind, data))["channel_values"]
    return Counter({name: len(SERIALIZER.dumps_typed(values[name])[1]) for name in channels})


def _writes(connection: sqlite3.Connection, thread_id: str) -> dict[str, int]:
    count, size = connection.execute(
        "SELECT count(*), coalesce(sum(length(data)), 0) FROM checkpoint_writes"
        " WHERE thread_id = ?",
        (thread_id,),
    ).fetchone()
    return {"count": count, "size": size}


_CHECKPOINTS = (
    "SELECT checkpoint_ns, length(metadata), versions, kind, checkpoint FROM checkpoints"
    " WHERE thread_id = ?"
)
_VERSIONS = "SELECT checkpoint_ns, channel, version FROM channel_versions WHERE thread_id = ?"
_SMALL = (
    "SELECT channel, sum(length(data)) FROM channel_versions"
    " WHERE thread_id = ? AND data IS NOT NULL GROUP BY channel"
)
#: A blob counts once for a channel, whatever number of versions are built on it.
_LARGE = """
    WITH RECURSIVE held (channel, blob_id) AS (
        SELECT channel, blob_id FROM channel_versions
        WHERE thread_id = ? AND blob_id IS NOT NULL
        UNION
        SELECT held.channel, base_id FROM held JOIN channel_blobs USING (blob_id)
        WHERE base_id IS NOT NULL
    )
    SELECT channel, sum(length(data)) FROM held JOIN channel_blobs USING (blob_id)
    GROUP BY channel
"""
