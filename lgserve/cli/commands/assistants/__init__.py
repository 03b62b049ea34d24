"""`lgserve assistants`: look at assistants."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "assistants",
    "Assistants of a server: a graph with a configuration.",
    {
        "list": Entry(f"{__name__}.list", "List assistants, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one assistant, by its id, graph or name."),
    },
)


@app.callback()
def _assistants(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
