"""`lgserve db status`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from lgserve.cli.database import NAME, DbOption, find_folder, holder, opened, schema_of
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, size
from lgserve.cli.project_options import ProjectSession, open_project

STATUS = Noun(
    id_field="path",
    columns=(),
    fields=(
        "path",
        "bytes",
        "wal_bytes",
        "free_bytes",
        "schema",
        "newest_schema",
        "held_by",
        "rows",
    ),
)
#: What is counted, by table.
_TABLES = {
    "assistants": "assistants", "threads": "threads", "runs": "runs",
    "checkpoints": "checkpoints", "store_items": "store items", "crons": "crons",
}  # fmt: skip

app = new_app("status", "Show the database.")


@command(app, "status", shared=open_project)
def show_status(session: ProjectSession, db: DbOption = None) -> None:
    """Show the database: its size, its schema, what is in it, and which server holds it.

    Example: lgserve db status
    """
    folder = find_folder(db, session.config)
    item = read_status(folder)
    session.out.item(STATUS, item, _lines(item))


def read_status(folder: Path) -> dict[str, Any]:
    """Describe the database in a folder; safe while a server writes to it."""
    from lgserve.storage.schema import newest_version

    file = folder / NAME
    with opened(file) as connection:
        page, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "freelist_count")
        )
        return {
            "path": str(file),
            "bytes": file.stat().st_size,
            "wal_bytes": _bytes(folder / f"{NAME}-wal"),
            "free_bytes": page * free,
            "schema": schema_of(connection, file),
            "newest_schema": newest_version(),
            "held_by": holder(folder),
            "sqlite": sqlite3.sqlite_version,
            "rows": _rows(connection),
        }


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    there = {name for (name,) in connection.execute(query)}
    return {
        label: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table, label in _TABLES.items()
        if table in there
    }


def _lines(item: dict[str, Any]) -> list[tuple[str, str]]:
    wal = f" · WAL {size(item['wal_bytes'])}" if item["wal_bytes"] else ""
    free = f" · {size(item['free_bytes'])} unused" if item["free_bytes"] else ""
    return [
        ("database", str(item["path"])),
        ("size", f"{size(item['bytes'])}{wal}{free}"),
        ("schema", _schema(item["schema"], item["newest_schema"])),
        ("held by", f"a server (pid {item['held_by']})" if item["held_by"] else "nobody"),
        *((label, str(count)) for label, count in item["rows"].items()),
    ]


def _schema(found: int, newest: int) -> str:
    if found == newest:
        return f"{found}, the newest"
    if found < newest:
        return f"{found}; the newest is {newest}: lgserve db migrate, or start a server"
    return f"{found}; this lgserve knows {newest}: use a newer one"
