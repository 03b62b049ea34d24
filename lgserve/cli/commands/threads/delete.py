"""`lgserve threads delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, report
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

_DELETED = Noun(
    id_field="thread_id",
    columns=(Column(name="deleted", path="thread_id"),),
    fields=("thread_id",),
)

app = new_app("delete", "Delete threads.")


@command(app, "delete", shared=open_session)
def delete_threads(
    session: Session,
    thread_ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Thread ids, or at least 6 first characters."),
    ],
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="A thread that is not there is no failure.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete threads with their runs and checkpoints; what runs on them is stopped."""
    need_yes(yes=yes, arguments=session.arguments)
    found = dict.fromkeys(find_thread_id(session.client, text) for text in thread_ids)
    named = next(iter(found)) if len(found) == 1 else f"{len(found)} threads"
    confirm(f"delete {named} with all runs and checkpoints?", yes=yes)
    missing: list[CliError] = []
    deleted = [thread_id for thread_id in found if _delete(session, thread_id, missing)]
    if deleted or ignore_missing:
        session.out.rows(_DELETED, [{"thread_id": thread_id} for thread_id in deleted])
    if missing and not ignore_missing:
        for error in missing[:-1]:
            report(error, as_json=session.out.format in ("json", "jsonl"))
        raise missing[-1]


def _delete(session: Session, thread_id: str, missing: list[CliError]) -> bool:
    try:
        session.client.delete(f"/threads/{thread_id}")
    except CliError as exc:
        if exc.exit_code is not ExitCode.NOT_FOUND:
            raise
        missing.append(exc)
        return False
    return True
