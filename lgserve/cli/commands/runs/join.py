"""`lgserve runs join`."""

from __future__ import annotations

import json
from functools import partial

from lgserve.cli.commands.runs.following import Followed, end_of, settle
from lgserve.cli.commands.runs.start import read_all
from lgserve.cli.context import Session, open_session
from lgserve.cli.events import retry
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, find_run
from lgserve.cli.options import command
from lgserve.cli.output import write
from lgserve.cli.shared_options import ExitStatus, RunId, ThreadOfRun
from lgserve.cli.showing_events import tell_of_interrupts

app = new_app("join", "Wait for the result of a run.")


@command(app, "join", shared=open_session)
def join_run(
    session: Session, run_id: RunId, thread: ThreadOfRun = None, exit_status: ExitStatus = False
) -> None:
    """Wait for a run to end, and write its result; a lost connection is made anew.

    Example: lgserve runs join @last --exit-status
    """
    run = find_run(session.client, run_id, thread, RECENT_THREADS)
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/join"
    reopen = partial(session.client.open, "GET", path)
    opened = retry(session.client, reopen, session.out.note)
    result = json.loads(read_all(session, opened, reopen) or b"null")
    if session.out.format == "id":
        write(f"{run['run_id']}\n")
    else:
        session.out.value(result)
    followed = Followed(run_id=run["run_id"], thread_id=run["thread_id"])
    if isinstance(result, dict):
        followed.error = end_of(result)
        answer = f"lgserve threads resume {run['thread_id']} --value '…'"
        tell_of_interrupts(session.out, result.get("__interrupt__"), answer)
    settle(session, followed, exit_status=exit_status)
