"""`lgserve threads`: look at threads."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "threads",
    "List and show threads.",
    {
        "list": Entry(f"{__name__}.list", "List threads, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one thread: its last run, what it waits for."),
    },
)


@app.callback()
def _threads(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
