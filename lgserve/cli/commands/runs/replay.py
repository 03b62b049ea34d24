"""`lgserve runs replay`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lgserve.cli.commands.threads.checkpoints import history_of
from lgserve.cli.commands.threads.comparing import changes_between, without_ids
from lgserve.cli.commands.threads.diff import CHANGES
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, Row, find_run
from lgserve.cli.options import command
from lgserve.cli.shared_options import ExitStatus, RunId, ThreadOfRun

_BAD = ("error", "timeout", "interrupted")
#: What of a run's arguments a new run is given as well.
_ARGUMENTS = ("input", "command", "context", "interrupt_before", "interrupt_after", "durability")
#: Members of a run's configurable that servers put there themselves.
_SERVER_PREFIXES = ("__", "langgraph_")
_SERVER_NAMES = (
    "run_id", "thread_id", "graph_id", "assistant_id", "user_id", "checkpoint_id", "checkpoint_ns",
)  # fmt: skip

app = new_app("replay", "Run the same input again, and compare.")


@command(app, "replay", shared=open_session)
def replay_run(
    session: Session,
    run_id: RunId,
    thread: ThreadOfRun = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write what came out differently, instead of the values.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the scratch thread.")] = False,
    exit_status: ExitStatus = False,
) -> None:
    """Run the input of a run again, on today's code, from where it began, in a scratch thread.

    Ids of messages are not compared. With --exit-status, 8 also says that values differ (--diff).

    Example: lgserve runs replay @last --diff
    """
    run = find_run(session.client, run_id, thread, RECENT_THREADS)
    if run["status"] in ("pending", "running"):
        raise CliError(
            f"run {run['run_id']} has not ended: it is {run['status']}",
            code="E_CONFLICT", exit_code=ExitCode.CONFLICT, hint="lgserve runs join waits for it",
        )  # fmt: skip
    made = list(history_of(session.client, run["thread_id"], metadata={"run_id": run["run_id"]}))
    scratch, body = _scratch(session, run, made)
    try:
        again, values = _run_again(session, scratch, body)
    finally:
        if not keep:
            session.client.delete(f"/threads/{scratch}")
    _show(session, run, made, again, values, diff=diff, scratch=scratch if keep else None)
    if exit_status and (again["status"] in _BAD or (diff and _changes(made, values))):
        raise CliError(
            f"the replay ended as {again['status']}"
            if again["status"] in _BAD
            else "the replay came to other values",
            code="E_RUN_FAILED", exit_code=ExitCode.UNSOUND,
        )  # fmt: skip


def _scratch(session: Session, run: Row, made: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Make a thread that stands where the run began; return it with the run to start there."""
    body = _arguments(run)
    began = _checkpoint_before(made)
    if began is None:
        if "input" not in body and "command" not in body:
            raise usage_error(f"nothing is known of the input of run {run['run_id']}")
        metadata = {"replay_of": run["run_id"]}
        created = session.client.post("/threads", {"metadata": metadata})
    else:
        created = session.client.post(f"/threads/{run['thread_id']}/copy")
        body["checkpoint_id"] = began
    return str(created["thread_id"]), body


def _arguments(run: Row) -> dict[str, Any]:
    kwargs = run.get("kwargs") or {}
    body = {name: kwargs[name] for name in _ARGUMENTS if kwargs.get(name) is not None}
    given = (kwargs.get("config") or {}).get("configurable") or {}
    own = {
        name: value
        for name, value in given.items()
        if name not in _SERVER_NAMES and not name.startswith(_SERVER_PREFIXES)
    }
    if own and not body.get("context"):
        body["config"] = {"configurable": own}
    elif not body.get("context"):
        body.pop("context", None)
    return {"assistant_id": run["assistant_id"], **body}


def _checkpoint_before(made: list[dict[str, Any]]) -> str | None:
    """Return the checkpoint on which a run built its first one."""
    if not made:
        return None
    first = made[-1]
    parent = first.get("parent_checkpoint") or {}
    found = first.get("parent_checkpoint_id") or parent.get("checkpoint_id")
    return str(found) if found else None


def _run_again(session: Session, thread_id: str, body: dict[str, Any]) -> tuple[Row, Any]:
    path = f"/threads/{thread_id}/runs"
    run = session.client.post(path, body)
    session.client.get(f"{path}/{run['run_id']}/join")
    ended = session.client.get(f"{path}/{run['run_id']}")
    state = session.client.get(f"/threads/{thread_id}/state")
    return ended, state.get("values")


def _changes(made: list[dict[str, Any]], values: Any) -> list[dict[str, Any]]:
    before = made[0].get("values") if made else None
    return changes_between(without_ids(before), without_ids(values))


def _show(
    session: Session,
    run: Row,
    made: list[dict[str, Any]],
    again: Row,
    values: Any,
    *,
    diff: bool,
    scratch: str | None,
) -> None:
    changes = _changes(made, values)
    kept = f", thread {scratch}" if scratch else ""
    session.out.note(
        f"run {run['run_id']} ended as {run['status']}, its replay as {again['status']}:"
        f" {_counted(changes)}{kept}"
    )
    if not diff:
        session.out.value(values)
    elif session.out.format in ("json", "yaml") and not session.out.fields:
        facts = {"run_id": run["run_id"], "status": run["status"], "replay": again["status"]}
        session.out.value({**facts, "thread_id": scratch, "same": not changes, "changes": changes})
    else:
        session.out.rows(CHANGES, changes)


def _counted(changes: list[dict[str, Any]]) -> str:
    if not changes:
        return "the values are the same"
    return f"{len(changes)} value{'s' if len(changes) > 1 else ''} differ"
