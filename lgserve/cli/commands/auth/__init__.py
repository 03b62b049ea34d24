"""`lgserve auth`: who may call."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "auth",
    "Who may call: the keys of a project's server.",
    {"key": Entry(f"{__name__}.key", "Make, list and revoke API keys.", ("keys",))},
)


@app.callback()
def _auth(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
