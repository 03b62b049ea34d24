"""One SQLite file: one writer thread with group commit, readers on their own connections.

Callers hand the writer a function; the thread runs all that wait in one transaction and commits
once. Each function has a savepoint of its own, so that one failure fails one caller. WAL lets
readers go on meanwhile. What was answered survives `kill -9` (with `synchronous = FULL` also a
loss of power). A write of a few rows may be carried out on its caller's thread while the writer has
nothing to do; what takes long, syncing and copying the WAL back, is always the writer's.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeVar

from lgserve.core.errors import StorageError
from lgserve.storage.matching import json_contains, scope_allows
from lgserve.storage.schema import migrate

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_BATCH = 256
_READERS = 3
#: How long the writer waits for another process's transaction; a caller's thread does not wait.
_PATIENCE_MS = 10_000
#: Size at which the WAL is copied back into the file, and what it is cut to then.
_WAL_BYTES = 4 * 1024 * 1024
_WAL_KEPT_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Job:
    work: Work
    #: Where the answer goes; None for posted work.
    future: asyncio.Future[Any] | Future[Any] | None
    #: The loop of an asyncio future; others are answered on the writer's thread.
    loop: asyncio.AbstractEventLoop | None
    on_error: Callable[[BaseException], None] | None = None
    result: Any = None
    error: BaseException | None = None


class SqliteDatabase:
    """The file, its writer and its readers; `open` before use, `close` after."""

    def __init__(
        self, folder: Path | None, *, synchronous: Literal["normal", "full"] = "normal"
    ) -> None:
        #: None keeps the file in a temporary folder that goes with `close`.
        self._temporary = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="lgserve-"))
        self._wal = self.path.with_name(f"{self.path.name}-wal")
        self._synchronous = synchronous
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._submitted = 0
        self._completed = 0
        #: Held by whoever uses the writer's connection.
        self._writing = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._patience_ms = _PATIENCE_MS
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="lgserve-reader")

    @property
    def path(self) -> Path:
        """The database file."""
        return self._folder / "lgserve.db"

    def size(self) -> int:
        """Return the bytes of the file and of what SQLite keeps beside it."""
        size = 0
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                size += Path(f"{self.path}{suffix}").stat().st_size
        return size

    def open(self) -> None:
        """Create or migrate the file and start the writer.

        Raises:
            StorageError: the file cannot be opened, or is newer than this program.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = self._connect()
            migrate(connection)
            connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        except (OSError, sqlite3.Error) as exc:
            raise StorageError(f"cannot open the database {self.path}: {exc}") from exc
        self._writer = connection
        self._thread = threading.Thread(
            target=self._write_forever, args=(connection,), name="lgserve-writer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then close every connection."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = self._writer = None
        self._pool.shutdown()
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction and return its result once that is committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(_Job(work, future, loop))
        return await future

    async def write_few(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `write`, for a few rows by key, where a hop to the writer and back costs more."""
        if self._synchronous == "normal" and self._writing.acquire(blocking=False):
            try:
                if self._writer is not None and self.is_settled() and self._begin(self._writer):
                    return self._write_here(self._writer, work)
            finally:
                self._writing.release()
        return await self.write(work)

    def write_sync(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `write`, for a caller in a thread: blocks until the work is committed."""
        future: Future[T] = Future()
        self._submit(_Job(work, future, None))
        return future.result()

    def post(self, work: Work, on_error: Callable[[BaseException], None]) -> int:
        """Run `work` in a transaction, in order with the caller's other writes; do not wait.

        `on_error` is called on the writer's thread, before any later write is carried out.
        Returns a ticket for `is_settled`.
        """
        return self._submit(_Job(work, None, None, on_error))

    def is_settled(self, ticket: int | None = None) -> bool:
        """Tell whether the posted work of this ticket, or everything submitted, is committed."""
        return self._completed >= (self._submitted if ticket is None else ticket)

    async def settled(self) -> None:
        """Return when everything submitted before this call is committed."""
        if not self.is_settled():
            await self.write(lambda _: None)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read in a thread of its own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._read, work)

    def lookup(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read on the caller's thread: for a few rows by key, where a hop costs more."""
        return work(self._reader())

    def lookup_snapshot(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `lookup`, for a few statements between which no write may show."""
        return self._read(work)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._reader()
        connection.execute("BEGIN")
        try:
            return work(connection)
        finally:
            connection.execute("ROLLBACK")

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        with self._lock:
            self._connections.append(connection)
        add_functions(connection)
        for pragma in (
            f"busy_timeout = {_PATIENCE_MS}",
            "journal_mode = WAL",
            f"synchronous = {'OFF' if self._temporary else self._synchronous}",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -8000",
            f"journal_size_limit = {_WAL_KEPT_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _begin(self, connection: sqlite3.Connection) -> bool:
        """Begin a transaction at once; False if another process has one."""
        self._wait_at_most(connection, 0)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            return False
        return True

    def _write_here(
        self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]
    ) -> T:
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException as exc:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            if isinstance(exc, sqlite3.Error):
                raise _refused(exc) from exc
            raise
        if self._wal_is_large():
            self._submit(_Job(lambda _: None, None, None))
        return result

    def _wait_at_most(self, connection: sqlite3.Connection, milliseconds: int) -> None:
        if self._patience_ms != milliseconds:
            connection.execute(f"PRAGMA busy_timeout = {milliseconds}").fetchall()
            self._patience_ms = milliseconds

    def _wal_is_large(self) -> bool:
        try:
            return self._wal.stat().st_size > _WAL_BYTES
        except OSError:
            return False

    def _submit(self, job: _Job) -> int:
        with self._lock:  # around both: tickets count in the order of the queue
            self._submitted += 1
            self._jobs.put(job)
            return self._submitted

    def _write_forever(self, connection: sqlite3.Connection) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            stop = False
            with contextlib.suppress(Empty):
                while len(batch) < _BATCH:
                    following = self._jobs.get_nowait()
                    if following is None:
                        stop = True
                        break
                    batch.append(following)
            with self._writing:
                self._wait_at_most(connection, _PATIENCE_MS)
                self._commit(connection, batch)
            self._deliver(batch)
            self._copy_back(connection)
            if stop:
                return

    def _copy_back(self, connection: sqlite3.Connection) -> None:
        """Copy a large WAL into the file; the next write begins it anew."""
        if self._wal_is_large():
            with self._writing, contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Job]) -> None:
        """Run a batch in one transaction; a failing commit fails every job in it."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                _run_in_savepoint(connection, job)
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            for job in batch:
                if job.error is None:
                    job.error = _refused(exc)
                    _report(job)

    def _deliver(self, batch: list[_Job]) -> None:
        self._completed += len(batch)
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in batch:
            if job.loop is not None:
                by_loop.setdefault(job.loop, []).append(job)
            else:
                _resolve([job])
        for loop, jobs in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed; nobody waits any more
                loop.call_soon_threadsafe(_resolve, jobs)


def _run_in_savepoint(connection: sqlite3.Connection, job: _Job) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except BaseException as exc:  # noqa: BLE001 - any failure belongs to the one who asked
        job.error = _carriable(exc)
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    if job.error is not None:
        _report(job)


def _refused(error: sqlite3.Error) -> StorageError:
    return StorageError(f"the database refused a write: {error}")


def _carriable(error: BaseException) -> BaseException:
    """Return the error, or one that says the same if a future refuses to carry it."""
    if not isinstance(error, StopIteration):
        return error
    stand_in = RuntimeError(f"the unit of work raised {error!r}")
    stand_in.__cause__ = error
    return stand_in


def _report(job: _Job) -> None:
    if job.on_error is not None and job.error is not None:
        job.on_error(job.error)


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        future = job.future
        if future is None or future.done():  # the caller was cancelled
            continue
        if job.error is not None:
            future.set_exception(job.error)
        else:
            future.set_result(job.result)


def add_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that queries use."""
    connection.create_function("json_contains", 2, json_contains, deterministic=True)
    connection.create_function("scope_allows", 2, scope_allows, deterministic=True)
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
