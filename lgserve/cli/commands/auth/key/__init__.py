"""`lgserve auth key`: the API keys of a project's server."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "key",
    "API keys. They are kept in the project's data folder: run this where the server runs.",
    {
        "create": Entry(f"{__name__}.create", "Make a key for an owner; it is shown once."),
        "list": Entry(f"{__name__}.list", "List keys, without the keys themselves.", ("ls",)),
        "revoke": Entry(f"{__name__}.revoke", "Make a key open nothing, at once.", ("rm",)),
    },
)


@app.callback()
def _key(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
