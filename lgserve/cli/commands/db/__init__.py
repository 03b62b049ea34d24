"""`lgserve db`: look after the database in the data folder."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "db",
    "The database in the data folder; status, check and backup also while a server runs.",
    {
        "status": Entry(f"{__name__}.status", "Show its size, schema, contents and holder."),
        "check": Entry(f"{__name__}.check", "Check that it is sound."),
        "backup": Entry(f"{__name__}.backup", "Copy it to a file."),
        "restore": Entry(f"{__name__}.restore", "Put a backup in its place."),
        "migrate": Entry(f"{__name__}.migrate", "Bring it to the newest schema."),
        "vacuum": Entry(f"{__name__}.vacuum", "Give back the space that nothing uses."),
    },
)


@app.callback()
def _db(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
