"""`lgserve runs`: look at runs."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "runs",
    "List and show runs.",
    {
        "list": Entry(f"{__name__}.list", "List runs, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one run: timings, input, error."),
    },
)


@app.callback()
def _runs(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
