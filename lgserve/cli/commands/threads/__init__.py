"""`lgserve threads`: look at threads, make and delete them."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "threads",
    "Threads: their states and histories.",
    {
        "list": Entry(f"{__name__}.list", "List threads, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one thread: its last run, what it waits for."),
        "state": Entry(f"{__name__}.state", "Show the state of a thread, now or at a checkpoint."),
        "history": Entry(f"{__name__}.history", "List the checkpoints of a thread."),
        "create": Entry(f"{__name__}.create", "Make a thread."),
        "delete": Entry(f"{__name__}.delete", "Delete threads with all they hold.", ("rm",)),
    },
)


@app.callback()
def _threads(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
