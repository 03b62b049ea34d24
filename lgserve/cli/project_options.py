"""The options of commands about the project in a folder, and not about a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.output import Output
from lgserve.cli.shared_options import (
    Color,
    Config,
    Debug,
    Fields,
    OutputFormat,
    Quiet,
    settle_output,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSession:
    """What a command about a project works with."""

    config: Path | None
    out: Output


@contextmanager
def open_project(
    config: Config = None,
    output: OutputFormat = None,
    fields: Fields = None,
    color: Color = "auto",
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[ProjectSession]:
    """Settle on how to write."""
    out = settle_output(
        ClientEnvironment.read(), output=output, fields=fields, color=color, quiet=quiet
    )
    yield ProjectSession(config=config, out=out)
