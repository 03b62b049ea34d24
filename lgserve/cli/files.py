"""Writing a result to a file: all of it or nothing."""

from __future__ import annotations

import os
from pathlib import Path

from lgserve.cli.errors import CliError


def write_file(path: Path, text: str) -> None:
    """Write a text file, in one step where it is a plain file."""
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe
            path.write_text(text, encoding="utf-8")
            return
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as exc:
        raise CliError(f"cannot write {path}: {exc.strerror}", code="E_FILE") from exc
