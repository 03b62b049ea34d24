"""The folder of the database: held by one server at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lgserve.core.errors import StorageError

try:
    import fcntl
except ImportError:  # Windows: nothing holds the folder there
    fcntl = None  # type: ignore[assignment]

_DATABASE = ("lgserve.db", "lgserve.db-wal", "lgserve.db-shm")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the data folder: two servers on one SQLite file would each run the other's runs.

    Raises:
        StorageError: another server holds it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / "lgserve.lock").open("a+")
    except OSError as exc:
        raise StorageError(f"the data folder {folder} cannot be used: {exc}") from exc
    with file:
        _lock(file, folder)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def remove_database(folder: Path) -> None:
    """Delete the database of a folder, to start afresh."""
    for name in _DATABASE:
        (folder / name).unlink(missing_ok=True)


def _lock(file: IO[str], folder: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip()
        raise StorageError(
            f"the data folder {folder} is in use by another lgserve (pid {holder});"
            " stop it, or choose another folder with --data"
        ) from None
