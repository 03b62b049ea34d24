"""LangGraph's checkpoints and writes into rows: all serializing happens here."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from lgserve import jsonio
from lgserve.storage.checkpoint_rows import (
    CheckpointRow,
    NewValue,
    Place,
    WriteRow,
    find_plain,
    pack_versions,
    unpack_versions,
)

#: Text and bytes of at most this length stand in the checkpoint's row.
_SMALL = 128
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1
_SEPARATE = ("id", "channel_versions", "channel_values")


def place_of(config: RunnableConfig) -> Place:
    """Return the thread and namespace that a config names."""
    configurable = config["configurable"]
    return str(configurable["thread_id"]), configurable.get("checkpoint_ns") or ""


def encode_checkpoint(
    serde: SerializerProtocol,
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    run_id: str | None,
) -> CheckpointRow:
    """Encode a checkpoint with those channel values that are plain and small."""
    versions = checkpoint["channel_versions"]
    values = checkpoint["channel_values"]
    inline = {k: v for k, v in values.items() if is_small(v) and k in versions}
    rest = {k: v for k, v in checkpoint.items() if k not in _SEPARATE}
    rest["channel_values"] = inline
    return CheckpointRow(
        *place_of(config),
        checkpoint["id"],
        config["configurable"].get("checkpoint_id") or None,
        None if run_id is None else str(run_id),
        jsonio.dumps(metadata),
        pack_versions(versions, list(inline)),
        *serde.dumps_typed(rest),
    )


def encode_values(
    serde: SerializerProtocol, checkpoint: Checkpoint, new_versions: ChannelVersions
) -> list[NewValue]:
    """Encode the other values that are new with a checkpoint."""
    values = checkpoint["channel_values"]
    versions = checkpoint["channel_versions"]
    return [
        NewValue(channel, version, *_dump(serde, values[channel], channel))
        for channel, version in new_versions.items()
        if channel in values and not (is_small(values[channel]) and channel in versions)
    ]


def encode_left_behind(
    connection: sqlite3.Connection,
    *,
    serde: SerializerProtocol,
    row: CheckpointRow,
    left: set[str],
) -> list[NewValue]:
    """Encode values of channels that only the parent's row has.

    A graph that runs on a thread of another one keeps the versions of channels it does not know,
    but not their values.
    """
    parent = find_plain(connection, (row.thread_id, row.checkpoint_ns), row.parent_id or "")
    if parent is None:
        return []
    versions, inline, kind, data = parent
    now, _ = unpack_versions(row.versions)
    kept = [each for each in inline if each in left and versions[each] == now[each]]
    if not kept:
        return []
    values = serde.loads_typed((kind, data))["channel_values"]
    return [NewValue(each, now[each], *_dump(serde, values[each], each)) for each in kept]


def encode_writes(
    serde: SerializerProtocol,
    config: RunnableConfig,
    writes: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
    run_id: str | None,
) -> list[WriteRow]:
    """Encode what a task wrote."""
    place = place_of(config)
    checkpoint_id: str = config["configurable"]["checkpoint_id"]
    return [
        WriteRow(
            *place,
            checkpoint_id,
            task_id,
            WRITES_IDX_MAP.get(channel, idx),
            task_path,
            channel,
            run_id,
            *_dump(serde, value, channel, task_id, task_path),
        )
        for idx, (channel, value) in enumerate(writes)
    ]


def is_small(value: Any) -> bool:
    """Tell whether a value is plain and short enough to stand in the checkpoint's row."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) <= _SMALL
    if kind is int:
        return bool(_SMALLEST_INTEGER <= value <= _LARGEST_INTEGER)
    return value is None or kind is bool or kind is float


def _dump(
    serde: SerializerProtocol, value: Any, channel: str, task_id: str = "", task_path: str = ""
) -> tuple[str, bytes]:
    try:
        return serde.dumps_typed(value)
    except Exception as exc:  # a user-defined type may refuse in any way
        raise TypeError(
            f"The value of channel '{channel}'{_written_by(task_id, task_path)} cannot be"
            f" stored in a checkpoint: {exc} (the value is of type"
            f" {type(value).__module__}.{type(value).__qualname__})"
        ) from exc


def _written_by(task_id: str, task_path: str) -> str:
    """Name the node of a task, whose path is `~__pregel_pull, <node>` for most."""
    if not task_id:
        return ""
    node = task_path.rpartition(", ")[2]
    return f", written by node '{node}'," if node else f", written by task {task_id},"
