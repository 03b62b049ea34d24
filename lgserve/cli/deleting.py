"""How commands delete several things: each that is missing is told, and nothing goes unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

import typer

from lgserve.cli.confirming import confirm
from lgserve.cli.context import Session
from lgserve.cli.errors import CliError, ExitCode, report
from lgserve.cli.options import JSON_FORMATS
from lgserve.cli.output import Noun

T = TypeVar("T")
V = TypeVar("V")
Row = dict[str, Any]

IgnoreMissing: TypeAlias = Annotated[
    bool, typer.Option("--ignore-missing", help="One that is not there is no failure.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Only say which would be deleted.")
]


def named(ids: Sequence[str], plural: str) -> str:
    """Return the id of the only one, or how many there are."""
    return ids[0] if len(ids) == 1 else f"{len(ids)} {plural}"


def find_each(
    session: Session,
    deleted: Noun,
    texts: Iterable[str],
    find: Callable[[str], Row],
    *,
    ignore_missing: bool,
) -> list[Row]:
    """Return what the texts name, each once, with the noun's fields.

    Raises:
        CliError: one is missing, and that is not to be ignored.
    """
    found, missing = _with_each(texts, find)
    if not ignore_missing:
        _fail_for(session, missing)
    once = {row[deleted.id_field]: row for row in found}
    return [{name: row.get(name) for name in deleted.fields} for row in once.values()]


def delete_found(
    session: Session,
    deleted: Noun,
    rows: Sequence[Row],
    path: Callable[[Row], str],
    question: str,
    *,
    yes: bool,
) -> None:
    """Delete what was found, if the answer to the question is yes, and write what it was."""
    if rows:
        confirm(question, yes=yes)
    for row in rows:
        session.client.delete(path(row))
    session.out.rows(deleted, rows)


def show_found(session: Session, deleted: Noun, rows: Sequence[Row]) -> None:
    """Write what would be deleted."""
    session.out.rows(deleted, rows)
    session.out.note(f"--dry-run: {len(rows)} would be deleted")


def show_each(
    session: Session,
    deleted: Noun,
    texts: Iterable[str],
    find: Callable[[str], Row],
    *,
    ignore_missing: bool,
) -> None:
    """Write what would be deleted of that which the texts name."""
    rows = find_each(session, deleted, texts, find, ignore_missing=ignore_missing)
    show_found(session, deleted, rows)


def delete_each(
    session: Session, deleted: Noun, ids: Iterable[str], path: str, *, ignore_missing: bool
) -> None:
    """Delete what has these ids below a path, whichever are missing, and write which were there."""

    def delete(one: str) -> Row:
        session.client.delete(f"{path}/{one}")
        return {deleted.id_field: one}

    rows, missing = _with_each(ids, delete)
    if rows or ignore_missing:
        session.out.rows(deleted, rows)
    if not ignore_missing:
        _fail_for(session, missing)


def _with_each(things: Iterable[T], act: Callable[[T], V]) -> tuple[list[V], list[CliError]]:
    """Do something with each thing; return what came of it, and the errors of those missing."""
    results: list[V] = []
    missing: list[CliError] = []
    for thing in things:
        try:
            results.append(act(thing))
        except CliError as exc:
            if exc.exit_code is not ExitCode.NOT_FOUND:
                raise
            missing.append(exc)
    return results, missing


def _fail_for(session: Session, missing: Sequence[CliError]) -> None:
    """Report each that is missing: the last one as the command's own error."""
    for error in missing[:-1]:
        report(error, as_json=session.out.format in JSON_FORMATS)
    if missing:
        raise missing[-1]
