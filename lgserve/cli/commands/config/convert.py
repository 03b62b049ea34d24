"""`lgserve config convert`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.files import write_file
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import write
from lgserve.cli.project_options import ProjectSession, open_project
from lgserve.cli.server_options import translate
from lgserve.config_document import as_yaml, read_document, shown
from lgserve.core.errors import ConfigurationError
from lgserve.project_config import find_config

app = new_app("convert", "Write the config as YAML or JSON.")


@command(app, "convert", shared=open_project, translate=translate)
def convert(
    session: ProjectSession,
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The config file, or its folder. [.]")
    ] = None,
    to: Annotated[
        Literal["yaml", "json"] | None,
        typer.Option("--to", help="yaml or json. [by --file, else the other one]"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Write to this file, which must be new.")
    ] = None,
) -> None:
    """Write the config of a project as YAML or as JSON, with the same meaning.

    What a config extends is taken in. Comments are not.

    Example: lgserve config convert --to yaml -f langgraph.yaml
    """
    if path and session.config:
        raise usage_error(f"both {path} and --config {session.config} name a config file")
    found = find_config(Path.cwd(), path or session.config, ClientEnvironment.read().config)
    document = read_document(found.path.parent.resolve() / found.path.name)
    data = {key: value for key, value in document.data.items() if key != "extends"}
    kind = to or _kind_of(file) or ("yaml" if document.file.suffix == ".json" else "json")
    text = as_yaml(data) if kind == "yaml" else _as_json(data)
    if file is None:
        write(text)
        return
    if file.exists():
        raise CliError(
            f"{file} exists", code="E_CONFLICT", exit_code=ExitCode.CONFLICT,
            hint="name a new file, or move this one away",
        )  # fmt: skip
    write_file(file, text)
    session.out.note(f"{shown(document.file)} → {file}{_warning(document.file, file)}")


def _kind_of(file: Path | None) -> str | None:
    known = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
    return known.get(file.suffix.lower()) if file else None


def _as_json(data: Mapping[str, Any]) -> str:
    try:
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as exc:
        raise ConfigurationError("JSON has no infinity and no NaN; keep the YAML") from exc


def _warning(old: Path, new: Path) -> str:
    """Say which of two files in one folder is served."""
    if old.parent != new.absolute().parent:
        return ""
    served = new if new.suffix != ".json" else old
    return f"; with both there, {served.name} is served"
