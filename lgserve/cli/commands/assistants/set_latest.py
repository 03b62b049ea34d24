"""`lgserve assistants set-latest`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.commands.assistants.fields import AssistantId
from lgserve.cli.commands.assistants.list import ASSISTANTS
from lgserve.cli.commands.assistants.show import lines_of
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant_id
from lgserve.cli.options import command

app = new_app("set-latest", "Go back, or forward, to a version.")


@command(app, "set-latest", shared=open_session)
def set_latest(
    session: Session,
    assistant: AssistantId,
    version: Annotated[int, typer.Argument(metavar="N", min=1, help="The version.")],
) -> None:
    """Have an assistant run one of its versions; `versions` lists them.

    Example: lgserve assistants set-latest Terse 1
    """
    assistant_id = find_assistant_id(session.client, assistant)
    made = session.client.post(f"/assistants/{assistant_id}/latest", {"version": version})
    session.out.item(ASSISTANTS, made, lines_of(session, made))
