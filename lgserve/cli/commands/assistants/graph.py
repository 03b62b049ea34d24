"""`lgserve assistants graph`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lgserve.cli.commands.assistants.fields import AssistantId
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant_id
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

_EDGES = Noun(
    id_field="source",
    columns=(
        Column(name="from", path="source"),
        Column(name="to", path="target"),
        Column(name="kind", path="kind"),
        Column(name="when", path="data"),
    ),
    fields=("source", "target", "conditional", "data"),
    derive=lambda row: {**row, "kind": "conditional" if row.get("conditional") else "always"},
)

app = new_app("graph", "Show the nodes and edges of its graph.")


@command(app, "graph", shared=open_session)
def show_graph(
    session: Session,
    assistant: AssistantId,
    xray: Annotated[
        str | None, typer.Option("--xray", help="With the insides of subgraphs: true, or how deep.")
    ] = None,
) -> None:
    """Show the edges of an assistant's graph; -o json writes the whole drawing.

    Example: lgserve assistants graph agent --xray true -o json
    """
    if xray is not None and xray not in ("true", "false") and not xray.isdecimal():
        raise usage_error(f"--xray {xray!r} is neither true nor a number")
    assistant_id = find_assistant_id(session.client, assistant)
    drawing = session.client.get(f"/assistants/{assistant_id}/graph", {"xray": xray})
    if session.out.format in ("json", "jsonl", "yaml") and not session.out.fields:
        session.out.value(drawing)
        return
    if session.out.format == "id":
        session.out.rows(_NODES, drawing["nodes"])
        return
    session.out.rows(_EDGES, drawing["edges"])
    session.out.note(_counted(drawing))


_NODES = Noun(
    id_field="id", columns=(Column(name="node", path="id"),), fields=("id", "type", "data")
)


def _counted(drawing: dict[str, Any]) -> str:
    return f"{len(drawing['nodes'])} nodes, {len(drawing['edges'])} edges"
