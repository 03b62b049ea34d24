"""A thread's checkpoints as they travel between servers: what is stored, without where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The name of an encoding, and the bytes that it made of a value.
Blob: TypeAlias = tuple[str, bytes]
Version: TypeAlias = int | float | str
OnConflict: TypeAlias = Literal["fail", "skip", "replace"]
Outcome: TypeAlias = Literal["imported", "skipped", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedCheckpoint:
    """A checkpoint of any namespace, with the writes that followed it."""

    namespace: str
    checkpoint_id: str
    parent_id: str | None
    metadata: Mapping[str, Any]
    versions: Mapping[str, Version]
    #: The checkpoint without its versions and values.
    data: Blob
    #: Values of channels; those of one version are one object.
    values: Mapping[str, Blob]
    #: Task, channel, value; in the order in which they count.
    writes: Sequence[tuple[str, str, Blob]]
