"""The database of a project as the command line finds it, whether a server holds it or not."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from lgserve.cli.errors import CliError, ExitCode, usage_error

try:
    import fcntl
except ImportError:  # Windows: nothing holds the folder there
    fcntl = None  # type: ignore[assignment]

NAME = "lgserve.db"
_LOCK = "lgserve.lock"
_MEANWHILE = "stop it first; status, check and backup are safe meanwhile"

DbOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--db", "--data", help="The database file, or its folder. [that of this project]"),
]


def find_folder(named: Path | None, config: Path | None) -> Path:
    """Return the folder of the database: the one named, or that of the project."""
    folder = _folder_of(named) if named is not None else _folder_of_project(config)
    if not (folder / NAME).is_file():
        raise CliError(
            f"there is no database in {folder}", code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND,
            hint="`lgserve dev` makes one; name another with --db",
        )  # fmt: skip
    return folder


def folder_to_fill(named: Path | None, config: Path | None) -> Path:
    """Return the folder of the database, which need not be there yet."""
    return _folder_of(named) if named is not None else _folder_of_project(config)


def _folder_of(named: Path) -> Path:
    if named.is_dir() or named.suffix == "":
        return named.absolute()
    if named.name != NAME:
        raise usage_error(
            f"{named} is not named {NAME}", f"a server's database is {NAME} in its data folder"
        )
    return named.absolute().parent


def _folder_of_project(config: Path | None) -> Path:
    # The settings are read only here: most commands have no use for them.
    from lgserve.cli.server_options import translate
    from lgserve.core.errors import LgserveError
    from lgserve.settings import ServerFlags, load_settings

    try:
        folder = load_settings(ServerFlags(config=config)).data
    except LgserveError as exc:
        raise translate(exc) or CliError(exc.message) from exc
    if folder is None:
        raise usage_error("this project keeps nothing (data: :memory:)", "name one with --db")
    return folder


def holder(folder: Path) -> str | None:
    """Return the process of the server that holds a folder, if one does."""
    if fcntl is None:
        return None
    if not (folder / _LOCK).is_file():
        return None
    with (folder / _LOCK).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read(32).decode("ascii", "replace").strip() or "?"
        return None


@contextlib.contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Hold the folder, as a server does; refuse it while another process has it."""
    from lgserve.core.errors import StorageError
    from lgserve.data_folder import held

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(folder))
        except StorageError as exc:
            if (pid := holder(folder)) is None:
                raise CliError(exc.message, code="E_STORAGE") from exc
            raise in_use(folder, pid) from exc
        yield


def in_use(folder: Path, pid: str) -> CliError:
    """Return the error for a database that a server has."""
    return CliError(
        f"the database in {folder} is in use by a server (pid {pid})",
        code="E_IN_USE", exit_code=ExitCode.CONFLICT, hint=_MEANWHILE,
    )  # fmt: skip


@contextlib.contextmanager
def opened(file: Path, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a database file; what SQLite says of it becomes one sentence."""
    try:
        with contextlib.closing(_connect(file, writing=writing)) as connection:
            yield connection
    except sqlite3.Error as exc:
        raise storage_error(file, exc) from exc


def storage_error(file: Path, exc: sqlite3.Error) -> CliError:
    """Return the error for what SQLite could not do."""
    damaged = isinstance(exc, sqlite3.DatabaseError) and not isinstance(
        exc, sqlite3.OperationalError
    )
    hint = "a backup can be put in its place: lgserve db restore FILE" if damaged else None
    return CliError(f"{file}: {exc}", code="E_STORAGE", hint=hint)


def _connect(file: Path, *, writing: bool) -> sqlite3.Connection:
    mode = "rw" if writing else "ro"
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10
    )


def schema_of(connection: sqlite3.Connection, file: Path) -> int:
    """Return the version of a database's schema; a file that is none of ours has none."""
    query = "SELECT max(version) FROM schema_version"
    try:
        (version,) = connection.execute(query).fetchone()
    except sqlite3.OperationalError as exc:
        if "no such table" not in str(exc):
            raise
        raise _foreign(file) from exc
    if version is None:
        raise _foreign(file)
    return int(version)


def _foreign(file: Path) -> CliError:
    return CliError(f"{file} is no database of lgserve", code="E_STORAGE")


def problems_of(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong inside a database; nothing, as a rule."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(100)")]
    wrong = [] if found == ["ok"] else found
    for table, row_id, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(100):
        wrong.append(f"row {row_id} of {table} refers to a row of {parent} that is not there")
    return wrong


def copy(source: sqlite3.Connection, file: Path) -> None:
    """Copy a database into one new file, also while a server writes to it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, without a WAL
        fresh.replace(file)
    except OSError as exc:
        raise CliError(f"cannot write {file}: {exc.strerror}", code="E_FILE") from exc
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            fresh.with_name(f"{fresh.name}{suffix}").unlink(missing_ok=True)
