"""`lgserve crons delete`."""

from __future__ import annotations

from functools import partial

from lgserve.cli.commands.crons.switching import Ids
from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.deleting import DryRun, IgnoreMissing, delete_each, named, show_each
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_cron, find_cron_id
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

_DELETED = Noun(
    id_field="cron_id", columns=(Column(name="deleted", path="cron_id"),), fields=("cron_id",)
)

app = new_app("delete", "Delete crons.")


@command(app, "delete", shared=open_session)
def delete_crons(
    session: Session,
    crons: Ids,
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete crons with their histories; runs that they have created stay."""
    if dry_run:
        find = partial(find_cron, session.client)
        show_each(session, _DELETED, crons, find, ignore_missing=ignore_missing)
        return
    need_yes(yes=yes, arguments=session.arguments)
    found = list(dict.fromkeys(find_cron_id(session.client, text) for text in crons))
    confirm(f"delete {named(found, 'crons')}?", yes=yes)
    delete_each(session, _DELETED, found, "/runs/crons", ignore_missing=ignore_missing)
