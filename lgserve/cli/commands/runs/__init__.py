"""`lgserve runs`: look at runs, start, follow and cancel them."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "runs",
    "Runs: start, follow and cancel them.",
    {
        "list": Entry(f"{__name__}.list", "List runs, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one run: timings, input, error."),
        "start": Entry(f"{__name__}.start", "Start a run: wait for it, stream it, or leave it."),
        "stream": Entry(f"{__name__}.stream", "Follow a run: what it has said, and what comes."),
        "cancel": Entry(f"{__name__}.cancel", "Cancel runs."),
    },
)


@app.callback()
def _runs(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
