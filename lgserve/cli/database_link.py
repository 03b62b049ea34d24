"""`--db`: commands talk to a database through the server's own code, in a process of their own.

While a server has the database it is opened for reading only; else it is taken for the time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import lgserve
from lgserve.cli.database import NAME, find_folder, holder, opened, schema_of
from lgserve.cli.errors import CliError

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class Link(NamedTuple):
    """Where the database is served, and with which key."""

    url: str
    key: str
    #: The process of the server that has it, if there is one: then nothing can be written.
    held_by: str | None


@contextlib.contextmanager
def linked(named: Path) -> Iterator[Link]:
    """Serve a database for as long as the block lasts."""
    folder = find_folder(named, None)
    _refuse_other_schemas(folder)
    held_by, key = holder(folder), secrets.token_urlsafe(32)
    child = _start()
    try:
        order = {"folder": str(folder), "key": key, "writing": held_by is None}
        yield Link(_settle(child, order), key, held_by)
    finally:
        _stop(child)


def _refuse_other_schemas(folder: Path) -> None:
    from lgserve.storage.schema import newest_version

    file = folder / NAME
    with opened(file) as connection:
        found = schema_of(connection, file)
    if found != newest_version():
        hint = "lgserve db migrate" if found < newest_version() else "use a newer lgserve"
        raise CliError(
            f"{file} has schema {found}, this lgserve needs {newest_version()}",
            code="E_STORAGE",
            hint=hint,
        )


def _start() -> subprocess.Popen[bytes]:
    # -P: a `queue.py` in the user's folder must not shadow the library's.
    root = str(Path(lgserve.__file__).parent.parent)
    code = f"import sys; sys.path.append({root!r})"
    code += "; from lgserve.cli.database_child import main; main()"
    return subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def _settle(child: subprocess.Popen[bytes], order: dict[str, object]) -> str:
    """Tell the child what to serve, and return where it does."""
    assert child.stdin is not None  # noqa: S101 - it has a pipe
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()
    line = _first_line(child)
    try:
        facts = json.loads(line)
    except ValueError:
        raise CliError("the database could not be served", code="E_STORAGE") from None
    if "error" in facts:
        raise CliError(str(facts["error"]), code="E_STORAGE")
    return str(facts["url"])


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None  # noqa: S101 - it has a pipe
    line, deadline = b"", time.monotonic() + _START_SECONDS
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([child.stdout], [], [], left)[0]:
            raise CliError("the database was not served in time", code="E_STORAGE")
        piece = os.read(child.stdout.fileno(), 4096)
        if not piece:
            break
        line += piece
    return line


def _stop(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
