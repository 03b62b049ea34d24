"""`lgserve assistants create`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from lgserve.cli.commands.assistants.fields import ConfigOf, ContextOf, Description, Name, described
from lgserve.cli.commands.assistants.list import ASSISTANTS
from lgserve.cli.commands.assistants.show import lines_of
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.shared_options import Metadata

app = new_app("create", "Make an assistant.")


@command(app, "create", shared=open_session)
def create_assistant(
    session: Session,
    graph: Annotated[str, typer.Option("--graph", "-g", help="The graph it runs.")],
    name: Name = None,
    config: ConfigOf = None,
    context: ContextOf = None,
    metadata: Metadata = None,
    description: Description = None,
    assistant_id: Annotated[str | None, typer.Option("--id", help="Its id, a UUID.")] = None,
    if_exists: Annotated[
        Literal["raise", "do_nothing"], typer.Option("--if-exists", help="When --id is taken.")
    ] = "raise",
) -> None:
    """Make an assistant; -o id writes only its id.

    Example: lgserve assistants create -g agent --name Terse --context tone=short
    """
    body: dict[str, Any] = {"graph_id": graph}
    body |= described(name, description, config, context, metadata)
    if assistant_id:
        body |= {"assistant_id": assistant_id, "if_exists": if_exists}
    made = session.client.post("/assistants", body)
    session.out.item(ASSISTANTS, made, lines_of(session, made))
