"""The schema of the database, by numbered files; importing this costs next to nothing."""

from __future__ import annotations

import sqlite3
from importlib import resources

from lgserve.core.errors import StorageError


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest schema; numbered files, each in a transaction of its own.

    Raises:
        StorageError: the database is newer than this program.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    scripts = _scripts()
    if (found := schema_version(connection)) > max(scripts):
        raise StorageError(
            f"the database has schema {found}, this lgserve knows {max(scripts)}:"
            " use a newer lgserve"
        )
    for version, text in sorted(scripts.items()):
        if version > schema_version(connection):
            _apply(connection, version, text)


def newest_version() -> int:
    """Return the version of the newest schema."""
    return max(_scripts())


def _apply(connection: sqlite3.Connection, version: int, text: str) -> None:
    script = f"BEGIN IMMEDIATE;\n{text}\nINSERT INTO schema_version VALUES ({version});\nCOMMIT;"
    try:
        connection.executescript(script)
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if schema_version(connection) < version:  # else another process did it in the meantime
            raise


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version of a database's schema."""
    (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return version or 0


def _scripts() -> dict[int, str]:
    folder = resources.files("lgserve.storage") / "migrations"
    return {
        int(item.name[:4]): item.read_text("utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    }
