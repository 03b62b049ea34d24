"""The options of commands about the project in a folder, and not about a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.context import default_format
from lgserve.cli.environment import ClientEnvironment, ColorChoice
from lgserve.cli.output import Format, Output


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSession:
    """What a command about a project works with."""

    config: Path | None
    out: Output


@contextmanager
def open_project(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Config file or its folder. [env: LGSERVE_CONFIG]"),
    ] = None,
    output: Annotated[
        Format | None, typer.Option("--output", "-o", help="How to write. [env: LGSERVE_OUTPUT]")
    ] = None,
    fields: Annotated[str | None, typer.Option("--fields", help="Only these fields: a,b.c")] = None,
    color: Annotated[ColorChoice, typer.Option("--color", help="Colour.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[ProjectSession]:
    """Settle on how to write."""
    environment = ClientEnvironment.read()
    out = Output(
        format=output or default_format(environment),
        fields=tuple(name.strip() for name in (fields or "").split(",") if name.strip()),
        color=environment.wants_color(color, sys.stdout),
        terminal=sys.stdout.isatty(),
        quiet=quiet,
    )
    yield ProjectSession(config=config, out=out)
