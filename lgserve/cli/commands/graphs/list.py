"""`lgserve graphs list`."""

from __future__ import annotations

from lgserve.cli.context import Session, open_session
from lgserve.cli.graph_sources import Config, Local, open_graphs
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

GRAPHS = Noun(
    id_field="graph",
    columns=(
        Column(name="graph", path="graph"),
        Column(name="status", path="status", kind="status"),
        Column(name="assistants", path="assistants", kind="number"),
        Column(name="path", path="path"),
        Column(name="description", path="description"),
        Column(name="error", path="error"),
    ),
    fields=(
        "graph", "status", "assistants", "assistant_id", "path", "seconds", "kind", "description",
        "error",
    ),
)  # fmt: skip

app = new_app("list", "List the graphs.")


@command(app, "list", shared=open_session)
def list_graphs(session: Session, local: Local = False, config: Config = None) -> None:
    """List the graphs of a server, or with --local those of the project in this folder.

    Example: lgserve graphs list --local
    """
    session.out.rows(GRAPHS, open_graphs(session, local=local, config=config).rows())
