"""`lgserve doctor`: is everything in order on this machine, in this project, at its server?"""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.checks import Check, check_machine, check_project, check_server
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun, write
from lgserve.cli.repairs import check_faults
from lgserve.cli.shared_options import Config

_MARKS = {"ok": ("✓", "32"), "warning": ("!", "33"), "failed": ("✗", "31")}
_CHECKS = Noun(
    id_field="check",
    columns=(
        Column(name="check", path="check"),
        Column(name="status", path="status"),
        Column(name="message", path="message"),
        Column(name="fix", path="fix"),
    ),
    fields=("check", "status", "message", "fix"),
)

app = new_app("doctor", "Check this machine, project and server.")


@command(app, "doctor", shared=open_session)
def examine(
    session: Session,
    config: Config = None,
    graphs: Annotated[bool, typer.Option("--import", help="Import every graph as well.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Put right what can be, without losing anything.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is a failure.")] = False,
) -> None:
    """Check this machine, the project in this folder and its server; exit with 8 if one fails.

    Example: lgserve doctor --fix
    """
    checks = [
        *check_machine(),
        *check_faults(config, fix=fix),  # first: what is mended is found well by the others
        *check_project(config, graphs=graphs),
        *check_server(session),
    ]
    if session.out.terminal and session.out.format == "table":
        write("".join(_lines(check, color=session.out.color) for check in checks))
    else:
        session.out.rows(_CHECKS, [check.to_json() for check in checks])
    failed, warned = (sum(c.status == status for c in checks) for status in ("failed", "warning"))
    session.out.note(f"{failed} failed, {warned} warnings, {len(checks) - failed - warned} ok")
    if failed or (strict and warned):
        raise typer.Exit(ExitCode.UNSOUND)


def _lines(check: Check, *, color: bool) -> str:
    mark, code = _MARKS[check.status]
    shown = f"\x1b[{code}m{mark}\x1b[0m" if color else mark
    fix = f"    fix: {check.fix}\n" if check.fix else ""
    return f"{shown} {check.message}\n{fix}"
