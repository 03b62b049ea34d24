"""`lgserve threads import`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.commands.threads.moving import (
    HEADER,
    SHOWN,
    WHOLE,
    Progress,
    Record,
    batches,
    broken_file,
    moves_whole,
    opened_for_reading,
)
from lgserve.cli.commands.threads.pickles import read_folder
from lgserve.cli.commands.threads.rebuilding import rebuild
from lgserve.cli.commands.threads.renaming import parse_renames, renamed
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import search_threads
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun

OnConflict = Literal["fail", "skip", "replace"]
#: What became of a thread, how many checkpoints it has, and what was lost.
Stored = tuple[str, int, str | None]
#: Records that are held at a time.
_AT_ONCE = 32
_COUNTS = ("imported", "replaced", "skipped", "rebuilt", "checkpoints")

_RESULT = Noun(
    id_field="imported",
    columns=tuple(Column(name=name, path=name, kind="number") for name in _COUNTS),
    fields=(*_COUNTS, "seconds", "losses"),
)

app = new_app("import", "Read threads from a file.")


@command(app, "import", shared=open_session)
def import_threads(
    session: Session,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="What export has written; - is stdin; or a folder."),
    ],
    on_conflict: Annotated[
        OnConflict, typer.Option("--on-conflict", help="When a thread is there already.")
    ] = "fail",
    map_graph: Annotated[
        list[str] | None,
        typer.Option("--map-graph", help="old=new: under another name. Repeatable."),
    ] = None,
    trust_pickle: Annotated[
        bool,
        typer.Option(
            "--trust-pickle", help="FILE is a .langgraph_api folder; its pickles may run."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only read, and say what would happen.")
    ] = False,
) -> None:
    """Read threads, each as a whole or not at all; state, history, metadata and ids stay.

    Example: lgserve threads import threads.jsonl.gz --on-conflict skip
    """
    renames = parse_renames(map_graph or [])
    began = time.monotonic()
    counts, losses = Counter[str](), list[str]()
    if Path(file).is_dir():
        if not trust_pickle:
            raise usage_error(
                f"{file} is a folder of pickles, which can run any code when they are read",
                "add --trust-pickle if it is your own",
            )
        found = _without_checkpoints(read_folder(Path(file)), losses)
        _take(session, found, counts, losses, on_conflict, renames, dry_run)
    else:
        with opened_for_reading(file) as records:
            checked = _checked(records, file)
            _take(session, checked, counts, losses, on_conflict, renames, dry_run)
    _say(session, counts, losses, time.monotonic() - began, dry_run=dry_run)


def _without_checkpoints(records: Iterator[Record], losses: list[str]) -> Iterator[Record]:
    """Yield the threads of a folder, and count those whose checkpoints are not there yet."""
    bare = 0
    for record in records:
        bare += bool(record["thread"]["values"]) and not record["checkpoints"]
        yield record
    if bare:
        losses.append(
            f"{bare} threads have values and no checkpoints: `langgraph dev` writes them when"
            " Ctrl-C stops it; import again then, with --on-conflict replace"
        )


def _checked(records: Iterator[tuple[int, Record]], file: str) -> Iterator[Record]:
    """Yield the threads of a file, and see to it that it is one, and complete."""
    _, header = next(records, (0, {}))
    if header.get("format") != HEADER:
        raise broken_file(file, "it does not begin with the header of an export")
    if header.get("version") != 1:
        raise broken_file(file, f"its version is {header.get('version')}, and this reads 1")
    for number, record in records:
        if record.get("end"):
            return
        if record.get("format") not in (WHOLE, SHOWN) or "thread" not in record:
            raise broken_file(file, f"line {number} is not a thread")
        yield record
    raise broken_file(file, "it ends early: its last line is missing; what was there is imported")


def _take(
    session: Session,
    records: Iterator[Record],
    counts: Counter[str],
    losses: list[str],
    on_conflict: OnConflict,
    renames: dict[str, str],
    dry_run: bool,
) -> None:
    whole = moves_whole(session.client)
    progress = Progress(session, None, "imported")

    def store(record: Record) -> Stored | CliError:
        try:
            return _store(session, renamed(record, renames), on_conflict, whole=whole)
        except CliError as exc:  # those beside it in the batch go on, and are counted
            return exc

    try:
        for some in _some(records):
            if dry_run:
                _look(session, some, counts, on_conflict)
                continue
            for results in batches(some, store):
                _count(results, counts, losses)
            progress.show(_taken(counts))
    except CliError as exc:
        _say_how_to_go_on(exc, _taken(counts))
        raise
    finally:
        progress.end()


def _say_how_to_go_on(exc: CliError, done: int) -> None:
    if done:
        before = f"{done} threads were imported before; go on with --on-conflict skip"
        exc.hint = f"{exc.hint} · {before}" if exc.hint else before
    elif exc.exit_code is ExitCode.CONFLICT and exc.hint is None:
        exc.hint = "--on-conflict skip leaves it, replace takes its place"


def _count(results: list[Stored | CliError], counts: Counter[str], losses: list[str]) -> None:
    for result in results:
        if not isinstance(result, CliError):
            outcome, checkpoints, lost = result
            counts.update({outcome: 1, "checkpoints": checkpoints})
            losses.extend([lost] if lost else [])
    for result in results:
        if isinstance(result, CliError):
            raise result


def _taken(counts: Counter[str]) -> int:
    return counts["imported"] + counts["replaced"] + counts["rebuilt"]


def _some(records: Iterator[Record]) -> Iterator[list[Record]]:
    some: list[Record] = []
    error: CliError | None = None
    while error is None:
        try:
            record = next(records, None)
        except CliError as exc:  # what was read before it is taken all the same
            record, error = None, exc
        if record is not None:
            some.append(record)
        if some and (record is None or len(some) == _AT_ONCE):
            yield some
            some = []
        if record is None and error is None:
            return
    raise error


def _store(session: Session, record: Record, on_conflict: OnConflict, *, whole: bool) -> Stored:
    """Store a thread; return what became of it, how many checkpoints, and what was lost."""
    if record["format"] == SHOWN:
        return rebuild(session.client, record, on_conflict)
    if not whole:
        raise CliError(
            "this server does not take threads as a whole",
            code="E_NOT_POSSIBLE", hint="it needs lgserve; its own export can be imported here",
        )  # fmt: skip
    query = {"on_conflict": on_conflict}
    made = session.client.post("/threads/import", record, query)
    kept = 0 if made["outcome"] == "skipped" else made["checkpoints"]
    return str(made["outcome"]), int(kept), None


def _look(
    session: Session, some: list[Record], counts: Counter[str], on_conflict: OnConflict
) -> None:
    """Count what would happen."""
    ids = [str(record["thread"]["thread_id"]) for record in some]
    question = {"ids": ids, "select": ["thread_id"]}
    there = {row["thread_id"] for row in search_threads(session.client, question)}
    for record, thread_id in zip(some, ids, strict=True):
        if thread_id in there and on_conflict == "fail":
            raise CliError(
                f"thread {thread_id} is there already", code="E_CONFLICT",
                exit_code=ExitCode.CONFLICT, hint="--on-conflict skip or replace",
            )  # fmt: skip
        known = "skipped" if on_conflict == "skip" else "replaced"
        outcome = known if thread_id in there else "imported"
        size = len(record.get("checkpoints") or record.get("states") or ())
        counts.update({outcome: 1, "checkpoints": size if outcome != "skipped" else 0})


def _say(
    session: Session, counts: Counter[str], losses: list[str], seconds: float, *, dry_run: bool
) -> None:
    result: dict[str, Any] = {name: counts[name] for name in _COUNTS}
    result |= {"seconds": round(seconds, 3), "losses": losses}
    session.out.item(_RESULT, result, [(name, str(counts[name])) for name in _COUNTS])
    taken = _taken(counts)
    would = "would import" if dry_run else "imported"
    session.out.note(
        f"{would} {taken} threads, {counts['checkpoints']} checkpoints,"
        f" {counts['skipped']} skipped in {seconds:.1f} s"
    )
    for lost in losses[:10]:
        session.out.note(f"note: {lost}")
    if len(losses) > 10:
        session.out.note(f"note: and {len(losses) - 10} more")
