"""`lgserve crons delete`."""

from __future__ import annotations

from lgserve.cli.commands.crons.switching import Ids
from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.deleting import IgnoreMissing, delete_each, named
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_cron_id
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
    yes: Yes = False,
) -> None:
    """Delete crons with their histories; runs that they have created stay."""
    need_yes(yes=yes, arguments=session.arguments)
    found = list(dict.fromkeys(find_cron_id(session.client, text) for text in crons))
    confirm(f"delete {named(found, 'crons')}?", yes=yes)
    delete_each(session, _DELETED, found, "/runs/crons", ignore_missing=ignore_missing)
