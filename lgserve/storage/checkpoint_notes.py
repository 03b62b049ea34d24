"""What units of work do to checkpoints, noted for a saver that keeps them elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointNote:
    """Threads, or with `delete_runs` runs: a copy is from the first to the second."""

    kind: Literal["copy", "prune", "delete_thread", "delete_runs"]
    ids: tuple[str, ...]


class _Here(threading.local):
    """Where this thread notes: units of work run on the writer's thread."""

    notes: list[CheckpointNote] | None = None


_here = _Here()


@contextmanager
def noting(notes: list[CheckpointNote]) -> Iterator[None]:
    """Collect what the unit of work within does."""
    _here.notes = notes
    try:
        yield
    finally:
        _here.notes = None


def note(kind: Literal["copy", "prune", "delete_thread", "delete_runs"], *ids: str) -> None:
    """Note something, where anybody wants to know."""
    if _here.notes is not None:
        _here.notes.append(CheckpointNote(kind=kind, ids=ids))
