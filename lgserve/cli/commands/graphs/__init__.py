"""`lgserve graphs`: what graphs there are, and what they look like."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "graphs",
    "Graphs: list, show and draw them, of a server or (--local) of this folder.",
    {
        "list": Entry(f"{__name__}.list", "List the graphs.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one graph: its nodes, edges and state."),
        "draw": Entry(f"{__name__}.draw", "Draw one graph: as text, Mermaid or SVG."),
        "schema": Entry(f"{__name__}.schema", "Write the JSON schemas of one graph."),
        "check": Entry(f"{__name__}.check", "Import the graphs of this folder, without a server."),
    },
)


@app.callback()
def _graphs(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
