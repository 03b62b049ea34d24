"""`lgserve runs cancel`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, hinting, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, find_run, find_thread_id, runs_of_thread
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

Action = Literal["interrupt", "rollback"]
Status = Literal["pending", "running", "all"]

_CANCELLED = Noun(
    id_field="run_id",
    columns=(
        Column(name="cancelled", path="run_id"),
        Column(name="thread", path="thread_id"),
    ),
    fields=("run_id", "thread_id", "action"),
)

app = new_app("cancel", "Cancel runs.")


@command(app, "cancel", shared=open_session)
def cancel_runs(
    session: Session,
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID...]", help="Run ids, or at least 6 first characters."),
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Of this thread; without ids, all of it.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", help="All runs of the server with this status.")
    ] = None,
    action: Annotated[
        Action, typer.Option("--action", help="rollback forgets what the run has done.")
    ] = "interrupt",
    wait: Annotated[bool, typer.Option("--wait", help="Until they have ended.")] = False,
) -> None:
    """Cancel runs: the named ones, those of a thread, or those with a status."""
    if status and (run_ids or thread):
        raise usage_error("--status excludes run ids and --thread")
    if status:
        session.client.post("/runs/cancel", {"status": status}, {"action": action})
        session.out.note(
            f"cancelled what was {'pending or running' if status == 'all' else status}"
        )
        session.out.rows(_CANCELLED, [])
        return
    runs = _named(session, run_ids, thread) if run_ids else _unfinished(session, thread)
    for run in runs:
        path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/cancel"
        with hinting(ExitCode.NOT_FOUND, _why_not(run)):
            session.client.post(path, query={"action": action, "wait": int(wait)})
    rows = [
        {"run_id": run["run_id"], "thread_id": run["thread_id"], "action": action} for run in runs
    ]
    session.out.rows(_CANCELLED, rows)


def _named(session: Session, run_ids: list[str], thread: str | None) -> list[dict[str, Any]]:
    return [find_run(session.client, text, thread, RECENT_THREADS) for text in run_ids]


def _why_not(run: dict[str, Any]) -> str:
    """Say why a run that was there cannot be cancelled."""
    ended = run["status"] if run.get("status") not in ("pending", "running") else "ended by now"
    return (
        f"only a pending or running run can be cancelled, and this one is {ended}"
        f" · lgserve runs show {run['run_id']}"
    )


def _unfinished(session: Session, thread: str | None) -> list[dict[str, Any]]:
    if thread is None:
        raise usage_error("no run is named", "give run ids, --thread ID, or --status pending")
    thread_id = find_thread_id(session.client, thread)
    runs = [
        run
        for status in ("pending", "running")
        for run in runs_of_thread(session.client, thread_id, status=status)
    ]
    if not runs:
        raise CliError(
            f"thread {thread_id} has no run to cancel",
            code="E_NOT_FOUND",
            exit_code=ExitCode.NOT_FOUND,
        )
    return runs
