"""`lgserve threads history`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column, Noun, Row, size
from lgserve.cli.shared_options import Everything, Limit, Metadata, ThreadId
from lgserve.cli.store_items import bytes_of

_PAGE = 100


def _with_shown_fields(state: Row) -> Row:
    metadata, tasks = state.get("metadata") or {}, state.get("tasks") or ()
    return {
        **state,
        "step": metadata.get("step"),
        "source": metadata.get("source"),
        "nodes": ", ".join(state.get("next") or ()),
        "keys": ", ".join(dict.fromkeys(key for task in tasks for key in task.get("result") or ())),
        "size": size(bytes_of(state.get("values"))),
    }


HISTORY = Noun(
    id_field="checkpoint_id",
    columns=(
        Column(name="checkpoint", path="checkpoint_id"),
        Column(name="step", path="step", kind="number"),
        Column(name="source", path="source"),
        Column(name="next", path="nodes"),
        Column(name="wrote", path="keys"),
        Column(name="size", path="size", kind="number"),
        Column(name="created", path="created_at", kind="time"),
    ),
    fields=(
        "values", "next", "tasks", "metadata", "created_at", "checkpoint", "parent_checkpoint",
        "interrupts", "checkpoint_id", "parent_checkpoint_id",
    ),
    derive=_with_shown_fields,
)  # fmt: skip

app = new_app("history", "List the checkpoints of a thread.")


@command(app, "history", shared=open_session)
def list_history(
    session: Session,
    thread_id: ThreadId,
    limit: Limit = 20,
    before: Annotated[
        str | None, typer.Option("--before", help="Only those before this checkpoint.")
    ] = None,
    metadata: Metadata = None,
    everything: Everything = False,
) -> None:
    """List the checkpoints of a thread, the latest first: what runs next, and what that wrote."""
    whole_id = find_thread_id(session.client, thread_id)
    wanted = parse_pairs("--metadata", metadata or [])
    rows = _read(session, whole_id, wanted, before, None if everything else limit)
    session.out.rows(HISTORY, rows)
    if not everything and len(rows) == limit:
        last = rows[-1]["checkpoint_id"]
        session.out.note(f"there may be more · next: --before {last}, or --all")


def _read(
    session: Session,
    thread_id: str,
    metadata: dict[str, Any],
    before: str | None,
    limit: int | None,
) -> list[dict[str, Any]]:
    """Read page by page, each page before the last checkpoint of the one before it."""
    rows: list[dict[str, Any]] = []
    while limit is None or len(rows) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(rows))
        body: dict[str, Any] = {"limit": size}
        if metadata:
            body["metadata"] = metadata
        if before:
            # The one form that every server takes.
            body["before"] = {"configurable": {"checkpoint_id": before}}
        page = session.client.query(f"/threads/{thread_id}/history", body)
        rows += page
        if len(page) < size:
            break
        before = page[-1]["checkpoint_id"]
    return rows
