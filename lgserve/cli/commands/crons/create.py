"""`lgserve crons create`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.commands.crons import fields
from lgserve.cli.commands.crons.list import CRONS
from lgserve.cli.commands.crons.show import cron_lines
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.shared_options import Metadata, Multitask, RunConfig, RunContext, RunInput

app = new_app("create", "Make a cron.")


@command(app, "create", shared=open_session)
def create_cron(
    session: Session,
    assistant: Annotated[
        str, typer.Option("--assistant", "-a", help="Assistant id, or the name of a graph.")
    ],
    schedule: Annotated[
        str, typer.Option("--schedule", "-s", help="'minute hour day month weekday [second]'.")
    ],
    given_input: RunInput = None,
    timezone: fields.Timezone = None,
    end_time: fields.EndTime = None,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="On this thread; without it, on new ones.")
    ] = None,
    metadata: Metadata = None,
    config: RunConfig = None,
    context: RunContext = None,
    multitask: Multitask = None,
    on_run_completed: fields.Completed = None,
    webhook: fields.Webhook = None,
    paused: Annotated[bool, typer.Option("--paused", help="Do not fire until resumed.")] = False,
) -> None:
    """Let an assistant run by a schedule; -o id writes only the cron's id."""
    body = fields.body_of(
        given_input=given_input, metadata=metadata, config=config, context=context,
        assistant_id=assistant, schedule=schedule, timezone=timezone, end_time=end_time,
        multitask_strategy=multitask, on_run_completed=on_run_completed, webhook=webhook,
        enabled=False if paused else None,
    )  # fmt: skip
    path = "/runs/crons"
    if thread:
        path = f"/threads/{find_thread_id(session.client, thread)}{path}"
    cron = session.client.post(path, body)
    session.out.item(CRONS, cron, cron_lines(session.out, cron))
