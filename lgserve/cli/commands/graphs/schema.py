"""`lgserve graphs schema`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.graph_sources import Config, Graph, Local, open_graphs
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command

Part = Literal["input", "output", "state", "config", "context"]

app = new_app("schema", "Write the JSON schemas of one graph.")


@command(app, "schema", shared=open_session)
def show_schema(
    session: Session,
    graph: Graph,
    part: Annotated[
        Part | None,
        typer.Argument(metavar="[PART]", help="input, output, state, config or context. [all]"),
    ] = None,
    local: Local = False,
    config: Config = None,
) -> None:
    """Write the JSON schemas of one graph, or of one part of it; null is what cannot be described.

    Example: lgserve graphs schema agent input
    """
    schemas = open_graphs(session, local=local, config=config).schemas(graph)
    session.out.value(schemas if part is None else schemas.get(f"{part}_schema"))
