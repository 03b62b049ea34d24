"""Deleting, copying and pruning checkpoints: plain functions of a connection.

To be called inside a transaction. Blobs go with the last row that refers to them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from lgserve import jsonio
from lgserve.storage.channel_blobs import delete_unreferenced
from lgserve.storage.checkpoint_notes import note
from lgserve.storage.checkpoint_rows import (
    Place,
    Version,
    stored_versions,
    unpack_versions,
    walk_ancestors,
)


def delete_thread_checkpoints(connection: sqlite3.Connection, thread_id: str) -> None:
    """Remove all that a thread has here: checkpoints, versions, writes, and blobs of its own."""
    note("delete_thread", thread_id)
    blobs = connection.execute(
        "SELECT blob_id FROM channel_versions WHERE thread_id = ? AND blob_id IS NOT NULL UNION"
        " SELECT blob_id FROM checkpoint_writes WHERE thread_id = ? AND blob_id IS NOT NULL",
        (thread_id, thread_id),
    ).fetchall()
    for table in ("checkpoints", "checkpoint_writes", "channel_versions"):
        connection.execute(f"DELETE FROM {table} WHERE thread_id = ?", (thread_id,))
    delete_unreferenced(connection, (blob_id for (blob_id,) in blobs))


def delete_checkpoints_of_runs(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Remove what runs have made: their checkpoints, and their writes to others' checkpoints."""
    run_ids = list(run_ids)
    note("delete_runs", *run_ids)
    wanted = (jsonio.dumps(run_ids).decode(),)
    places: dict[tuple[str, str], list[str]] = {}
    for thread_id, checkpoint_ns, checkpoint_id in connection.execute(
        "SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints"
        " WHERE run_id IN (SELECT value FROM json_each(?))",
        wanted,
    ):
        places.setdefault((thread_id, checkpoint_ns), []).append(checkpoint_id)
    of_runs = "run_id IN (SELECT value FROM json_each(?))"
    blobs = _delete_writes(connection, of_runs, wanted)
    for place, ids in places.items():
        blobs |= _delete_checkpoints(connection, place, ids)
    delete_unreferenced(connection, blobs)


def _delete_checkpoints(
    connection: sqlite3.Connection, place: Place, ids: Sequence[str]
) -> set[int]:
    """Delete checkpoints of a namespace with their writes; return blobs that may be unused now."""
    wanted = (*place, jsonio.dumps(ids).decode())
    where = (
        "thread_id = ? AND checkpoint_ns = ? AND checkpoint_id IN (SELECT value FROM json_each(?))"
    )
    blobs = _delete_writes(connection, where, wanted)
    connection.execute(f"DELETE FROM checkpoints WHERE {where}", wanted)
    return blobs | _delete_unused_versions(connection, place)


def _delete_writes(
    connection: sqlite3.Connection, where: str, parameters: tuple[str, ...]
) -> set[int]:
    blobs = connection.execute(
        f"SELECT blob_id FROM checkpoint_writes WHERE {where} AND blob_id IS NOT NULL", parameters
    ).fetchall()
    connection.execute(f"DELETE FROM checkpoint_writes WHERE {where}", parameters)
    return {blob_id for (blob_id,) in blobs}


def _delete_unused_versions(connection: sqlite3.Connection, place: Place) -> set[int]:
    """Delete versions that no checkpoint of the namespace names; return their blobs."""
    in_place = "WHERE thread_id = ? AND checkpoint_ns = ?"
    used: set[tuple[str, Version]] = set()
    for (versions,) in connection.execute(f"SELECT versions FROM checkpoints {in_place}", place):
        used.update(unpack_versions(versions)[0].items())
    stored = connection.execute(
        f"SELECT channel, version, blob_id FROM channel_versions {in_place}", place
    ).fetchall()
    unused = [row for row in stored if row[:2] not in used]
    connection.executemany(
        f"DELETE FROM channel_versions {in_place} AND channel = ? AND version = ?",
        [(*place, channel, version) for channel, version, _ in unused],
    )
    return {blob_id for _, _, blob_id in unused if blob_id is not None}


def copy_checkpoints(connection: sqlite3.Connection, source: str, target: str) -> None:
    """Copy a thread's checkpoints, versions and writes; the copies share its blobs.

    They belong to no run: deleting the source's runs leaves them alone.
    """
    note("copy", source, target)
    for statement in _COPY:
        connection.execute(statement, {"source": source, "target": target})


def has_unsettled(connection: sqlite3.Connection, thread_id: str) -> bool:
    """Tell whether runs in flight have made some of what is stored of the thread."""
    (found,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM runs WHERE thread_id = ?"
        " AND status IN ('pending', 'running') AND"
        " (EXISTS (SELECT 1 FROM checkpoints WHERE checkpoints.run_id = runs.run_id)"
        " OR EXISTS (SELECT 1 FROM checkpoint_writes WHERE checkpoint_writes.run_id = runs.run_id)"
        "))",
        (thread_id,),
    ).fetchone()
    return bool(found)


_COPY = (
    """
    INSERT OR IGNORE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_id,
        metadata, versions, kind, checkpoint)
    SELECT :target, checkpoint_ns, checkpoint_id, parent_id,
        CASE json_extract(CAST(metadata AS TEXT), '$.thread_id') WHEN :source THEN
            CAST(json_set(CAST(metadata AS TEXT), '$.thread_id', :target) AS BLOB)
        ELSE metadata END,
        versions, kind, checkpoint
    FROM checkpoints WHERE thread_id = :source
    """,
    """
    INSERT OR IGNORE INTO channel_versions (thread_id, checkpoint_ns, channel, version, kind, data,
        blob_id)
    SELECT :target, checkpoint_ns, channel, version, kind, data, blob_id
    FROM channel_versions WHERE thread_id = :source
    """,
    """
    INSERT OR IGNORE INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx,
        task_path, channel, kind, blob_id, blob_start, blob_length, split, data)
    SELECT :target, checkpoint_ns, checkpoint_id, task_id, idx,
        task_path, channel, kind, blob_id, blob_start, blob_length, split, data
    FROM checkpoint_writes WHERE thread_id = :source
    """,
)


def prune_checkpoints(connection: sqlite3.Connection, thread_id: str) -> None:
    """Keep the newest checkpoint of each namespace, and the ancestors its delta channels need."""
    note("prune", thread_id)
    latest = connection.execute(
        "SELECT checkpoint_ns, max(checkpoint_id) FROM checkpoints WHERE thread_id = ?"
        " GROUP BY checkpoint_ns",
        (thread_id,),
    ).fetchall()
    blobs: set[int] = set()
    for checkpoint_ns, checkpoint_id in latest:
        place = (thread_id, checkpoint_ns)
        kept = [checkpoint_id, *_needed_ancestors(connection, place, checkpoint_id)]
        others = connection.execute(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?"
            " AND checkpoint_id NOT IN (SELECT value FROM json_each(?))",
            (*place, jsonio.dumps(kept).decode()),
        ).fetchall()
        blobs |= _delete_checkpoints(connection, place, [row[0] for row in others])
        connection.execute(
            "UPDATE checkpoints SET parent_id = NULL WHERE thread_id = ? AND checkpoint_ns = ?"
            " AND checkpoint_id = ?",
            (*place, kept[-1]),
        )
    delete_unreferenced(connection, blobs)


def _needed_ancestors(
    connection: sqlite3.Connection, place: Place, checkpoint_id: str
) -> list[str]:
    """Return the ancestors from which the checkpoint's delta channels are rebuilt."""
    metadata, versions = connection.execute(
        "SELECT metadata, versions FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?"
        " AND checkpoint_id = ?",
        (*place, checkpoint_id),
    ).fetchone()
    counters = jsonio.loads(metadata).get("counters_since_delta_snapshot") or {}
    known, inline = unpack_versions(versions)
    channels = [channel for channel in counters if channel in known and channel not in inline]
    stored = stored_versions(connection, place, channels)
    missing = [channel for channel in channels if (channel, known[channel]) not in stored]
    return walk_ancestors(connection, place, checkpoint_id, missing)[0] if missing else []
