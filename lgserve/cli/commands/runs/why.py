"""`lgserve runs why`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from lgserve.cli.commands.runs.list import graph_of
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, Row, find_run, runs_of_thread
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun, duration, timestamp
from lgserve.cli.shared_options import RunId, ThreadOfRun

#: Runs of a thread that are looked at.
_MOST = 1_000
Reason = dict[str, Any]

_WHY = Noun(
    id_field="run_id",
    columns=(
        Column(name="run", path="run_id", kind="id"),
        Column(name="status", path="status", kind="status"),
        Column(name="because", path="reasons"),
    ),
    fields=("run_id", "thread_id", "status", "reasons"),
)

app = new_app("why", "Say what a run waits for.")


@command(app, "why", shared=open_session)
def explain_run(session: Session, run_id: RunId, thread: ThreadOfRun = None) -> None:
    """Say what a run waits for: its time, an older run of its thread, a slot, its graph.

    Example: lgserve runs why @last
    """
    run = find_run(session.client, run_id, thread, RECENT_THREADS)
    reasons = list(_reasons(session, run)) if run["status"] == "pending" else [_not_waiting(run)]
    item = {
        "run_id": run["run_id"],
        "thread_id": run["thread_id"],
        "status": run["status"],
        "reasons": reasons,
    }
    lines = [
        ("run", str(run["run_id"])),
        ("thread", str(run["thread_id"])),
        ("status", str(run["status"])),
        *(("because", str(reason["message"])) for reason in reasons),
    ]
    session.out.item(_WHY, item, lines)


def _not_waiting(run: Row) -> Reason:
    """Explain a run that is not pending: it has begun, or it is over."""
    if run["status"] == "running":
        return _reason("running", "it does not wait: it is running")
    why = run.get("cancel_reason")
    text = f" ({why})" if why else ""
    return _reason("ended", f"it does not wait: it ended as {run['status']}{text}")


def _reasons(session: Session, run: Row) -> Iterator[Reason]:
    """Yield what holds a pending run back, what counts first."""
    found = [*_clock(session, run), *_line(session, run)]
    yield from found
    info = _info(session)
    broken = list(_graph(info, run))
    yield from broken
    yield from _slots(info) if not found else ()
    if not found and not broken and not list(_slots(info)):
        yield _reason("soon", "nothing holds it back: it should start at any moment")


def _clock(session: Session, run: Row) -> Iterator[Reason]:
    """Both servers give a run that starts later the moment of its start as `created_at`."""
    seconds = timestamp(run.get("created_at")) - time.time()
    if seconds > 0:
        text = f"it is due in {duration(seconds)}, at {run['created_at']}"
        yield _reason("due", text, due_at=run["created_at"])
    del session


def _line(session: Session, run: Row) -> Iterator[Reason]:
    """Look for runs that come before it on its thread."""
    now = time.time()
    mine = (timestamp(run.get("created_at")), run["run_id"])
    for status in ("running", "pending"):
        runs = runs_of_thread(session.client, run["thread_id"], status=status, limit=_MOST)
        for other in sorted(runs, key=lambda each: timestamp(each.get("created_at"))):
            theirs = (timestamp(other.get("created_at")), other["run_id"])
            if other["run_id"] == run["run_id"] or (status == "pending" and theirs > mine):
                continue
            age = duration(max(0.0, now - theirs[0]))
            what = f"run {other['run_id']} is {status} on its thread, since {age}"
            yield _reason("thread", what, run_id=other["run_id"])


def _graph(info: Mapping[str, Any], run: Row) -> Iterator[Reason]:
    graph = graph_of(run)
    errors = info.get("graph_errors") or {}
    if graph in errors:
        why = errors[graph]
        text = str(why.get("message", why) if isinstance(why, dict) else why).splitlines()[0]
        yield _reason("graph", f"its graph {graph!r} does not load: {text}", graph_id=graph)
    elif graph and "graphs" in info and graph not in info["graphs"]:
        yield _reason("graph", f"its graph {graph!r} is not served here", graph_id=graph)


def _slots(info: Mapping[str, Any]) -> Iterator[Reason]:
    queue = info.get("queue") or {}
    running, slots = queue.get("running"), queue.get("n_jobs_per_worker")
    if isinstance(running, int) and isinstance(slots, int) and running >= slots:
        text = f"all {slots} slots are busy, and {queue.get('pending')} runs wait"
        yield _reason("slots", text, running=running, pending=queue.get("pending"))


def _info(session: Session) -> Mapping[str, Any]:
    try:
        return dict(session.client.get("/info"))
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:  # `http.disable_meta`
            return {}
        raise


def _reason(code: str, message: str, **facts: Any) -> Reason:
    return {"code": code, "message": message, **facts}
