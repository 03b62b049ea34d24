"""`lgserve threads delete`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.deleting import DryRun, IgnoreMissing, delete_each, named, show_each
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import Row, find_thread_id
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
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete threads with their runs and checkpoints; what runs on them is stopped.

    Example: lgserve threads delete @last --dry-run
    """
    if dry_run:
        find = partial(_find, session)
        show_each(session, _DELETED, thread_ids, find, ignore_missing=ignore_missing)
        return
    need_yes(yes=yes, arguments=session.arguments)
    found = list(dict.fromkeys(find_thread_id(session.client, text) for text in thread_ids))
    confirm(f"delete {named(found, 'threads')} with all runs and checkpoints?", yes=yes)
    delete_each(session, _DELETED, found, "/threads", ignore_missing=ignore_missing)


def _find(session: Session, text: str) -> Row:
    return dict(session.client.get(f"/threads/{find_thread_id(session.client, text)}"))
