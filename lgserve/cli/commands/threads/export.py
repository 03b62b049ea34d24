"""`lgserve threads export`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.commands.threads.moving import (
    HEADER,
    Progress,
    batches,
    export_one,
    moves_whole,
    opened_for_writing,
)
from lgserve.cli.commands.threads.selecting import Graph, Ids, OlderThan, chosen_threads
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.shared_options import Everything, Metadata

Status = Literal["idle", "busy", "interrupted", "error"]

app = new_app("export", "Write threads into a file.")


@command(app, "export", shared=open_session)
def export_threads(
    session: Session,
    thread_ids: Ids = None,
    file: Annotated[
        str, typer.Option("--file", "-f", help="out.jsonl, out.jsonl.gz, out.jsonl.zst; -: stdout.")
    ] = "-",
    everything: Everything = False,
    status: Annotated[
        Status | None, typer.Option("--status", help="Only with this status.")
    ] = None,
    graph: Graph = None,
    metadata: Metadata = None,
    older_than: OlderThan = None,
) -> None:
    """Write threads with state, whole history and metadata into a file of JSON lines.

    `lgserve threads import` reads it, here or on another server. A reference server gives what its
    API shows: the main line of each history, without forks, subgraphs and open questions.

    Example: lgserve threads export --all -f threads.jsonl.gz
    """
    if not (thread_ids or everything or status or graph or metadata or older_than):
        raise usage_error("no thread is named", "give ids, a filter such as --graph, or --all")
    if file == "-" and session.out.terminal:
        raise usage_error("this writes a file", "name it: -f threads.jsonl.gz")
    began = time.monotonic()
    rows = chosen_threads(
        session.client, thread_ids, status=status, graph=graph, metadata=metadata,
        older_than=older_than,
    )  # fmt: skip
    chosen = [row["thread_id"] for row in rows]
    whole = moves_whole(session.client)
    if not whole:
        session.out.note("note: this server shows its API only; forks and subgraphs are left out")
    progress = Progress(session, len(chosen), "exported")
    with opened_for_writing(file) as write_line:
        write_line(_header(session, whole=whole))
        threads = checkpoints = 0
        for record in _records(session, chosen, whole=whole):
            write_line(record)
            threads += 1
            checkpoints += len(record.get("checkpoints") or record.get("states") or ())
            progress.show(threads)
        write_line({"end": True, "threads": threads, "checkpoints": checkpoints})
    progress.end()
    seconds = time.monotonic() - began
    session.out.note(f"exported {threads} threads, {checkpoints} checkpoints in {seconds:.1f} s")


def _header(session: Session, *, whole: bool) -> dict[str, Any]:
    info = session.client.get("/info")
    return {
        "format": HEADER,
        "version": 1,
        "exported_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "server": {
            "url": session.client.connection.url,
            "lgserve_version": info.get("lgserve_version"),
            "version": info.get("version"),
        },
        "records": "whole" if whole else "api",
    }


def _records(session: Session, chosen: list[str], *, whole: bool) -> Iterator[dict[str, Any]]:
    """Yield the threads that are still there, in order, some read at a time."""
    for some in batches(chosen, lambda each: export_one(session.client, each, whole=whole)):
        yield from (record for record in some if record is not None)
