"""`lgserve crons delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.commands.crons.switching import Ids
from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, report
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
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="A cron that is not there is no failure.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete crons with their histories; runs that they have created stay."""
    need_yes(yes=yes, arguments=session.arguments)
    found = dict.fromkeys(find_cron_id(session.client, text) for text in crons)
    named = next(iter(found)) if len(found) == 1 else f"{len(found)} crons"
    confirm(f"delete {named}?", yes=yes)
    missing: list[CliError] = []
    deleted = [cron_id for cron_id in found if _delete(session, cron_id, missing)]
    if deleted or ignore_missing:
        session.out.rows(_DELETED, [{"cron_id": cron_id} for cron_id in deleted])
    if missing and not ignore_missing:
        for error in missing[:-1]:
            report(error, as_json=session.out.format in ("json", "jsonl"))
        raise missing[-1]


def _delete(session: Session, cron_id: str, missing: list[CliError]) -> bool:
    try:
        session.client.delete(f"/runs/crons/{cron_id}")
    except CliError as exc:
        if exc.exit_code is not ExitCode.NOT_FOUND:
            raise
        missing.append(exc)
        return False
    return True
