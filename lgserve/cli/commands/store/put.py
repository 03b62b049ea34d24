"""`lgserve store put`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import dotted, parse_namespace, read_json
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command, parse_pairs, parse_seconds
from lgserve.cli.output import size
from lgserve.cli.shared_options import Metadata
from lgserve.cli.store_items import ITEMS, bytes_of, get_item, switched_off

app = new_app("put", "Write an item.")


@command(app, "put", shared=open_session, translate=switched_off)
def put_item(
    session: Session,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Such as users.42.prefs.")],
    key: Annotated[str, typer.Argument(metavar="KEY")],
    value: Annotated[
        str | None,
        typer.Argument(metavar="[VALUE]", help="A JSON object, @file, or - for standard input."),
    ] = None,
    ttl: Annotated[str | None, typer.Option("--ttl", help="Gone after 30s, 60m, 12h, 30d.")] = None,
    metadata: Metadata = None,
    index: Annotated[
        str | None, typer.Option("--index", help="Find it by meaning by these fields: a,b.c.")
    ] = None,
    no_index: Annotated[
        bool, typer.Option("--no-index", help="Do not find it by meaning.")
    ] = False,
) -> None:
    """Write an item; one that is there is replaced."""
    if index and no_index:
        raise usage_error("--index and --no-index exclude each other")
    labels = parse_namespace(namespace)
    body: dict[str, Any] = {"namespace": labels, "key": key, "value": read_json(value, "VALUE")}
    if ttl:
        body["ttl"] = parse_seconds(ttl, "--ttl") / 60
    if metadata:
        body["metadata"] = parse_pairs("--metadata", metadata)
    if index or no_index:
        body["index"] = False if no_index else [path.strip() for path in (index or "").split(",")]
    written = session.client.put("/store/items", body)
    item = written or get_item(session.client, labels, key, refresh=False) or body
    session.out.item(ITEMS, item, _lines(session, item))
    for lacking in _dropped(body, item):
        session.out.note(f"this server has dropped the {lacking}")


def _dropped(body: dict[str, Any], item: dict[str, Any]) -> Iterator[str]:
    """Name what was asked for and is not to be seen in the item: not every server keeps it."""
    if body.get("metadata") and not item.get("metadata"):
        yield "metadata"
    if body.get("ttl") and not item.get("expires_at"):
        yield "time to live, or does not tell it"


def _lines(session: Session, item: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("put", f"{dotted(item['namespace'])}/{item['key']}"),
        ("size", size(bytes_of(item["value"]))),
        ("expires", session.out.time(item.get("expires_at"))),
    ]
    return [(label, text) for label, text in lines if text]
