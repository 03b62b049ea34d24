"""`lgserve assistants list`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import search_assistants
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column, Noun
from lgserve.cli.paging import how_many
from lgserve.cli.shared_options import Everything, Limit, Metadata, Offset, Order

Sort = Literal["created_at", "updated_at", "name", "graph_id", "assistant_id"]

ASSISTANTS = Noun(
    id_field="assistant_id",
    columns=(
        Column(name="id", path="assistant_id", kind="id"),
        Column(name="graph", path="graph_id"),
        Column(name="name", path="name"),
        Column(name="version", path="version", kind="number"),
        Column(name="updated", path="updated_at", kind="time"),
        Column(name="metadata", path="metadata"),
    ),
    fields=(
        "assistant_id", "graph_id", "config", "context", "metadata", "name", "created_at",
        "updated_at", "version", "description",
    ),
)  # fmt: skip

app = new_app("list", "List assistants.")


@command(app, "list", shared=open_session)
def list_assistants(
    session: Session,
    graph: Annotated[str | None, typer.Option("--graph", help="Only of this graph.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only with this in the name.")] = None,
    metadata: Metadata = None,
    sort: Annotated[Sort, typer.Option("--sort", help="What to sort by.")] = "created_at",
    order: Order = "desc",
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
) -> None:
    """List assistants, the latest first."""
    question: dict[str, Any] = {
        "graph_id": graph,
        "name": name,
        "metadata": parse_pairs("--metadata", metadata or []),
    }
    question = {key: value for key, value in question.items() if value}
    body = {**question, "sort_by": sort, "sort_order": order}
    count = None if everything else limit
    rows = list(search_assistants(session.client, body, offset=offset, limit=count))
    session.out.rows(ASSISTANTS, rows)
    if session.out.format == "table":
        total = session.client.count("/assistants/count", question)
        session.out.note(how_many(len(rows), total, offset, "lgserve assistants list "))
