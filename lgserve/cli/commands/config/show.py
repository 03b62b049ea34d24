"""`lgserve config show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun
from lgserve.cli.project_options import ProjectSession, open_project
from lgserve.cli.server_options import translate
from lgserve.config_document import shown
from lgserve.settings import ServerFlags, Settings, load_settings, settings_table

_SETTINGS = Noun(
    id_field="name",
    columns=(Column(name="name", path="name"), Column(name="value", path="value")),
    fields=("name", "value", "source"),
)
_WITH_SOURCES = replace(
    _SETTINGS, columns=(*_SETTINGS.columns, Column(name="source", path="source"))
)

app = new_app("show", "Show every setting.")


@command(app, "show", shared=open_project, translate=translate)
def show_config(
    session: ProjectSession,
    sources: Annotated[
        bool, typer.Option("--sources", help="Say where each value comes from.")
    ] = False,
) -> None:
    """Show what a server of this project would be told; secrets are left out."""
    settings = load_settings(ServerFlags(config=session.config))
    rows = [*_project(settings), *_settings(settings)]
    session.out.rows(_WITH_SOURCES if sources else _SETTINGS, rows)


def _project(settings: Settings) -> Iterator[dict[str, Any]]:
    project = settings.project
    file = shown(project.path)
    yield _row("config", file, project.found_how)
    yield _row("graphs", {spec.graph_id: spec.path for spec in project.graphs.values()}, file)
    yield _row("dependencies", list(project.dependencies), file)
    # Their values may be secrets.
    yield _row("env", sorted(project.env), file)
    yield _row("auth", settings.auth.type, "default" if settings.auth.type == "none" else file)


def _settings(settings: Settings) -> Iterator[dict[str, Any]]:
    for name in (doc.name for doc in settings_table()):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        yield _row(name, _plain(value), settings.origins.get(name, "default"))


def _row(name: str, value: Any, source: str) -> dict[str, Any]:
    return {"name": name, "value": value, "source": source}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return shown(value) if isinstance(value, Path) else value
