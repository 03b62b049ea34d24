"""`lgserve threads history`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lgserve.cli.commands.threads.checkpoints import find_checkpoint_id, history_of
from lgserve.cli.commands.threads.tree import TREE, draw_tree
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column, Noun, Row, size, write
from lgserve.cli.shared_options import Everything, Metadata, ThreadId
from lgserve.cli.store_items import bytes_of

_SHOWN = 20


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
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="How many. [20, or all of a --tree]")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", help="Only those before this checkpoint.")
    ] = None,
    metadata: Metadata = None,
    everything: Everything = False,
    tree: Annotated[
        bool, typer.Option("--tree", help="Draw them from the oldest on, with forks and subgraphs.")
    ] = False,
) -> None:
    """List the checkpoints of a thread, the latest first: what runs next, and what that wrote.

    Example: lgserve threads history @last --tree
    """
    whole_id = find_thread_id(session.client, thread_id)
    wanted = parse_pairs("--metadata", metadata or [])
    if before:
        before = find_checkpoint_id(session.client, whole_id, before)
    shown = None if everything or (tree and limit is None) else limit or _SHOWN
    states = history_of(session.client, whole_id, metadata=wanted, before=before, limit=shown)
    rows = list(states)
    if tree:
        _show_tree(session, whole_id, rows)
    else:
        session.out.rows(HISTORY, rows)
    if shown is not None and len(rows) == shown:
        last = rows[-1]["checkpoint_id"]
        session.out.note(f"there may be more · next: --before {last}, or --all")


def _show_tree(session: Session, thread_id: str, states: list[dict[str, Any]]) -> None:
    """Draw the tree for people; for programs write its rows, which say what they descend from."""
    rows = draw_tree(states, lambda namespace: _subgraph(session, thread_id, namespace))
    if session.out.format != "table" or session.out.fields:
        drawn = ("text",)
        session.out.rows(TREE, [{k: v for k, v in row.items() if k not in drawn} for row in rows])
        return
    for row in rows:
        facts = [row["text"], session.out.time(row["created_at"])]
        write("  ".join(fact for fact in facts if fact) + "\n")


def _subgraph(session: Session, thread_id: str, namespace: str) -> list[dict[str, Any]]:
    return list(history_of(session.client, thread_id, namespace=namespace))
