"""`lgserve assistants delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.deleting import (
    DryRun,
    IgnoreMissing,
    delete_found,
    find_each,
    named,
    show_found,
)
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant
from lgserve.cli.options import command
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
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete assistants with their versions; their runs are cancelled.

    Example: lgserve assistants delete Terse --yes
    """
    if not dry_run:
        need_yes(yes=yes, arguments=session.arguments)
    rows = find_each(
        session, _DELETED, assistants,
        lambda text: find_assistant(session.client, text),
        ignore_missing=ignore_missing,
    )  # fmt: skip
    if dry_run:
        show_found(session, _DELETED, rows)
        return
    names = [row["name"] or row["assistant_id"] for row in rows]
    what = f"all versions{' and threads' if threads else ''}"
    query = "?delete_threads=true" if threads else ""
    delete_found(
        session, _DELETED, rows,
        lambda assistant: f"/assistants/{assistant['assistant_id']}{query}",
        f"delete {named(names, 'assistants')} with {what}?",
        yes=yes,
    )  # fmt: skip
