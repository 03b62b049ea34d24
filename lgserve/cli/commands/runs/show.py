"""`lgserve runs show`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.commands.runs.list import RUNS
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, find_run
from lgserve.cli.options import command
from lgserve.cli.output import Row, pairs
from lgserve.cli.shared_options import RunId, ThreadOfRun

_SHOWN_INPUT = 400

app = new_app("show", "Show one run.")


@command(app, "show", shared=open_session)
def show_run(
    session: Session,
    run_id: RunId,
    thread: ThreadOfRun = None,
    threads: Annotated[
        int,
        typer.Option(
            "--threads", min=1, help="Without --thread: look into so many recent threads."
        ),
    ] = RECENT_THREADS,
) -> None:
    """Show one run: timings, input, error."""
    run = find_run(session.client, run_id, thread, threads)
    if run.get("status") in ("error", "timeout") and "error" not in run:
        run["error"] = _error_of_thread(session, run)
    session.out.item(RUNS, run, _lines(session, RUNS.derive(run)))


def _error_of_thread(session: Session, run: dict[str, Any]) -> Any:
    """Return the error the thread ended with, if this run was its last."""
    path = f"/threads/{run['thread_id']}"
    try:
        last = session.client.get(f"{path}/runs", {"limit": 1})
        return (
            session.client.get(path).get("error")
            if last and last[0]["run_id"] == run["run_id"]
            else None
        )
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return None
        raise


def _lines(session: Session, run: Row) -> list[tuple[str, str]]:
    out, kwargs = session.out, run.get("kwargs") or {}
    lines = [
        ("run", str(run["run_id"])),
        ("thread", str(run["thread_id"])),
        ("status", str(run["status"])),
        ("graph", str(run["graph"])),
        ("assistant", str(run.get("assistant_id", ""))),
        ("created", out.time(run.get("created_at"))),
        ("updated", out.time(run.get("updated_at"))),
        ("took", str(run["took"] or "")),
        ("multitask", str(run.get("multitask_strategy") or "")),
        ("metadata", pairs(run["user_metadata"])),
        ("input", _short(kwargs.get("input"))),
        ("command", _short(kwargs.get("command"))),
        ("error", _error(run.get("error"))),
    ]
    return [(label, text) for label, text in lines if text]


def _error(error: object) -> str:
    if isinstance(error, dict) and "error" in error:
        return f"{error['error']}: {error.get('message', '')}"
    return error if isinstance(error, str) else _short(error)


def _short(value: object) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_INPUT else f"{text[:_SHOWN_INPUT]}… ({len(text)} characters)"
