"""`lgserve config validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.config_problems import Problem, check_project, import_graphs
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun
from lgserve.cli.project_options import ProjectSession, open_project
from lgserve.cli.server_options import translate

_PROBLEMS = Noun(
    id_field="place",
    columns=(
        Column(name="place", path="place"),
        Column(name="level", path="level", kind="status"),
        Column(name="problem", path="message"),
    ),
    fields=("place", "level", "message", "hint"),
)

app = new_app("validate", "Check the config.")


@command(app, "validate", shared=open_project, translate=translate)
def validate(
    session: ProjectSession,
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The config file, or its folder. [.]")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is a failure.")] = False,
    graphs: Annotated[bool, typer.Option("--import", help="Import every graph as well.")] = False,
) -> None:
    """Check the config of a project, and say all that is wrong; exit with 3 if something is."""
    if path and session.config:
        raise usage_error(f"both {path} and --config {session.config} name a config file")
    file, problems, settings = check_project(path or session.config)
    if graphs and settings is not None:
        problems += import_graphs(settings)
    errors = _count(problems, "error")
    warnings = _count(problems, "warning")
    if errors or (strict and warnings):
        raise _failure(file, problems, errors, warnings)
    if problems or session.out.format != "table":
        session.out.rows(_PROBLEMS, [problem.to_json() for problem in problems])
    session.out.note(f"{file} is valid" + (f", {_plural(warnings, 'warning')}" if warnings else ""))


def _failure(file: str, problems: list[Problem], errors: int, warnings: int) -> CliError:
    """Return the error that names all problems; a single one is the sentence itself."""
    told = [problem for problem in problems if problem.level != "note"]
    if len(told) == 1:
        first = told[0]
        return CliError(
            f"{first.place}: {first.message}" if first.place else first.message,
            code="E_CONFIG", exit_code=ExitCode.PROJECT, hint=first.hint, details=first.details,
        )  # fmt: skip
    lines = [
        f"{problem.place}: {problem.level}: {problem.message}"
        + (f"\n  hint: {problem.hint}" if problem.hint else "")
        for problem in told
    ]
    return CliError(
        f"{file}: {_plural(errors, 'error')}, {_plural(warnings, 'warning')}",
        code="E_CONFIG",
        exit_code=ExitCode.PROJECT,
        details="\n".join(lines),
    )


def _count(problems: list[Problem], level: str) -> int:
    return sum(problem.level == level for problem in problems)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
