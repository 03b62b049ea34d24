"""`lgserve threads state`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import raw, value_at
from lgserve.cli.commands.threads.checkpoints import find_checkpoint_id, no_checkpoint
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.output import Noun, write
from lgserve.cli.shared_options import ThreadId

_STATE = Noun(
    id_field="checkpoint_id",
    columns=(),
    fields=(
        "values", "next", "tasks", "metadata", "created_at", "checkpoint", "parent_checkpoint",
        "interrupts", "checkpoint_id", "parent_checkpoint_id",
    ),
)  # fmt: skip

app = new_app("state", "Show the state of a thread.")


@command(app, "state", shared=open_session)
def show_state(
    session: Session,
    thread_id: ThreadId,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="As it was at this checkpoint.")
    ] = None,
    subgraphs: Annotated[
        bool, typer.Option("--subgraphs", help="With the states of subgraphs.")
    ] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Only this part of the values: a.b[0].")
    ] = None,
    only_values: Annotated[
        bool, typer.Option("--raw", help="Only the values; a text without quotes.")
    ] = False,
) -> None:
    """Show the state of a thread, now or at a checkpoint."""
    whole_id = find_thread_id(session.client, thread_id)
    path = f"/threads/{whole_id}/state"
    path += f"/{find_checkpoint_id(session.client, whole_id, checkpoint)}" if checkpoint else ""
    state = session.client.get(path, {"subgraphs": "true" if subgraphs else None})
    if checkpoint and not state.get("metadata"):  # the reference answers an empty state
        raise no_checkpoint(whole_id, checkpoint)
    value = value_at(state["values"], key) if key else state["values"]
    if only_values:
        write(f"{raw(value)}\n")
    elif key:
        session.out.value(value)
    else:
        session.out.item(_STATE, state, _lines(session, state))


def _lines(session: Session, state: dict[str, Any]) -> list[tuple[str, str]]:
    metadata = state.get("metadata") or {}
    lines = [
        ("checkpoint", str(state.get("checkpoint_id") or "")),
        ("created", session.out.time(state.get("created_at"))),
        ("step", str(metadata.get("step", ""))),
        ("source", str(metadata.get("source", ""))),
        ("next", ", ".join(state.get("next") or ())),
        *(("waits for", _interrupt(item)) for item in state.get("interrupts") or ()),
        *(("error", f"{task['name']}: {task['error']}") for task in _failed(state)),
        *_values(state.get("values")),
    ]
    return [(label, text) for label, text in lines if text]


def _failed(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for task in state.get("tasks") or () if task.get("error")]


def _interrupt(item: dict[str, Any]) -> str:
    return f"{_text(item.get('value'))}  (interrupt {item.get('id')})"


def _values(values: object) -> list[tuple[str, str]]:
    if isinstance(values, dict) and values:
        return [(f"values.{key}", _text(value)) for key, value in values.items()]
    return [("values", _text(values))]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
