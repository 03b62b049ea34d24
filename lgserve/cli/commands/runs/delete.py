"""`lgserve runs delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, report
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, Row, find_run
from lgserve.cli.options import JSON_FORMATS, command
from lgserve.cli.output import Column, Noun
from lgserve.cli.shared_options import ThreadOfRun

_DELETED = Noun(
    id_field="run_id",
    columns=(
        Column(name="deleted", path="run_id"),
        Column(name="thread", path="thread_id"),
        Column(name="was", path="status"),
    ),
    fields=("run_id", "thread_id", "status"),
)

app = new_app("delete", "Delete runs.")


@command(app, "delete", shared=open_session)
def delete_runs(
    session: Session,
    run_ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Run ids, at least 6 first characters, or @last."),
    ],
    thread: ThreadOfRun = None,
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="A run that is not there is no failure.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which would be deleted.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete runs with their checkpoints; a run that goes on is stopped first.

    Example: lgserve runs delete @last --yes
    """
    if not dry_run:
        need_yes(yes=yes, arguments=session.arguments)
    missing: list[CliError] = []
    found = {run["run_id"]: run for t in run_ids for run in _find(session, t, thread, missing)}
    if missing and not ignore_missing:
        for error in missing[:-1]:
            report(error, as_json=session.out.format in JSON_FORMATS)
        raise missing[-1]
    rows = [{name: run.get(name) for name in _DELETED.fields} for run in found.values()]
    if dry_run:
        session.out.rows(_DELETED, rows)
        session.out.note(f"--dry-run: {len(rows)} would be deleted")
        return
    if rows:
        named = rows[0]["run_id"] if len(rows) == 1 else f"{len(rows)} runs"
        confirm(f"delete {named} with what it wrote into its thread's history?", yes=yes)
    for row in rows:
        session.client.delete(f"/threads/{row['thread_id']}/runs/{row['run_id']}")
    session.out.rows(_DELETED, rows)


def _find(session: Session, text: str, thread: str | None, missing: list[CliError]) -> list[Row]:
    try:
        return [find_run(session.client, text, thread, RECENT_THREADS)]
    except CliError as exc:
        if exc.exit_code is not ExitCode.NOT_FOUND:
            raise
        missing.append(exc)
        return []
