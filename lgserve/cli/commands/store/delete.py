"""`lgserve store delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.arguments import dotted, parse_namespace
from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.deleting import DryRun, IgnoreMissing, show_found
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun
from lgserve.cli.store_items import get_item, items_in, missing_item, switched_off

_DELETED = Noun(
    id_field="key",
    columns=(Column(name="deleted", path="path"),),
    fields=("namespace", "key"),
    derive=lambda row: {**row, "path": f"{dotted(row['namespace'])}/{row['key']}"},
)

app = new_app("delete", "Delete items.")


@command(app, "delete", shared=open_session, translate=switched_off)
def delete_items(
    session: Session,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Such as users.42.prefs.")],
    keys: Annotated[list[str], typer.Argument(metavar="KEY...")],
    prefix: Annotated[
        bool, typer.Option("--prefix", help="All items whose key starts with KEY; '' is every one.")
    ] = False,
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete items of one namespace."""
    if not dry_run:
        need_yes(yes=yes, arguments=session.arguments)
    labels = parse_namespace(namespace)
    found = _starting_with(session, labels, keys) if prefix else _existing(session, labels, keys)
    missing = [] if prefix or ignore_missing else [key for key in keys if key not in found]
    if missing:
        raise missing_item(session.client, labels, missing[0])
    rows = [{"namespace": labels, "key": key} for key in found]
    if dry_run:
        show_found(session, _DELETED, rows)
        return
    if found:
        confirm(f"delete {_named(found)} in {dotted(labels)}?", yes=yes)
    for key in found:
        session.client.delete("/store/items", {"namespace": labels, "key": key})
    session.out.rows(_DELETED, rows)


def _starting_with(session: Session, namespace: list[str], starts: list[str]) -> list[str]:
    keys = [item["key"] for item in items_in(session.client, namespace)]
    return [key for key in keys if key.startswith(tuple(starts))]


def _existing(session: Session, namespace: list[str], keys: list[str]) -> list[str]:
    there = (key for key in keys if get_item(session.client, namespace, key, refresh=False))
    return list(dict.fromkeys(there))


def _named(keys: list[str]) -> str:
    return f'"{keys[0]}"' if len(keys) == 1 else f"{len(keys)} items"
