"""`lgserve db vacuum`."""

from __future__ import annotations

import sqlite3

from lgserve.cli.database import NAME, DbOption, exclusively, find_folder, opened, schema_of
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, size
from lgserve.cli.project_options import ProjectSession, open_project

_SHRUNK = Noun(id_field="path", columns=(), fields=("path", "bytes_before", "bytes"))

app = new_app("vacuum", "Give back space.")


@command(app, "vacuum", shared=open_project)
def vacuum(session: ProjectSession, db: DbOption = None) -> None:
    """Give back the space that nothing uses, and let SQLite look at its indexes; no server may run.

    Example: lgserve db vacuum
    """
    folder = find_folder(db, session.config)
    file = folder / NAME
    with exclusively(folder), opened(file, writing=True) as connection:
        schema_of(connection, file)
        _fold_in(connection)
        before = file.stat().st_size
        connection.execute("VACUUM")
        connection.execute("PRAGMA optimize").fetchall()
        _fold_in(connection)
    after = file.stat().st_size
    item = {"path": str(file), "bytes_before": before, "bytes": after}
    lines = [("database", str(file)), ("size", f"{size(before)} → {size(after)}")]
    session.out.item(_SHRUNK, item, lines)


def _fold_in(connection: sqlite3.Connection) -> None:
    """Write what is in the WAL into the file."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
