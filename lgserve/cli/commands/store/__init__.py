"""`lgserve store`: the items that graphs and people keep."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "store",
    "Items that graphs and people keep. Namespaces are written with dots: users.42.prefs.",
    {
        "put": Entry(f"{__name__}.put", "Write an item."),
        "get": Entry(f"{__name__}.get", "Show an item, or its value, or a part of that."),
        "delete": Entry(f"{__name__}.delete", "Delete items.", ("rm",)),
        "list": Entry(f"{__name__}.list", "List the items of a namespace.", ("ls",)),
        "search": Entry(f"{__name__}.search", "Find items by meaning, value or metadata."),
        "namespaces": Entry(f"{__name__}.namespaces", "List the namespaces.", ("ns",)),
        "export": Entry(f"{__name__}.export", "Write items to a file, as JSON lines."),
        "import": Entry(f"{__name__}.load", "Read items from such a file."),
        "stats": Entry(f"{__name__}.stats", "Count items and bytes."),
    },
)


@app.callback()
def _store(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
