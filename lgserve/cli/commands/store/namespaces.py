"""`lgserve store namespaces`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import dotted, parse_namespace
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun
from lgserve.cli.paging import paged
from lgserve.cli.shared_options import Everything, Limit, Offset
from lgserve.cli.store_items import search_items, switched_off

_PAGE = 1_000
_NAMESPACES = Noun(
    id_field="dotted",
    columns=(Column(name="namespace", path="dotted"),),
    fields=("namespace",),
    derive=lambda row: {**row, "dotted": dotted(row["namespace"])},
)
_COUNTED = replace(
    _NAMESPACES,
    columns=(*_NAMESPACES.columns, Column(name="items", path="items", kind="number")),
    fields=("namespace", "items"),
)

app = new_app("namespaces", "List the namespaces.")


@command(app, "namespaces", shared=open_session, translate=switched_off)
def list_namespaces(
    session: Session,
    prefix: Annotated[
        str | None, typer.Option("--prefix", help="Starts with; * is any label.")
    ] = None,
    suffix: Annotated[
        str | None, typer.Option("--suffix", help="Ends with; * is any label.")
    ] = None,
    max_depth: Annotated[
        int | None, typer.Option("--max-depth", min=1, help="Only so many labels of each.")
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Count the items in each, and below it when cut.")
    ] = False,
    limit: Limit = 100,
    offset: Offset = 0,
    everything: Everything = False,
) -> None:
    """List the namespaces that have items."""
    body: dict[str, Any] = {}
    if prefix:
        body["prefix"] = parse_namespace(prefix)
    if suffix:
        body["suffix"] = parse_namespace(suffix)
    if max_depth:
        body["max_depth"] = max_depth
    found = _read(session, body, offset, None if everything else limit)
    if not count:
        session.out.rows(_NAMESPACES, [{"namespace": labels} for labels in found])
        return
    items = _count(session, body.get("prefix", []), max_depth)
    rows = [{"namespace": labels, "items": items[tuple(labels)]} for labels in found]
    session.out.rows(_COUNTED, rows)


def _read(
    session: Session, body: dict[str, Any], offset: int, limit: int | None
) -> list[list[str]]:
    def read(size: int, start: int) -> list[list[str]]:
        page = {**body, "limit": size, "offset": start}
        return list(session.client.query("/store/namespaces", page)["namespaces"])

    return list(paged(read, size=_PAGE, offset=offset, limit=limit))


def _count(session: Session, prefix: list[str], depth: int | None) -> Counter[tuple[str, ...]]:
    """Count by reading: the API has no such question."""
    fixed = prefix[: prefix.index("*")] if "*" in prefix else prefix
    items = search_items(session.client, {"namespace_prefix": fixed})
    return Counter(tuple(item["namespace"][:depth]) for item in items)
