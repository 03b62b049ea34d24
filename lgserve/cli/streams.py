"""The standard streams of the command line, whatever the shell and the locale made of them."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lgserve.cli.errors import CliError

_ESCAPE = "lgserve.escape"


def open_standard_streams() -> None:
    """Let stdout take every character, and both streams be there where they were closed."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    codecs.register_error(_ESCAPE, _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPE)


@contextmanager
def writing() -> Iterator[None]:
    """Write to stdout within this.

    Raises:
        BrokenPipeError: nobody reads on.
        CliError: the disk is full, or the like.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise CliError(
            f"cannot write to stdout: {exc.strerror}", code="E_FILE",
            hint="is there room where it goes?",
        ) from exc  # fmt: skip


def forget_unwritten() -> None:
    """Let nothing that stdout did not take be tried again as Python ends, and fail once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open to the end


def _escaped(exc: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks as JSON does, so that JSON stays what it was."""
    if not isinstance(exc, UnicodeEncodeError):
        raise exc
    units = exc.object[exc.start : exc.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)), exc.end
