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
        "why": Entry(f"{__name__}.why", "Say what a run waits for."),
        "start": Entry(f"{__name__}.start", "Start a run: wait for it, stream it, or leave it."),
        "stream": Entry(f"{__name__}.stream", "Follow a run: what it has said, and what comes."),
        "join": Entry(f"{__name__}.join", "Wait for the result of a run."),
        "tail": Entry(f"{__name__}.tail", "Follow the runs of a thread, or of the whole server."),
        "replay": Entry(f"{__name__}.replay", "Run the same input again, and compare."),
        "cancel": Entry(f"{__name__}.cancel", "Cancel runs."),
        "delete": Entry(f"{__name__}.delete", "Delete runs with their checkpoints.", ("rm",)),
    },
)


@app.callback()
def _runs(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
