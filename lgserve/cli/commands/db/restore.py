"""`lgserve db restore`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.confirming import Yes, confirm, need_yes
from lgserve.cli.database import (
    NAME,
    DbOption,
    copy,
    exclusively,
    folder_to_fill,
    opened,
    problems_of,
    schema_of,
)  # fmt: skip
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun
from lgserve.cli.project_options import ProjectSession, open_project

_RESTORED = Noun(id_field="path", columns=(), fields=("path", "schema", "before"))

_ANOTHER = "nothing was changed; name another backup"

app = new_app("restore", "Put a backup in the place of the database.")


@command(app, "restore", shared=open_project)
def restore(
    session: ProjectSession,
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `db backup` has written.")],
    yes: Yes = False,
    db: DbOption = None,
) -> None:
    """Put a backup in the place of the database; no server may run. The old one is kept beside it.

    Example: lgserve db restore /backups/monday.db
    """
    if not file.is_file():
        raise usage_error(f"{file} does not exist", "name a file that `db backup` has written")
    folder = folder_to_fill(db, session.config)
    target = folder / NAME
    if target.exists() and target.samefile(file):
        raise usage_error(f"{file} is the database itself")
    schema = _examine(file)
    with exclusively(folder):
        if target.exists():
            need_yes(yes=yes, arguments=tuple(ctx.find_root().obj or ()))
            confirm(f"put {file} in the place of {target}?", yes=yes)
        before = _move_away(target) if target.exists() else None
        try:
            with opened(file) as connection:
                copy(connection, target)
        except BaseException:
            if before is not None:
                _rename(before, target)
            raise
    item = {"path": str(target), "schema": schema, "before": before and str(before)}
    lines = [("database", str(target)), ("before", str(before or ""))]
    session.out.item(_RESTORED, item, [(label, text) for label, text in lines if text])


def _examine(file: Path) -> int:
    """Return the schema of a backup; refuse one that no server of this version could open."""
    from lgserve.storage.schema import newest_version

    try:
        with opened(file) as connection:
            schema, problems = schema_of(connection, file), problems_of(connection)
    except CliError as exc:
        exc.hint = _ANOTHER
        raise
    if problems:
        raise CliError(
            f"{file} is damaged", code="E_UNSOUND", exit_code=ExitCode.UNSOUND,
            details="\n".join(problems), hint=_ANOTHER,
        )  # fmt: skip
    if schema > newest_version():
        raise CliError(
            f"{file} has schema {schema}, this lgserve knows {newest_version()}",
            code="E_STORAGE",
            hint="use a newer lgserve",
        )
    return schema


def _move_away(target: Path) -> Path:
    """Rename the database and what SQLite keeps beside it, so that it can still be opened."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    before = target.with_name(f"{target.stem}-before-{stamp}-{time.monotonic_ns() % 10**6}.db")
    _rename(target, before)
    return before


def _rename(old: Path, new: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        part = old.with_name(f"{old.name}{suffix}")
        if part.exists():
            part.replace(new.with_name(f"{new.name}{suffix}"))
