"""`lgserve store list`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.arguments import parse_namespace
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.shared_options import Everything, Limit, Offset
from lgserve.cli.store_items import ITEMS, search_items, switched_off

app = new_app("list", "List the items of a namespace.")


@command(app, "list", shared=open_session, translate=switched_off)
def list_items(
    session: Session,
    namespace: Annotated[
        str, typer.Argument(metavar="[NAMESPACE]", help="Such as users.42; without it, all items.")
    ] = "",
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
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
