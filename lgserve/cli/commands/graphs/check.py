"""`lgserve graphs check`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from lgserve.cli.commands.graphs.list import GRAPHS
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.local_graphs import LocalGraphs
from lgserve.cli.options import command
from lgserve.cli.output import Column
from lgserve.cli.project_options import ProjectSession, open_project

_CHECKED = replace(
    GRAPHS,
    columns=(
        Column(name="graph", path="graph"),
        Column(name="status", path="status"),
        Column(name="kind", path="kind"),
        Column(name="seconds", path="seconds", kind="number"),
        Column(name="path", path="path"),
    ),
)

app = new_app("check", "Import the graphs of this folder.")


@command(app, "check", shared=open_project)
def check_graphs(
    session: ProjectSession,
    graphs: Annotated[
        list[str] | None, typer.Argument(metavar="[GRAPH]...", help="Only these. [all]")
    ] = None,
) -> None:
    """Import and compile the graphs of this folder, without a server; exit with 3 if one fails.

    Of an error, only your own lines are shown.

    Example: lgserve graphs check
    """
    found = LocalGraphs(session.config)
    names = [found.named(name) for name in graphs or found.ids()]
    broken = [error for name in names if (error := found.error(name))]
    if broken:
        raise _failure(broken, len(names))
    rows = [found.row(name) for name in names]
    session.out.rows(_CHECKED, rows)
    session.out.note(f"{len(rows)} of {len(rows)} graphs import")


def _failure(broken: list[CliError], count: int) -> CliError:
    """Return the error of the only broken graph, or one that tells of all."""
    if len(broken) == 1:
        return broken[0]
    told = [
        "\n".join(filter(None, [one.message, one.details, one.hint and f"hint: {one.hint}"]))
        for one in broken
    ]
    return CliError(
        f"{len(broken)} of {count} graphs do not import",
        code="E_GRAPH",
        exit_code=ExitCode.PROJECT,
        details="\n".join(told),
        hint="correct them one by one: lgserve graphs check GRAPH",
    )
