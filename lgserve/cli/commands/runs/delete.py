"""`lgserve runs delete`."""

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
from lgserve.cli.lookup import RECENT_THREADS, find_run
from lgserve.cli.options import command
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
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete runs with their checkpoints; a run that goes on is stopped first.

    Example: lgserve runs delete @last --yes
    """
    if not dry_run:
        need_yes(yes=yes, arguments=session.arguments)
    rows = find_each(
        session, _DELETED, run_ids,
        lambda text: find_run(session.client, text, thread, RECENT_THREADS),
        ignore_missing=ignore_missing,
    )  # fmt: skip
    if dry_run:
        show_found(session, _DELETED, rows)
        return
    ids = [row["run_id"] for row in rows]
    delete_found(
        session, _DELETED, rows,
        lambda run: f"/threads/{run['thread_id']}/runs/{run['run_id']}",
        f"delete {named(ids, 'runs')} with what it wrote into its thread's history?",
        yes=yes,
    )  # fmt: skip
