"""The database of another process: read while that one writes to it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any, NoReturn

from lgserve.core.errors import ReadOnlyError, StorageError
from lgserve.storage.database import SqliteDatabase, T, add_functions
from lgserve.storage.schema import newest_version, schema_version


class ReadOnlyDatabase(SqliteDatabase):
    """Opens the file for reading only; what would write is refused."""

    def open(self) -> None:
        """Open the file.

        Raises:
            StorageError: it cannot be opened, or has another schema than this program's.
        """
        try:
            found = schema_version(self._connect())
        except sqlite3.Error as exc:
            raise StorageError(f"cannot open the database {self.path}: {exc}") from exc
        if found != newest_version():
            raise StorageError(
                f"the database has schema {found}, this lgserve needs {newest_version()}"
            )

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Refuse."""
        del work
        raise ReadOnlyError

    def write_sync(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Refuse."""
        del work
        raise ReadOnlyError

    def post(self, work: Callable[[sqlite3.Connection], Any], on_error: Any) -> NoReturn:
        """Refuse."""
        del work, on_error
        raise ReadOnlyError

    async def settled(self) -> None:
        """Return: nothing is ever written."""

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True, isolation_level=None, check_same_thread=False, cached_statements=256,
        )  # fmt: skip
        with self._lock:
            self._connections.append(connection)
        add_functions(connection)
        for pragma in ("busy_timeout = 10000", "temp_store = MEMORY", "cache_size = -8000"):
            with contextlib.closing(connection.execute(f"PRAGMA {pragma}")) as cursor:
                cursor.fetchall()
        return connection
