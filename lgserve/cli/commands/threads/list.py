"""`lgserve threads list`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import own_metadata, search_threads
from lgserve.cli.options import command, parse_pairs, parse_seconds
from lgserve.cli.output import Column, Noun, Row, timestamp
from lgserve.cli.paging import how_many
from lgserve.cli.shared_options import Everything, Limit, Metadata, Offset, Order

Status = Literal["idle", "busy", "interrupted", "error"]
Sort = Literal["updated_at", "created_at", "state_updated_at", "status", "thread_id"]


def _with_user_metadata(row: Row) -> Row:
    return {**row, "user_metadata": own_metadata(row)}


THREADS = Noun(
    id_field="thread_id",
    columns=(
        Column(name="id", path="thread_id", kind="id"),
        Column(name="graph", path="metadata.graph_id"),
        Column(name="status", path="status", kind="status"),
        Column(name="updated", path="updated_at", kind="time"),
        Column(name="created", path="created_at", kind="time"),
        Column(name="metadata", path="user_metadata"),
    ),
    fields=(
        "thread_id", "created_at", "updated_at", "state_updated_at", "metadata", "status", "config",
        "values", "interrupts", "error",
    ),
    derive=_with_user_metadata,
)  # fmt: skip

app = new_app("list", "List threads, the latest first.")


@command(app, "list", shared=open_session)
def list_threads(
    session: Session,
    status: Annotated[
        Status | None, typer.Option("--status", help="Only with this status.")
    ] = None,
    graph: Annotated[
        str | None, typer.Option("--graph", help="Only whose latest run was of this graph.")
    ] = None,
    metadata: Metadata = None,
    values: Annotated[
        list[str] | None, typer.Option("--values", help="State, key=text or key:=json. Repeatable.")
    ] = None,
    ids: Annotated[str | None, typer.Option("--ids", help="Only these: whole ids, a,b,c.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only updated since 30s, 5m, 2h, 7d ago.")
    ] = None,
    sort: Annotated[Sort, typer.Option("--sort", help="What to sort by.")] = "updated_at",
    order: Order = "desc",
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
) -> None:
    """List threads, the latest first."""
    question = _question(status, graph, metadata or [], values or [], ids)
    count = None if everything else limit
    order_by = {**question, "sort_by": sort, "sort_order": order}
    if since is None:
        rows = list(search_threads(session.client, order_by, offset=offset, limit=count))
    else:
        found = search_threads(session.client, order_by, offset=offset)
        oldest = time.time() - parse_seconds(since)
        rows = list(
            islice(
                _updated_since(found, oldest, in_order=sort == "updated_at" and order == "desc"),
                count,
            )
        )
    session.out.rows(THREADS, rows)
    if session.out.format == "table" and since is None:
        _say_how_many(session, question, offset, len(rows))


def _question(
    status: str | None, graph: str | None, metadata: list[str], values: list[str], ids: str | None
) -> dict[str, Any]:
    """Return the body of the search, with what was asked for only."""
    wanted = parse_pairs("--metadata", metadata)
    if graph:
        wanted["graph_id"] = graph
    question = {
        "status": status,
        "metadata": wanted,
        "values": parse_pairs("--values", values),
        "ids": [part.strip() for part in (ids or "").split(",") if part.strip()],
    }
    return {name: value for name, value in question.items() if value}


def _updated_since(
    rows: Iterator[dict[str, Any]], oldest: float, *, in_order: bool
) -> Iterator[dict[str, Any]]:
    """Keep the rows that changed since; sorted by that, the first older one is the end."""
    for row in rows:
        if timestamp(row.get("updated_at")) >= oldest:
            yield row
        elif in_order:
            return


def _say_how_many(session: Session, question: dict[str, Any], offset: int, shown: int) -> None:
    """Say how many there are in all, and how to see the next ones."""
    counted = {key: value for key, value in question.items() if key != "ids"}
    total = (
        len(question["ids"])
        if "ids" in question
        else session.client.count("/threads/count", counted)
    )
    session.out.note(how_many(shown, total, offset, "lgserve threads list "))
