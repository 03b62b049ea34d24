"""Asking before something is deleted; where nobody can answer, `--yes` must have been said."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, TypeAlias

import typer

from lgserve.cli.environment import ClientEnvironment
from lgserve.cli.errors import CliError, ExitCode, say

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def need_yes(*, yes: bool, arguments: tuple[str, ...], what: str = "this deletes data") -> None:
    """Refuse at once what nobody can be asked about; `what` says why it must be."""
    if yes or _can_ask():
        return
    again = shlex.join(["lgserve", *arguments, "--yes"])
    raise CliError(
        f"{what}, and nobody can be asked here",
        code="E_NOT_CONFIRMED",
        exit_code=ExitCode.USAGE,
        hint=f"to do it: {again}",
    )


def confirm(question: str, *, yes: bool, if_not: str = "nothing was deleted") -> None:
    """Ask on the terminal; everything but y and yes ends the command."""
    if yes:
        return
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        say(if_not)
        raise typer.Exit(ExitCode.FAILED)


def _can_ask() -> bool:
    environment = ClientEnvironment.read()
    return sys.stdin.isatty() and sys.stderr.isatty() and not environment.unattended
