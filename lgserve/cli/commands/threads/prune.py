"""`lgserve threads prune`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from lgserve.cli.commands.threads.selecting import Graph, Ids, OlderThan, chosen_threads
from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun
from lgserve.cli.shared_options import Metadata

Status = Literal["idle", "busy", "interrupted", "error"]
#: Threads that one request names.
_BATCH = 100

_PRUNED = Noun(
    id_field="thread_id",
    columns=(
        Column(name="thread", path="thread_id"),
        Column(name="status", path="status", kind="status"),
        Column(name="updated", path="updated_at", kind="time"),
    ),
    fields=("thread_id", "status", "updated_at"),
)
_RESULT = Noun(
    id_field="pruned",
    columns=(Column(name="strategy", path="strategy"), Column(name="pruned", path="pruned")),
    fields=("strategy", "pruned", "threads"),
)

app = new_app("prune", "Delete old threads, or checkpoints but the latest.")


@command(app, "prune", shared=open_session)
def prune_threads(
    session: Session,
    thread_ids: Ids = None,
    keep_latest: Annotated[
        bool,
        typer.Option("--keep-latest", help="Keep the threads; delete checkpoints but the latest."),
    ] = False,
    older_than: OlderThan = None,
    status: Annotated[
        Status | None, typer.Option("--status", help="Only with this status.")
    ] = None,
    graph: Graph = None,
    metadata: Metadata = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which threads are meant.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete threads that are --older-than; with --keep-latest, thin them out instead.

    --keep-latest is for named threads, for those that filters find, or for all. Busy threads are
    left alone, unless --status busy is said.

    Example: lgserve threads prune --older-than 30d --status idle --dry-run
    """
    if not keep_latest and older_than is None:
        raise usage_error("what is to be pruned?", "say --keep-latest, or --older-than 30d")
    if not dry_run:
        need_yes(yes=yes, arguments=session.arguments)
    rows = [
        row
        for row in chosen_threads(
            session.client, thread_ids, status=status, graph=graph, metadata=metadata,
            older_than=older_than,
        )
        if row.get("status") != "busy" or status == "busy"
    ]  # fmt: skip
    if dry_run:
        session.out.rows(_PRUNED, rows)
        what = "lose checkpoints but the latest" if keep_latest else "be deleted"
        session.out.note(f"--dry-run: {len(rows)} threads would {what}")
        return
    strategy = "keep_latest" if keep_latest else "delete"
    if rows:
        what = "checkpoints but the latest of" if keep_latest else ""
        confirm(f"delete {what + ' ' if what else ''}{len(rows)} threads?", yes=yes)
    pruned = sum(
        session.client.post("/threads/prune", {"thread_ids": some, "strategy": strategy})[
            "pruned_count"
        ]
        for some in _batches([row["thread_id"] for row in rows])
    )
    result: dict[str, Any] = {"strategy": strategy, "pruned": pruned, "threads": len(rows)}
    session.out.item(_RESULT, result, [("strategy", strategy), ("pruned", str(pruned))])


def _batches(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH)]
