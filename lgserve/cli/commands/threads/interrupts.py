"""`lgserve threads interrupts`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from lgserve.cli.client import ApiClient
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id, search_threads
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun, Row

_CONNECTIONS = 8

INTERRUPTS = Noun(
    id_field="interrupt_id",
    columns=(
        Column(name="thread", path="thread_id", kind="id"),
        Column(name="graph", path="graph_id"),
        Column(name="interrupt", path="interrupt_id"),
        Column(name="since", path="updated_at", kind="time"),
        Column(name="before", path="before"),
        Column(name="value", path="value", kind="json"),
    ),
    fields=("thread_id", "graph_id", "interrupt_id", "task_id", "value", "next", "updated_at"),
    derive=lambda row: {**row, "before": ", ".join(row.get("next") or ())},
)

app = new_app("interrupts", "List what threads wait for.")


@command(app, "interrupts", shared=open_session)
def list_interrupts(
    session: Session,
    thread_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Only of this thread (id, its beginning, @last)."),
    ] = None,
    graph: Annotated[str | None, typer.Option("--graph", help="Only of this graph.")] = None,
) -> None:
    """List what threads wait for: the questions of their graphs, and stops before a node.

    Example: lgserve threads interrupts -o json
    """
    client = session.client
    if thread_id is None:
        threads = _waiting(client, graph)
    else:
        found = client.get(f"/threads/{find_thread_id(client, thread_id)}")
        threads = iter([found] if graph in (None, _graph(found)) else [])
    rows = interrupts_of(client, threads)
    session.out.rows(INTERRUPTS, rows)
    asked = next((row for row in rows if row["interrupt_id"]), None)
    if session.out.format == "table" and asked is not None:
        several = sum(row["thread_id"] == asked["thread_id"] for row in rows) > 1
        session.out.note(f"answer: {how_to_answer(asked, several=several)}")


def how_to_answer(asked: Row, *, several: bool) -> str:
    """Return the command that answers a question; one of several has to be named."""
    which = f" --interrupt {asked['interrupt_id']}" if several else ""
    return f"lgserve threads resume {asked['thread_id']}{which} --value '…'"


def interrupts_of(client: ApiClient, threads: Iterator[Row]) -> list[dict[str, Any]]:
    """Return what these threads wait for, one row a question or a stop."""
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return [row for rows in pool.map(lambda each: _rows(client, each), threads) for row in rows]


def _waiting(client: ApiClient, graph: str | None) -> Iterator[Row]:
    question: dict[str, Any] = {
        "status": "interrupted",
        "select": ["thread_id", "metadata", "status", "interrupts", "updated_at"],
        "sort_by": "updated_at",
        "sort_order": "desc",
    }
    if graph:
        question["metadata"] = {"graph_id": graph}
    return search_threads(client, question)


def _rows(client: ApiClient, thread: Row) -> list[dict[str, Any]]:
    """Return a row for each question; a thread that stopped before a node has one without."""
    common = {"thread_id": thread["thread_id"], "graph_id": _graph(thread)}
    asked = [
        {
            **common,
            "interrupt_id": item.get("id"),
            "task_id": task_id,
            "value": item.get("value"),
            "next": None,
            "updated_at": thread.get("updated_at"),
        }
        for task_id, items in (thread.get("interrupts") or {}).items()
        for item in items
    ]
    if asked or thread.get("status") != "interrupted":
        return asked
    stop = {"interrupt_id": None, "task_id": None, "value": None}
    following = {"next": _next(client, thread), "updated_at": thread.get("updated_at")}
    return [{**common, **stop, **following}]


def _next(client: ApiClient, thread: Row) -> list[str]:
    """Return the nodes a thread has stopped before; none if its state cannot be read."""
    try:
        return list(client.get(f"/threads/{thread['thread_id']}/state").get("next") or ())
    except CliError as exc:
        if exc.exit_code in (ExitCode.FAILED, ExitCode.REFUSED, ExitCode.NOT_FOUND):
            return []
        raise


def _graph(thread: Row) -> str | None:
    return (thread.get("metadata") or {}).get("graph_id")
