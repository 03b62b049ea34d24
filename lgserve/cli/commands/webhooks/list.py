"""`lgserve webhooks list`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, find_run, find_thread_id, list_webhooks
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun, Row
from lgserve.cli.shared_options import Everything, Limit, Offset

Status = Literal["pending", "delivered", "failed"]


def _derived(delivery: Row) -> Row:
    code = delivery.get("status_code")
    return {**delivery, "answer": delivery.get("error") or (f"HTTP {code}" if code else None)}


WEBHOOKS = Noun(
    id_field="webhook_id",
    columns=(
        Column(name="id", path="webhook_id", kind="id"),
        Column(name="run", path="run_id", kind="id"),
        Column(name="status", path="status", kind="status"),
        Column(name="tries", path="attempts", kind="number"),
        Column(name="created", path="created_at", kind="time"),
        Column(name="next", path="next_attempt_at", kind="time"),
        Column(name="answer", path="answer"),
        Column(name="url", path="url"),
    ),
    fields=(
        "webhook_id", "kind", "run_id", "thread_id", "url", "status", "attempts", "created_at",
        "next_attempt_at", "ended_at", "status_code", "error",
    ),
    derive=_derived,
)  # fmt: skip

app = new_app("list", "List deliveries, the latest first.")


@command(app, "list", shared=open_session)
def list_deliveries(
    session: Session,
    run: Annotated[
        str | None, typer.Option("--run", help="Only of this run (id or its beginning).")
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Only of runs of this thread.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", help="Only with this status.")
    ] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
) -> None:
    """List deliveries, the latest first."""
    query = {
        "run_id": _run_id(session, run),
        "thread_id": None if thread is None else find_thread_id(session.client, thread),
        "status": status,
    }
    size = None if everything else limit
    rows = list(list_webhooks(session.client, query, offset=offset, limit=size))
    session.out.rows(WEBHOOKS, rows)


def _run_id(session: Session, text: str | None) -> str | None:
    """Return the id of a run; one that is given whole may be gone by now."""
    if text is None or len(text) == 36:
        return text
    return str(find_run(session.client, text, None, RECENT_THREADS)["run_id"])
