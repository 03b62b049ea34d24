"""`lgserve crons list`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant_id, find_thread_id, search_crons
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import Column, Noun, Row
from lgserve.cli.paging import how_many
from lgserve.cli.shared_options import Everything, Limit, Metadata, Offset, Order

Sort = Literal[
    "created_at", "updated_at", "next_run_date", "end_time", "cron_id", "assistant_id", "thread_id"
]


def _derived(cron: Row) -> Row:
    return {**cron, "on": "yes" if cron.get("enabled", True) else "paused"}


CRONS = Noun(
    id_field="cron_id",
    columns=(
        Column(name="id", path="cron_id", kind="id"),
        Column(name="assistant", path="assistant_id", kind="id"),
        Column(name="thread", path="thread_id", kind="id"),
        Column(name="schedule", path="schedule"),
        Column(name="timezone", path="timezone"),
        Column(name="on", path="on"),
        Column(name="next", path="next_run_date", kind="time"),
        Column(name="metadata", path="metadata"),
    ),
    fields=(
        "cron_id", "assistant_id", "thread_id", "user_id", "end_time", "schedule", "timezone",
        "payload", "next_run_date", "metadata", "on_run_completed", "enabled", "created_at",
        "updated_at",
    ),
    derive=_derived,
)  # fmt: skip

app = new_app("list", "List crons.")


@command(app, "list", shared=open_session)
def list_crons(
    session: Session,
    assistant: Annotated[
        str | None, typer.Option("--assistant", "-a", help="Only of this assistant.")
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Only on this thread.")
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--paused", help="Only those that fire, or do not.")
    ] = None,
    metadata: Metadata = None,
    sort: Annotated[Sort, typer.Option("--sort", help="What to sort by.")] = "created_at",
    order: Order = "desc",
    limit: Limit = 20,
    offset: Offset = 0,
    everything: Everything = False,
) -> None:
    """List crons, the latest first."""
    question: dict[str, Any] = {
        "assistant_id": assistant and find_assistant_id(session.client, assistant),
        "thread_id": thread and find_thread_id(session.client, thread),
        "enabled": enabled,
        "metadata": parse_pairs("--metadata", metadata or []) or None,
    }
    question = {key: value for key, value in question.items() if value is not None}
    body = {**question, "sort_by": sort, "sort_order": order}
    count = None if everything else limit
    rows = list(search_crons(session.client, body, offset=offset, limit=count))
    session.out.rows(CRONS, rows)
    if session.out.format == "table":
        total = session.client.count("/runs/crons/count", question)
        session.out.note(how_many(len(rows), total, offset, "lgserve crons list "))
