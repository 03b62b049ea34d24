"""`lgserve assistants`: look at assistants, make and change them."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "assistants",
    "Assistants of a server: a graph with a configuration.",
    {
        "list": Entry(f"{__name__}.list", "List assistants, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one assistant, by its id, graph or name."),
        "create": Entry(f"{__name__}.create", "Make an assistant."),
        "update": Entry(f"{__name__}.update", "Change an assistant: makes a new version of it."),
        "versions": Entry(f"{__name__}.versions", "List the versions of an assistant."),
        "set-latest": Entry(f"{__name__}.set_latest", "Go back, or forward, to a version."),
        "graph": Entry(f"{__name__}.graph", "Show the nodes and edges of its graph."),
        "schemas": Entry(f"{__name__}.schemas", "Show what its graph takes and returns."),
        "delete": Entry(f"{__name__}.delete", "Delete assistants.", ("rm",)),
    },
)


@app.callback()
def _assistants(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
