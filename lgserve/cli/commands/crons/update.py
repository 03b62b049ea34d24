"""`lgserve crons update`."""

from __future__ import annotations

from typing import Annotated

import typer

from lgserve.cli.commands.crons import fields
from lgserve.cli.commands.crons.list import CRONS
from lgserve.cli.commands.crons.show import cron_lines
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_cron_id
from lgserve.cli.options import command
from lgserve.cli.shared_options import Metadata, Multitask, RunConfig, RunContext, RunInput

app = new_app("update", "Change a cron.")


@command(app, "update", shared=open_session)
def update_cron(
    session: Session,
    cron: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or at least 6 first characters.")
    ],
    schedule: Annotated[
        str | None, typer.Option("--schedule", "-s", help="'minute hour day month weekday'.")
    ] = None,
    assistant: Annotated[
        str | None, typer.Option("--assistant", "-a", help="Assistant id, or the name of a graph.")
    ] = None,
    given_input: RunInput = None,
    timezone: fields.Timezone = None,
    end_time: fields.EndTime = None,
    no_end_time: Annotated[
        bool, typer.Option("--no-end-time", help="Fire without an end again.")
    ] = False,
    metadata: Metadata = None,
    config: RunConfig = None,
    context: RunContext = None,
    multitask: Multitask = None,
    on_run_completed: fields.Completed = None,
    webhook: fields.Webhook = None,
) -> None:
    """Change a cron: metadata is merged, the rest replaced."""
    if end_time and no_end_time:
        raise usage_error("--end-time and --no-end-time exclude each other")
    body = fields.body_of(
        given_input=given_input, metadata=metadata, config=config, context=context,
        assistant_id=assistant, schedule=schedule, timezone=timezone, end_time=end_time,
        multitask_strategy=multitask, on_run_completed=on_run_completed, webhook=webhook,
    )  # fmt: skip
    if no_end_time:
        body["end_time"] = None
    fields.refuse_empty(body)
    cron_id = find_cron_id(session.client, cron)
    changed = session.client.patch(f"/runs/crons/{cron_id}", body)
    session.out.item(CRONS, changed, cron_lines(session.out, changed))
