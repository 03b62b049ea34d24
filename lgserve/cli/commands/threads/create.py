"""`lgserve threads create`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from lgserve.cli.commands.threads.list import THREADS
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import ExitCode, hinting
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command, parse_pairs
from lgserve.cli.output import pairs
from lgserve.cli.shared_options import Metadata

app = new_app("create", "Make a thread.")


@command(app, "create", shared=open_session)
def create_thread(
    session: Session,
    thread_id: Annotated[str | None, typer.Option("--id", help="Its id, a UUID.")] = None,
    metadata: Metadata = None,
    graph: Annotated[
        str | None, typer.Option("--graph", help="The graph whose state it may hold at once.")
    ] = None,
    if_exists: Annotated[
        Literal["raise", "do_nothing"], typer.Option("--if-exists", help="When --id is taken.")
    ] = "raise",
) -> None:
    """Make a thread; -o id writes only its id."""
    body: dict[str, Any] = {"metadata": parse_pairs("--metadata", metadata or [])}
    if graph:
        body["metadata"]["graph_id"] = graph
    if thread_id:
        body |= {"thread_id": thread_id, "if_exists": if_exists}
    with hinting(
        ExitCode.CONFLICT,
        f"--if-exists do_nothing takes the one there is · lgserve threads show {thread_id}",
    ):
        thread = session.client.post("/threads", body)
    lines = [
        ("thread", str(thread["thread_id"])),
        ("status", str(thread["status"])),
        ("metadata", pairs(thread.get("metadata") or {})),
    ]
    session.out.item(THREADS, thread, [(label, text) for label, text in lines if text])
