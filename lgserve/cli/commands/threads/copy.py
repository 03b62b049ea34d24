"""`lgserve threads copy`."""

from __future__ import annotations

from lgserve.cli.commands.threads.list import THREADS
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.output import pairs
from lgserve.cli.shared_options import ThreadId

app = new_app("copy", "Copy a thread.")


@command(app, "copy", shared=open_session)
def copy_thread(session: Session, thread_id: ThreadId) -> None:
    """Make a thread that stands where another one does, with its history, without its runs.

    Example: lgserve threads copy @last -o id
    """
    whole_id = find_thread_id(session.client, thread_id)
    made = session.client.post(f"/threads/{whole_id}/copy")
    if "thread_id" not in (made or {}):  # the reference does not say it in every release
        made = {"thread_id": None, "status": "", **(made or {})}
    lines = [
        ("thread", str(made["thread_id"])),
        ("copy of", whole_id),
        ("status", str(made["status"])),
        ("metadata", pairs(made.get("metadata") or {})),
    ]
    session.out.item(THREADS, made, [(label, text) for label, text in lines if text])
