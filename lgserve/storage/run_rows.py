"""Runs as rows: their columns, and what the end of one says of its thread."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from lgserve.core.models import Json, Run, Settlement
from lgserve.storage.filters import Where
from lgserve.storage.threads import kept_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lgserve.storage.seals import Seals

COLUMNS = (
    "run_id, thread_id, assistant_id, graph_id, status, metadata, kwargs, multitask_strategy,"
    " created_at, updated_at, due_at, attempt, epoch, cancel_action, cancel_reason, error,"
    " checkpoint_id, temporary, resumable, user"
)
#: The values of a run in the order of the columns, which are named as its members.
parameters_of = attrgetter(*COLUMNS.replace(" ", "").split(","))
QUALIFIED = ", ".join(f"runs.{name.strip()}" for name in COLUMNS.split(","))


def of_thread(thread_id: str, status: str | None, metadata: Mapping[str, Any] | None) -> Where:
    """Return the condition that runs are of a thread, with a status and metadata if given."""
    where = Where(["thread_id = ?"], [thread_id])
    if status is not None:
        where.add("status = ?", status)
    where.add_contains("metadata", metadata)
    return where


def left_state(end: Settlement, now: str, seals: Seals) -> dict[str, Any]:
    """Return the columns of a thread that a run's end changes; what it does not say stays."""
    columns: dict[str, Any] = {}
    if end.error is not None or end.has_next is not None:
        columns["error"] = seals.seal_json("thread", "error", end.error)
    if end.values is not None:
        columns["values"], columns["values_in_state"] = kept_values(end.values, seals)
    if end.interrupts is not None:
        columns["interrupts"] = seals.seal_json("thread", "interrupts", end.interrupts)
    if end.values is not None or end.interrupts is not None:
        columns["state_updated_at"] = now
    return columns


def run_of(row: tuple[Any, ...], seals: Seals) -> Run:
    """Return the run of a row."""
    return Run(
        run_id=row[0],
        thread_id=row[1],
        assistant_id=row[2],
        graph_id=row[3],
        status=row[4],
        metadata=Json(row[5]),
        kwargs=Json(seals.open("run", "kwargs", row[6])),
        multitask_strategy=row[7],
        created_at=row[8],
        updated_at=row[9],
        due_at=row[10],
        attempt=row[11],
        epoch=row[12],
        cancel_action=row[13],
        cancel_reason=row[14],
        error=seals.open_json("run", "error", row[15]),
        checkpoint_id=row[16],
        temporary=bool(row[17]),
        resumable=bool(row[18]),
        user=seals.open_json("run", "user", row[19]),
    )
