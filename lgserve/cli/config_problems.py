"""All that is wrong with a project's config; the loader itself stops at the first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lgserve.cli.environment import ClientEnvironment
from lgserve.config_document import Document, did_you_mean, read_document, shown
from lgserve.core.errors import ConfigurationError
from lgserve.graph_paths import read_graph
from lgserve.project_config import IGNORED_KEYS, SERVED_KEYS, find_config
from lgserve.settings import ServerFlags, Settings, load_settings

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to say about a config."""

    place: str
    level: Level
    message: str
    hint: str | None = None
    details: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as a row."""
        row = asdict(self)
        return row if self.details else {k: v for k, v in row.items() if k != "details"}


def check_project(named: Path | None) -> tuple[str, list[Problem], Settings | None]:
    """Return the config's name, what is wrong with it, and what it settles if nothing is.

    Raises ConfigurationError when there is no config, or none that can be read.
    """
    found = find_config(Path.cwd(), named, ClientEnvironment.read().config)
    document = read_document(found.path.parent.resolve() / found.path.name)
    problems = [*_unknown_keys(document), *_graphs(document)]
    try:
        settings = load_settings(ServerFlags(config=found.path))
    except ConfigurationError as exc:
        first = _problem(exc.message, "error", exc.hint)
        if first not in problems:
            problems.append(first)
        return shown(document.file), problems, None
    problems += [_problem(text, "warning") for text in settings.project.warnings]
    problems += [
        Problem(
            place=document.where(key).removesuffix(f": {key}"),
            level="note",
            message=f"{key} is for building images, without effect here",
        )
        for key in settings.project.ignored_keys
    ]
    return shown(document.file), problems, settings


def import_graphs(settings: Settings) -> list[Problem]:
    """Import every graph in this process, and return what is wrong with those that fail."""
    # Two seconds of imports, only for those who ask for it.
    from lgserve.cli.project_graphs import import_project
    from lgserve.settings import export_environment

    project = settings.project
    export_environment(project)
    return [
        Problem(
            place=project.where("graphs", graph_id),
            level="error",
            message=f"does not import: {error.summary}",
            hint=error.hint,
            details=error.text,
        )
        for graph_id, error in import_project(project).errors().items()
    ]


def _unknown_keys(document: Document) -> list[Problem]:
    return [
        _problem(
            f'{document.where(key).removesuffix(f": {key}")}: unknown key "{key}"'
            f"{did_you_mean(key, SERVED_KEYS, IGNORED_KEYS)}",
            "error",
        )
        for key in document.data
        if key not in {*SERVED_KEYS, *IGNORED_KEYS} and not key.startswith(("$", "x-"))
    ]


def _graphs(document: Document) -> list[Problem]:
    graphs = document.data.get("graphs")
    problems = []
    for graph_id in graphs if isinstance(graphs, dict) else ():
        try:
            read_graph(document, graph_id)
        except ConfigurationError as exc:
            problems.append(_problem(exc.message, "error", exc.hint))
    return problems


def _problem(text: str, level: Level, hint: str | None = None) -> Problem:
    """Take a sentence of the loader apart: it starts with the place, if it has one."""
    place, colon, message = text.partition(": ")
    if colon and (", line " in place or place.endswith((".yaml", ".yml", ".json"))):
        return Problem(place=place, level=level, message=message, hint=hint)
    return Problem(place="", level=level, message=text, hint=hint)
