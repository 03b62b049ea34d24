"""`lgserve threads update`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lgserve.cli.arguments import read_json
from lgserve.cli.commands.threads.checkpoints import find_checkpoint_id
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column, Noun
from lgserve.cli.shared_options import Metadata, ThreadId

_UPDATED = Noun(
    id_field="checkpoint_id",
    columns=(
        Column(name="thread", path="thread_id", kind="id"),
        Column(name="checkpoint", path="checkpoint_id"),
    ),
    fields=("thread_id", "checkpoint_id", "checkpoint", "metadata"),
)

app = new_app("update", "Write to the state of a thread.")


@command(app, "update", shared=open_session)
def update_thread(
    session: Session,
    thread_id: ThreadId,
    values: Annotated[
        str | None, typer.Option("--values", help="What to write: JSON, @file, or - for stdin.")
    ] = None,
    as_node: Annotated[
        str | None, typer.Option("--as-node", help="As if this node had written it.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", help="On top of this checkpoint: a fork. [the latest]"),
    ] = None,
    metadata: Metadata = None,
) -> None:
    """Write to the state of a thread as a node would: reducers apply, and a checkpoint is made.

    --metadata is merged into the thread's metadata, with --values or alone.

    Example: lgserve threads update @last --values '{"approved": true}' --as-node review
    """
    if values is None and (metadata is None or as_node or checkpoint):
        raise usage_error("--values is missing", "give JSON, @file, or - for standard input")
    written = None if values is None else read_json(values, "--values")
    pairs = parse_pairs("--metadata", metadata or [])
    whole_id = find_thread_id(session.client, thread_id)
    made: dict[str, Any] = {"thread_id": whole_id, "checkpoint_id": None}
    if values is not None:
        made |= _write(session, whole_id, written, as_node, checkpoint)
    if pairs:
        body = {"metadata": pairs}
        thread = session.client.patch(f"/threads/{whole_id}", body)
        made["metadata"] = thread.get("metadata")
    lines = [("thread", whole_id), ("checkpoint", str(made["checkpoint_id"] or ""))]
    session.out.item(_UPDATED, made, [(label, text) for label, text in lines if text])


def _write(
    session: Session, thread_id: str, values: Any, as_node: str | None, checkpoint: str | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"values": values}
    if as_node:
        body["as_node"] = as_node
    if checkpoint:
        body["checkpoint_id"] = find_checkpoint_id(session.client, thread_id, checkpoint)
    made = session.client.post(f"/threads/{thread_id}/state", body)
    known = made.get("checkpoint") or made.get("configurable") or {}
    return {**made, "checkpoint_id": made.get("checkpoint_id") or known.get("checkpoint_id")}
