"""`lgserve crons`: look at crons, make, change, fire and delete them."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "crons",
    "Crons: runs that recur by a schedule.",
    {
        "list": Entry(f"{__name__}.list", "List crons, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one cron and its last firings."),
        "create": Entry(f"{__name__}.create", "Let an assistant run by a schedule."),
        "update": Entry(f"{__name__}.update", "Change a cron."),
        "pause": Entry(f"{__name__}.pause", "Let crons fire no more, until they are resumed."),
        "resume": Entry(f"{__name__}.resume", "Let paused crons fire again."),
        "trigger": Entry(f"{__name__}.trigger", "Fire a cron now, beside its schedule."),
        "next": Entry(f"{__name__}.next", "Foretell the firings of a cron, or of a schedule."),
        "delete": Entry(f"{__name__}.delete", "Delete crons; their runs stay.", ("rm",)),
    },
)


@app.callback()
def _crons(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
