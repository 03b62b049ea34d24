"""Files of threads: a header, a thread a line, a last line that says how many there are."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from lgserve.cli.client import ApiClient
from lgserve.cli.commands.threads.checkpoints import history_of
from lgserve.cli.context import Session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.output import write

T = TypeVar("T")
R = TypeVar("R")
Record = dict[str, Any]

HEADER = "lgserve.threads"
#: A thread with all that is stored of it, and one with what an API shows of it.
WHOLE, SHOWN = "lgserve.thread", "langgraph.thread"

_CONNECTIONS = 8
_BATCH = 32
_ZSTD_MAGIC, _GZIP_MAGIC = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def moves_whole(client: ApiClient) -> bool:
    """Tell whether a server gives away and takes in threads with all that is stored of them."""
    try:
        info = client.get("/info")
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return False
        raise
    return bool((info.get("capabilities") or {}).get("thread_transfer"))


def export_one(client: ApiClient, thread_id: str, *, whole: bool) -> Record | None:
    """Return the record of a thread; None if it has gone."""
    try:
        if whole:
            return dict(client.get(f"/threads/{thread_id}/export"))
        thread = client.get(f"/threads/{thread_id}")
        states = list(history_of(client, thread_id))
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return None
        raise
    return {"format": SHOWN, "version": 1, "thread": thread, "states": states}


def batches(items: Sequence[T], work: Callable[[T], R]) -> Iterator[list[R]]:
    """Yield the results of some items at a time, in order; within a batch, several at once."""
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for start in range(0, len(items), _BATCH):
            yield list(pool.map(work, items[start : start + _BATCH]))


class Progress:
    """Says on a terminal how far a long work is."""

    def __init__(self, session: Session, total: int | None, verb: str) -> None:
        self._on = sys.stderr.isatty() and not session.out.quiet
        self._total = total
        self._verb = verb

    def show(self, done: int) -> None:
        """Draw the line anew."""
        if self._on:
            of = f" of {self._total}" if self._total is not None else ""
            sys.stderr.write(f"\r{self._verb} {done}{of} threads")
            sys.stderr.flush()

    def end(self) -> None:
        """Remove the line."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def opened_for_writing(file: str) -> Iterator[Callable[[Record], None]]:
    """Give what writes a record; the file has its name only when it is complete."""
    if file == "-":
        yield lambda record: write(_line(record))
        return
    path, part = Path(file), Path(f"{file}.part")
    try:
        stream = _compressing(path, part)
    except OSError as exc:
        raise usage_error(f"cannot write {file}: {exc.strerror}") from None
    try:
        with stream:
            yield lambda record: _put(stream, record)
        part.replace(path)
    except OSError as exc:
        raise CliError(f"cannot write {file}: {exc.strerror}") from exc
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _put(stream: Any, record: Record) -> None:
    stream.write(_line(record).encode())


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _compressing(path: Path, part: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(part, "wb", compresslevel=6)
    if path.suffix == ".zst":
        return _zstd().open(part, "wb")
    return part.open("wb")


def _zstd() -> Any:
    """Return the module that knows zstd: Python's own from 3.14 on, or the package."""
    for name in ("compression.zstd", "zstandard"):
        with suppress(ImportError):
            return importlib.import_module(name)
    raise CliError(
        "this Python knows no zstd", code="E_NO_ZSTD", exit_code=ExitCode.USAGE,
        hint="write .gz instead, or: pip install zstandard",
    )  # fmt: skip


@contextmanager
def opened_for_reading(file: str) -> Iterator[Iterator[tuple[int, Record]]]:
    """Give the records of a file, with the numbers of their lines."""
    try:
        raw: Any = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as exc:
        raise usage_error(f"cannot read {file}: {exc.strerror}") from None
    buffered = raw if hasattr(raw, "peek") else io.BufferedReader(raw)
    with buffered, _plain(buffered) as stream:
        yield _parsed(stream, file)


def _plain(stream: Any) -> Any:
    """Return what a file holds, by what it begins with."""
    start = stream.peek(4)[:4]
    if start.startswith(_GZIP_MAGIC):
        return gzip.GzipFile(fileobj=stream)
    if start == _ZSTD_MAGIC:
        return io.BufferedReader(_zstd().open(stream, "rb"))
    return stream


def _parsed(stream: Any, file: str) -> Iterator[tuple[int, Record]]:
    try:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, _record(line, file, number)
    except (OSError, EOFError) as exc:
        raise broken_file(file, f"it ends early: {exc}") from None


def _record(line: bytes, file: str, number: int) -> Record:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise broken_file(file, f"line {number} is not a JSON object")
    return record


def broken_file(file: str, why: str) -> CliError:
    """Return the error for a file that is not what it should be."""
    return CliError(
        f"{file}: {why}", code="E_BAD_FILE", exit_code=ExitCode.REFUSED,
        hint="lgserve threads export writes such files",
    )  # fmt: skip
