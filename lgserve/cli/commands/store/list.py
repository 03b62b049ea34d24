"""`lgserve store list`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.arguments import parse_namespace
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.store_items import ITEMS, search_items

app = new_app("list", "List the items of a namespace.")


@command(app, "list", shared=open_session)
def list_items(
    session: Session,
    namespace: Annotated[
        str, typer.Argument(metavar="[NAMESPACE]", help="Such as users.42; without it, all items.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many to skip.")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """List the items of a namespace, and of those below it."""
    body = {"namespace_prefix": parse_namespace(namespace)}
    # One more than shown tells whether there are more.
    count = None if everything else limit + 1
    rows = list(search_items(session.client, body, offset=offset, limit=count))
    shown = rows if everything else rows[:limit]
    session.out.rows(ITEMS, shown)
    if len(rows) > len(shown):
        session.out.note(f"there are more · next: --offset {offset + limit}, or --all")
