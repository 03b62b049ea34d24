"""`lgserve store search`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import parse_namespace, read_json
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column
from lgserve.cli.shared_options import Limit, Metadata, Offset
from lgserve.cli.store_items import ITEMS, search_items, switched_off

_FOUND = replace(
    ITEMS,
    columns=(
        Column(name="score", path="score", kind="number"),
        *(column for column in ITEMS.columns if column.name != "updated"),
    ),
)

app = new_app("search", "Find items.")


@command(app, "search", shared=open_session, translate=switched_off)
def search(
    session: Session,
    namespace: Annotated[
        str, typer.Argument(metavar="[NAMESPACE]", help="Such as users.42; without it, all items.")
    ] = "",
    query: Annotated[str | None, typer.Option("--query", help="What it means, in words.")] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", help='key=text, key:=json, or {"n": {"$gt": 3}}. Repeatable; all must hold.'
        ),
    ] = None,
    metadata: Metadata = None,
    limit: Limit = 10,
    offset: Offset = 0,
) -> None:
    """Find items by meaning, value or metadata, in a namespace and those below it."""
    body: dict[str, Any] = {"namespace_prefix": parse_namespace(namespace)}
    if query:
        body["query"] = query
    if filters:
        body["filter"] = _filter(filters)
    if metadata:
        body["metadata"] = parse_pairs("--metadata", metadata)
    rows = list(search_items(session.client, body, offset=offset, limit=limit))
    session.out.rows(_FOUND if query else ITEMS, rows)


def _filter(given: list[str]) -> dict[str, Any]:
    """Put pairs and objects together to one filter."""
    objects = [read_json(text, "--filter") for text in given if text.startswith(("{", "@"))]
    if not all(isinstance(item, dict) for item in objects):
        raise usage_error("--filter must be an object", 'write {"n": {"$gt": 3}}')
    wanted = parse_pairs("--filter", [text for text in given if not text.startswith(("{", "@"))])
    for item in objects:
        wanted |= item
    return wanted
