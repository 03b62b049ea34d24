"""`lgserve assistants delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, report
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant
from lgserve.cli.options import JSON_FORMATS, command
from lgserve.cli.output import Column, Noun

_DELETED = Noun(
    id_field="assistant_id",
    columns=(Column(name="deleted", path="assistant_id"), Column(name="name", path="name")),
    fields=("assistant_id", "name", "graph_id"),
)

app = new_app("delete", "Delete assistants.")


@command(app, "delete", shared=open_session)
def delete_assistants(
    session: Session,
    assistants: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Ids, 6 first characters of them, or names."),
    ],
    threads: Annotated[
        bool, typer.Option("--threads", help="With the threads whose last run was of it.")
    ] = False,
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="One that is not there is no failure.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which would be deleted.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete assistants with their versions; their runs are cancelled.

    Example: lgserve assistants delete Terse --yes
    """
    if not dry_run:
        need_yes(yes=yes, arguments=session.arguments)
    missing: list[CliError] = []
    found = {a["assistant_id"]: a for t in assistants for a in _find(session, t, missing)}
    rows = [
        {name: a.get(name) for name in ("assistant_id", "name", "graph_id")} for a in found.values()
    ]
    if missing and not ignore_missing:
        for error in missing[:-1]:
            report(error, as_json=session.out.format in JSON_FORMATS)
        raise missing[-1]
    if dry_run:
        session.out.rows(_DELETED, rows)
        session.out.note(f"--dry-run: {len(rows)} would be deleted")
        return
    if rows:
        named = rows[0]["name"] or rows[0]["assistant_id"] if len(rows) == 1 else len(rows)
        confirm(f"delete {named} with all versions{' and threads' if threads else ''}?", yes=yes)
    query = "?delete_threads=true" if threads else ""
    for row in rows:
        session.client.delete(f"/assistants/{row['assistant_id']}{query}")
    session.out.rows(_DELETED, rows)


def _find(session: Session, text: str, missing: list[CliError]) -> list[dict[str, object]]:
    try:
        return [find_assistant(session.client, text)]
    except CliError as exc:
        if exc.exit_code is not ExitCode.NOT_FOUND:
            raise
        missing.append(exc)
        return []
