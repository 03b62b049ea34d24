"""`lgserve crons trigger`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lgserve.cli.commands.runs.list import RUNS
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_cron
from lgserve.cli.options import command

#: What servers answer that do not have the operation; the cron itself is there.
_UNKNOWN = (404, 405, 501)

app = new_app("trigger", "Fire a cron now.")


@command(app, "trigger", shared=open_session)
def trigger_cron(
    session: Session,
    cron: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or at least 6 first characters.")
    ],
) -> None:
    """Fire a cron now, beside its schedule, and show the run."""
    run = _trigger(session, find_cron(session.client, cron)["cron_id"])
    lines = [("run", run["run_id"]), ("thread", run["thread_id"]), ("status", run["status"])]
    session.out.item(RUNS, run, lines)


def _trigger(session: Session, cron_id: str) -> dict[str, Any]:
    try:
        return dict(session.client.post(f"/runs/crons/{cron_id}/trigger"))
    except CliError as exc:
        if exc.status not in _UNKNOWN or _is_about_the_run(exc):
            raise
        raise CliError(
            f"{session.client.connection.url} cannot fire a cron by hand",
            code="E_UNSUPPORTED",
            hint="only lgserve can; start the run yourself: lgserve runs start --help",
            status=exc.status,
            url=exc.url,
        ) from exc


def _is_about_the_run(exc: CliError) -> bool:
    """Tell whether the operation is there, and its thread or assistant is not."""
    return "Thread or assistant" in exc.message
