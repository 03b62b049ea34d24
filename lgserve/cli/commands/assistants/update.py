"""`lgserve assistants update`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.commands.assistants.fields import (
    AssistantId,
    ConfigOf,
    ContextOf,
    Description,
    Name,
    described,
)
from lgserve.cli.commands.assistants.list import ASSISTANTS
from lgserve.cli.commands.assistants.show import lines_of
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant_id
from lgserve.cli.options import command
from lgserve.cli.shared_options import Metadata

app = new_app("update", "Change an assistant.")


@command(app, "update", shared=open_session)
def update_assistant(
    session: Session,
    assistant: AssistantId,
    graph: Annotated[
        str | None, typer.Option("--graph", "-g", help="Another graph for it to run.")
    ] = None,
    name: Name = None,
    config: ConfigOf = None,
    context: ContextOf = None,
    metadata: Metadata = None,
    description: Description = None,
) -> None:
    """Change what is named, which makes a new version; metadata is merged, the rest replaced.

    Example: lgserve assistants update Terse --context tone=friendly
    """
    body = described(name, description, config, context, metadata)
    if graph:
        body["graph_id"] = graph
    if not body:
        raise usage_error("nothing to change", "name what is to change: --name, --context, …")
    assistant_id = find_assistant_id(session.client, assistant)
    changed = session.client.patch(f"/assistants/{assistant_id}", body)
    session.out.item(ASSISTANTS, changed, lines_of(session, changed))
