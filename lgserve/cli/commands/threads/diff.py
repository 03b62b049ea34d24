"""`lgserve threads diff`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.commands.threads.checkpoints import State, find_checkpoint_id, state_at
from lgserve.cli.commands.threads.comparing import changes_between
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun, Row
from lgserve.cli.shared_options import ThreadId

_SHOWN = 120


def _with_shown_fields(row: Row) -> Row:
    return {**row, "was": _text(row, "before"), "is": _text(row, "after")}


CHANGES = Noun(
    id_field="channel",
    columns=(
        Column(name="channel", path="channel"),
        Column(name="change", path="change"),
        Column(name="item", path="item"),
        Column(name="before", path="was"),
        Column(name="after", path="is"),
    ),
    fields=("channel", "change", "item", "before", "after"),
    derive=_with_shown_fields,
)

app = new_app("diff", "Compare two checkpoints of a thread.")


@command(app, "diff", shared=open_session)
def diff_thread(
    session: Session,
    thread_id: ThreadId,
    first: Annotated[
        str | None,
        typer.Argument(metavar="[CP1]", help="Checkpoint. [the one before the other]"),
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="[CP2]", help="Checkpoint. [the latest]")
    ] = None,
) -> None:
    """Compare two checkpoints by channel and message; without any, what the last step changed.

    Lists of messages are compared message by message, by their ids.

    Example: lgserve threads diff @last
    """
    whole_id = find_thread_id(session.client, thread_id)
    after = _state(session, whole_id, second)
    before = _state(session, whole_id, first) if first else _parent(session, whole_id, after)
    changes = changes_between(before.get("values"), after.get("values"))
    if session.out.format in ("json", "yaml") and not session.out.fields:
        session.out.value(
            {"thread_id": whole_id, "from": _head(before), "to": _head(after), "changes": changes}
        )
        return
    session.out.rows(CHANGES, changes)
    if session.out.format == "table":
        session.out.note(f"{_named(before)} → {_named(after)}: {_counted(len(changes))}")


def _state(session: Session, thread_id: str, checkpoint: str | None) -> State:
    if checkpoint is None:
        return state_at(session.client, thread_id, None)
    checkpoint_id = find_checkpoint_id(session.client, thread_id, checkpoint)
    return state_at(session.client, thread_id, checkpoint_id)


def _parent(session: Session, thread_id: str, state: State) -> State:
    """Return the state before a state; before the first there was nothing."""
    if not state.get("checkpoint_id"):
        raise CliError(
            f"thread {thread_id} has no checkpoint", code="E_NOT_FOUND",
            exit_code=ExitCode.NOT_FOUND, hint="it has not run yet",
        )  # fmt: skip
    parent = state.get("parent_checkpoint") or {}
    parent_id = state.get("parent_checkpoint_id") or parent.get("checkpoint_id")
    return state_at(session.client, thread_id, parent_id) if parent_id else {}


def _head(state: State) -> dict[str, Any]:
    metadata = state.get("metadata") or {}
    return {
        "checkpoint_id": state.get("checkpoint_id"),
        "step": metadata.get("step"),
        "next": state.get("next"),
        "created_at": state.get("created_at"),
    }


def _named(state: State) -> str:
    head = _head(state)
    return f"{head['checkpoint_id']} (step {head['step']})" if head["checkpoint_id"] else "nothing"


def _text(row: Row, side: str) -> str:
    """Write a value in a cell: a message as who says what."""
    if side not in row or row[side] is None:
        return ""
    value = row[side]
    if isinstance(value, dict) and isinstance(value.get("type"), str) and "content" in value:
        text = f"{value['type']}: {_json(value['content'])}"
        if value.get("tool_calls"):
            text += f" calls {', '.join(str(c.get('name')) for c in value['tool_calls'])}"
    else:
        text = _json(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counted(changes: int) -> str:
    return f"{changes} change{'' if changes == 1 else 's'}"
