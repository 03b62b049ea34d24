"""`lgserve webhooks`: what was delivered, and a receiver to try it with."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "webhooks",
    "Webhooks: what was delivered, and a receiver.",
    {
        "list": Entry(f"{__name__}.list", "List deliveries, the latest first.", ("ls",)),
        "show": Entry(f"{__name__}.show", "Show one delivery: its tries and its payload."),
        "redeliver": Entry(f"{__name__}.redeliver", "Deliver again, with the same id."),
        "listen": Entry(f"{__name__}.listen", "Receive webhooks on this machine and show them."),
    },
)


@app.callback()
def _webhooks(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
