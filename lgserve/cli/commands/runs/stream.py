"""`lgserve runs stream`."""

from __future__ import annotations

import http.client
from typing import Annotated
from urllib.parse import urlencode

import typer

from lgserve.cli.commands.runs.following import Followed, settle
from lgserve.cli.context import Session, open_session
from lgserve.cli.events import follow
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, find_run
from lgserve.cli.options import command
from lgserve.cli.shared_options import ExitStatus, RunId, ThreadOfRun
from lgserve.cli.showing_events import EventWriter

app = new_app("stream", "Follow a run.")


@command(app, "stream", shared=open_session)
def stream_run(
    session: Session,
    run_id: RunId,
    thread: ThreadOfRun = None,
    mode: Annotated[
        list[str] | None, typer.Option("--mode", help="Only events of these modes. Repeatable.")
    ] = None,
    last_event_id: Annotated[
        str, typer.Option("--last-event-id", help="Go on after this event; -1 is the beginning.")
    ] = "-1",
    exit_status: ExitStatus = False,
) -> None:
    """Follow a run to its end: the events that the server has kept, and those that come.

    Runs started with --stream (stream_resumable in the API) are kept from the beginning.
    """
    run = find_run(session.client, run_id, thread, RECENT_THREADS)
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
    query = urlencode([("stream_mode", name) for name in mode or ()])

    def reopen(last_id: str | None) -> http.client.HTTPResponse:
        headers = {"last-event-id": last_id or last_event_id}
        return session.client.open("GET", f"{path}?{query}" if query else path, headers=headers)

    writer = EventWriter(session.out)
    for event in follow(session.client, reopen(None), reopen, session.out.note):
        writer.show(event)
    writer.finish()
    followed = Followed(run_id=run["run_id"], thread_id=run["thread_id"], error=writer.error)
    settle(session, followed, exit_status=exit_status)
