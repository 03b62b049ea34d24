"""`lgserve runs list`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.client import ApiClient
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import (
    RECENT_THREADS,
    find_thread_id,
    own_metadata,
    runs_of_recent_threads,
    runs_of_thread,
)
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.output import Column, Noun, Row, duration, seconds_between, timestamp
from lgserve.cli.shared_options import Everything, Limit, Offset

Status = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
_ENDED = ("success", "error", "timeout", "interrupted")


def graph_of(run: Row) -> str:
    """Return the graph a run is of; servers write it down in one of three places."""
    configurable = ((run.get("kwargs") or {}).get("config") or {}).get("configurable") or {}
    metadata = run.get("metadata") or {}
    return str(
        configurable.get("graph_id") or metadata.get("graph_id") or run.get("graph_id") or ""
    )


def _with_shown_fields(run: Row) -> Row:
    seconds = seconds_between(run.get("created_at"), run.get("updated_at"))
    return {
        **run,
        "graph": graph_of(run),
        "took": duration(max(seconds, 0))
        if seconds is not None and run["status"] in _ENDED
        else None,
        "user_metadata": own_metadata(run),
    }


RUNS = Noun(
    id_field="run_id",
    columns=(
        Column(name="id", path="run_id", kind="id"),
        Column(name="graph", path="graph"),
        Column(name="thread", path="thread_id", kind="id"),
        Column(name="status", path="status", kind="status"),
        Column(name="created", path="created_at", kind="time"),
        Column(name="took", path="took", kind="number"),
        Column(name="metadata", path="user_metadata"),
    ),
    fields=(
        "run_id", "thread_id", "assistant_id", "metadata", "status", "kwargs", "multitask_strategy",
        "created_at", "updated_at", "error",
    ),
    derive=_with_shown_fields,
)  # fmt: skip

app = new_app("list", "List runs, the latest first.")


@command(app, "list", shared=open_session)
def list_runs(
    session: Session,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Only of this thread (or its beginning).")
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", help="Only with this status.")
    ] = None,
    graph: Annotated[str | None, typer.Option("--graph", help="Only of this graph.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only created since 30s, 5m, 2h, 7d ago.")
    ] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
    threads: Annotated[
        int,
        typer.Option(
            "--threads", min=1, help="Without --thread: look into so many recent threads."
        ),
    ] = RECENT_THREADS,
) -> None:
    """List runs, the latest first.

    The API lists the runs of one thread. Without --thread, the threads that changed last are
    looked into (100 of them, see --threads).
    """
    # The server does not filter by graph: how many it must send cannot be known.
    wanted = None if everything or graph else offset + limit
    rows, more = _read(
        session.client,
        thread,
        threads=threads,
        status=status,
        since=time.time() - parse_seconds(since) if since else 0.0,
        limit=wanted,
    )
    rows = [row for row in rows if graph in (None, graph_of(row))]
    rows.sort(key=lambda row: timestamp(row.get("created_at")), reverse=True)
    session.out.rows(RUNS, rows[offset:] if everything else rows[offset : offset + limit])
    if more:
        session.out.note(
            f"looked into the {threads} threads that changed last · more: --threads N, --thread ID"
        )


def _read(
    client: ApiClient, thread: str | None, *, threads: int, **filters: Any
) -> tuple[list[dict[str, Any]], bool]:
    if thread is None:
        return runs_of_recent_threads(client, threads=threads, **filters)
    return list(runs_of_thread(client, find_thread_id(client, thread), **filters)), False
