"""What `crons pause` and `crons resume` do."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from lgserve.cli.commands.crons.list import CRONS
from lgserve.cli.context import Session
from lgserve.cli.lookup import find_cron_id

Ids: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Cron ids, or at least 6 first characters.")
]


def switch(session: Session, crons: list[str], *, enabled: bool) -> None:
    """Let crons fire, or not, and write them as they are then."""
    found = dict.fromkeys(find_cron_id(session.client, text) for text in crons)
    changed = [
        session.client.patch(f"/runs/crons/{cron_id}", {"enabled": enabled}) for cron_id in found
    ]
    session.out.rows(CRONS, changed)
