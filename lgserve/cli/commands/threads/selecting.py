"""Which threads a command is about: named ones, or those that filters find."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import typer

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import usage_error
from lgserve.cli.lookup import Row, find_thread_id, search_threads
from lgserve.cli.options import parse_pairs, parse_seconds
from lgserve.cli.output import timestamp

Ids: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID...]", help="Thread ids, at least 6 first characters, or @last."),
]
Graph: TypeAlias = Annotated[str | None, typer.Option("--graph", help="Only of this graph.")]
OlderThan: TypeAlias = Annotated[
    str | None, typer.Option("--older-than", help="Only without a change for 30d, 12h, 5m.")
]


def chosen_threads(
    client: ApiClient,
    thread_ids: list[str] | None,
    *,
    status: str | None = None,
    graph: str | None = None,
    metadata: list[str] | None = None,
    older_than: str | None = None,
) -> list[Row]:
    """Return the named threads, or all that the filters find; names and filters exclude each other.

    Of named ones no more is known than the id.
    """
    if thread_ids:
        if status or graph or metadata:
            raise usage_error("ids exclude --status, --graph and --metadata")
        if older_than is None:
            found = dict.fromkeys(find_thread_id(client, text) for text in thread_ids)
            return [{"thread_id": thread_id} for thread_id in found]
    wanted = parse_pairs("--metadata", metadata or [])
    if graph:
        wanted["graph_id"] = graph
    question: dict[str, Any] = {
        "select": ["thread_id", "updated_at", "status"],
        "sort_by": "updated_at",
        "sort_order": "asc",
    }
    question |= {k: v for k, v in {"status": status, "metadata": wanted}.items() if v}
    if thread_ids:
        question["ids"] = [find_thread_id(client, text) for text in thread_ids]
    before = time.time() - parse_seconds(older_than) if older_than else None
    return list(_until(search_threads(client, question), before))


def _until(rows: Iterator[Row], before: float | None) -> Iterator[Row]:
    """Yield rows, oldest change first, up to those that changed too late."""
    for row in rows:
        if before is not None and timestamp(row.get("updated_at")) >= before:
            return
        yield row
