"""What a command says when it fails: one sentence, a hint, a code, an exit status."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit statuses, stable and documented (`lgserve help exit-codes` shows cli.md's table)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PROJECT = 3
    DENIED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    UNREACHABLE = 7
    #: A run ended badly (`--exit-status`), or `doctor` found something.
    UNSOUND = 8
    REFUSED = 9
    LATER = 75
    TIMED_OUT = 124
    INTERRUPTED = 130


class CliError(Exception):
    """A command could not do what was asked."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "E_FAILED",
        exit_code: ExitCode = ExitCode.FAILED,
        hint: str | None = None,
        details: str | None = None,
        status: int | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.exit_code = exit_code
        self.hint = hint
        self.details = details
        self.status = status
        self.url = url

    def as_text(self) -> str:
        """Return the error as people read it."""
        lines = [f"error: {self.message}"]
        if self.details:
            lines += [f"       {line}" for line in self.details.splitlines()]
        if self.hint:
            lines.append(f"hint:  {self.hint}")
        lines.append(f"code:  {self.code}")
        return "\n".join(lines)

    def as_json(self) -> str:
        """Return the error as programs read it."""
        message = f"{self.message}: {self.details}" if self.details else self.message
        error = {"code": self.code, "message": message, "hint": self.hint}
        return json.dumps({"error": error})


def usage_error(message: str, hint: str | None = None) -> CliError:
    """Return the error for a command line that makes no sense."""
    return CliError(message, code="E_USAGE", exit_code=ExitCode.USAGE, hint=hint)


@contextlib.contextmanager
def hinting(exit_code: ExitCode, hint: str | None) -> Iterator[None]:
    """Say what to do about a failure of this kind, where nothing better was said."""
    try:
        yield
    except CliError as exc:
        if exc.exit_code is exit_code and exc.hint is None:
            exc.hint = hint
        raise


def report(error: CliError, *, as_json: bool = False) -> None:
    """Write an error to stderr; stdout stays for data."""
    say(error.as_json() if as_json else error.as_text())


def say(text: str) -> None:
    """Write a line for people to stderr."""
    with contextlib.suppress(OSError, ValueError):  # nobody listens: that is no failure
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
