"""`lgserve webhooks redeliver`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.commands.webhooks.list import WEBHOOKS
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_webhook_id, list_webhooks
from lgserve.cli.options import command

app = new_app("redeliver", "Deliver again, with the same id.")


@command(app, "redeliver", shared=open_session)
def redeliver(
    session: Session,
    webhooks: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Their ids, or at least 6 first characters."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that were given up, in place of ids.")
    ] = False,
) -> None:
    """Deliver again, with the same id: a receiver that has seen it can tell."""
    if bool(webhooks) == failed:
        raise usage_error("name deliveries, or --failed for all that were given up")
    client = session.client
    found = (
        [row["webhook_id"] for row in list_webhooks(client, {"status": "failed"})]
        if failed
        else list(dict.fromkeys(find_webhook_id(client, text) for text in webhooks or ()))
    )
    asked = [client.post(f"/webhooks/{webhook_id}/redeliver") for webhook_id in found]
    session.out.rows(WEBHOOKS, asked)
