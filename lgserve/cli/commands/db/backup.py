"""`lgserve db backup`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from lgserve.cli.database import NAME, DbOption, copy, find_folder, opened, schema_of
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, duration, size
from lgserve.cli.project_options import ProjectSession, open_project

_COPIED = Noun(id_field="file", columns=(), fields=("file", "bytes", "schema", "seconds"))

app = new_app("backup", "Copy the database to a file.")


@command(app, "backup", shared=open_project)
def back_up(
    session: ProjectSession,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    db: DbOption = None,
) -> None:
    """Copy the database to a file, as it is at one moment; a server may go on meanwhile.

    Example: lgserve db backup /backups/monday.db
    """
    source = find_folder(db, session.config) / NAME
    if file.is_dir() or (file.exists() and not force):
        raise CliError(
            f"{file} exists", code="E_CONFLICT", exit_code=ExitCode.CONFLICT,
            hint="name a new file" + ("" if file.is_dir() else ", or say --force"),
        )  # fmt: skip
    if file.exists() and file.samefile(source):
        raise CliError(
            f"{file} is the database itself", code="E_CONFLICT", exit_code=ExitCode.CONFLICT
        )
    began = time.monotonic()
    with opened(source) as connection:
        schema = schema_of(connection, source)
        copy(connection, file)
    seconds, length = time.monotonic() - began, file.stat().st_size
    item = {"file": str(file), "bytes": length, "schema": schema, "seconds": round(seconds, 3)}
    lines = [("file", str(file)), ("size", size(length)), ("took", duration(seconds))]
    session.out.item(_COPIED, item, lines)
