"""`lgserve store get`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import dotted, parse_namespace, raw, value_at
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import pairs, write
from lgserve.cli.store_items import ITEMS, get_item, missing_item, switched_off

app = new_app("get", "Show an item.")


@command(app, "get", shared=open_session, translate=switched_off)
def show_item(
    session: Session,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Such as users.42.prefs.")],
    key: Annotated[str, typer.Argument(metavar="KEY")],
    only_value: Annotated[
        bool, typer.Option("--raw", help="Only the value; a text without quotes.")
    ] = False,
    path: Annotated[
        str | None, typer.Option("--path", help="Only this part of the value: a.b[0].")
    ] = None,
    no_refresh_ttl: Annotated[
        bool, typer.Option("--no-refresh-ttl", help="Do not let the item live longer.")
    ] = False,
) -> None:
    """Show an item, or its value, or a part of that."""
    labels = parse_namespace(namespace)
    refresh = False if no_refresh_ttl else None
    item = get_item(session.client, labels, key, refresh=refresh)
    if item is None:
        raise missing_item(session.client, labels, key)
    value = value_at(item["value"], path) if path else item["value"]
    if only_value:
        write(f"{raw(value)}\n")
    elif path:
        session.out.value(value)
    else:
        session.out.item(ITEMS, item, _lines(session, item))


def _lines(session: Session, item: dict[str, Any]) -> list[tuple[str, str]]:
    out = session.out
    lines = [
        ("namespace", dotted(item["namespace"])),
        ("key", item["key"]),
        ("created", out.time(item.get("created_at"))),
        ("updated", out.time(item.get("updated_at"))),
        ("expires", out.time(item.get("expires_at"))),
        ("metadata", pairs(item.get("metadata") or {})),
        ("value", json.dumps(item["value"], ensure_ascii=False)),
    ]
    return [(label, text) for label, text in lines if text]
