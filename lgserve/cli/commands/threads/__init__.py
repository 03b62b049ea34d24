"""`lgserve threads`: look at threads, change them, answer them, move them."""

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
        "history": Entry(f"{__name__}.history", "List the checkpoints of a thread, or draw them."),
        "diff": Entry(f"{__name__}.diff", "Compare two checkpoints of a thread."),
        "interrupts": Entry(f"{__name__}.interrupts", "List what threads wait for."),
        "resume": Entry(f"{__name__}.resume", "Answer what a thread waits for, and let it go on."),
        "update": Entry(f"{__name__}.update", "Write to the state of a thread."),
        "create": Entry(f"{__name__}.create", "Make a thread."),
        "copy": Entry(f"{__name__}.copy", "Make a thread that stands where another one does."),
        "watch": Entry(f"{__name__}.watch", "Follow all that happens on a thread."),
        "storage": Entry(f"{__name__}.storage", "Show what a thread takes in the database."),
        "export": Entry(f"{__name__}.export", "Write threads with all checkpoints into a file."),
        "import": Entry(f"{__name__}.load", "Read threads from such a file."),
        "prune": Entry(f"{__name__}.prune", "Delete old threads, or checkpoints but the latest."),
        "delete": Entry(f"{__name__}.delete", "Delete threads with all they hold.", ("rm",)),
    },
)


@app.callback()
def _threads(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
