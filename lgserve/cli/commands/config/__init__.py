"""`lgserve config`: the project's config."""

from __future__ import annotations

import typer

from lgserve.cli.lazy import Entry, new_app, show_help_without_command

app = new_app(
    "config",
    "The project's config: check it, show it.",
    {
        "validate": Entry(f"{__name__}.validate", "Check the config, and say all that is wrong."),
        "show": Entry(f"{__name__}.show", "Show every setting, and where it comes from."),
        "convert": Entry(f"{__name__}.convert", "Write it as YAML or JSON."),
        "schema": Entry(f"{__name__}.schema", "Write the JSON Schema of the config."),
    },
)


@app.callback()
def _config(ctx: typer.Context) -> None:
    show_help_without_command(ctx)
