"""`lgserve runs tail`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.commands.runs.firehose import Firehose, Source, all_runs, one_run, thread_runs
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import RECENT_THREADS, find_run, find_thread_id
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.output import Row, duration, write

Status = Literal["pending", "running", "success", "error", "timeout", "interrupted"]

app = new_app("tail", "Follow the runs of a thread, or of the whole server.")


@command(app, "tail", shared=open_session)
def tail_runs(
    session: Session,
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Only this run, to its end (id, beginning, @last)."),
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Only of this thread.")
    ] = None,
    graph: Annotated[str | None, typer.Option("--graph", help="Only of this graph.")] = None,
    status: Annotated[
        Status | None, typer.Option("--status", help="Only when they come to this status.")
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="With what the runs say, as it comes.")
    ] = False,
    interval: Annotated[
        str, typer.Option("--interval", "-n", help="How often the server is asked.")
    ] = "1s",
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="End after so many lines.")
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="End after 30s, 5m, 2h. [never; a RUN: its end]")
    ] = None,
) -> None:
    """Follow runs: what is going on now, and then whatever begins, changes and ends.

    Without RUN and --thread, all runs of the server that you may see. Ends with Ctrl-C, --count,
    --for, or with the RUN that was named.

    Example: lgserve runs tail --events -o jsonl
    """
    seconds = parse_seconds(interval)
    if seconds < 0.05:
        raise usage_error("--interval is at least 50ms")
    until = time.monotonic() + parse_seconds(for_) if for_ else None
    source = _source(session, run_id, thread)
    firehose = Firehose(session.client, source, seconds=seconds, until=until, events=events)
    lines = (line for line in firehose.lines() if _is_wanted(line, graph, status))
    _write(session, islice(lines, count))


def _source(session: Session, run_id: str | None, thread: str | None) -> Source:
    client = session.client
    if run_id is not None:
        run = find_run(client, run_id, thread, RECENT_THREADS)
        return one_run(client, run["thread_id"], run["run_id"])
    if thread is not None:
        return thread_runs(client, find_thread_id(client, thread))
    return all_runs(client)


def _is_wanted(line: Row, graph: str | None, status: str | None) -> bool:
    if graph is not None and line["graph"] != graph:
        return False
    return status is None or line["type"] == "event" or line["status"] == status


def _write(session: Session, lines: Iterator[dict[str, Any]]) -> None:
    """Write lines as they come; a document is one only when it is complete."""
    out = session.out
    if out.format in ("json", "yaml"):
        out.value(list(lines))
        return
    for line in lines:
        if out.format == "jsonl":
            write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        elif out.format == "id":
            write(f"{line['run_id']}\n")
        else:
            write(_text(session, line))


def _text(session: Session, line: Row) -> str:
    out = session.out
    when = time.strftime("%H:%M:%S") if out.terminal else str(line["at"])
    ids = [out.identifier(line["run_id"]), line["graph"], out.identifier(line["thread_id"])]
    if line["type"] == "event":
        facts = [line["event"], json.dumps(line["data"], ensure_ascii=False)]
    else:
        facts = [line["status"], _facts(line)]
    cells = [cell for cell in (when, *ids, *facts) if cell]
    safe = [
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in t) for t in cells
    ]
    return ("  " if out.terminal else "\t").join(safe) + "\n"


def _facts(line: Row) -> str:
    parts = [duration(line["seconds"])] if line["seconds"] is not None else []
    if line["reason"]:
        parts.append(str(line["reason"]))
    return " ".join(parts)
