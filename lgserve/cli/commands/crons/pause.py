"""`lgserve crons pause`."""

from __future__ import annotations

from lgserve.cli.commands.crons.switching import Ids, switch
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command

app = new_app("pause", "Pause crons.")


@command(app, "pause", shared=open_session)
def pause_crons(session: Session, crons: Ids) -> None:
    """Let crons fire no more, until they are resumed."""
    switch(session, crons, enabled=False)
