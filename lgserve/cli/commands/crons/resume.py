"""`lgserve crons resume`."""

from __future__ import annotations

from lgserve.cli.commands.crons.switching import Ids, switch
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command

app = new_app("resume", "Resume crons.")


@command(app, "resume", shared=open_session)
def resume_crons(session: Session, crons: Ids) -> None:
    """Let paused crons fire again; what they missed is not made up for."""
    switch(session, crons, enabled=True)
