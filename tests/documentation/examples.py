"""The shell examples of a page: their lines, and a shell just good enough to run them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from typer.main import get_command

from lgserve.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Z]+)=\$\((.*)\)")


class Example(NamedTuple):
    """A line `NAME=$(lgserve …)  # about`, or one without the name."""

    line: str
    variable: str | None
    words: tuple[str, ...]
    about: str

    def arguments(self, variables: dict[str, str]) -> list[str]:
        """Return what follows `lgserve`, with variables filled in."""
        return [variables.get(word[1:], word) if word[:1] == "$" else word for word in self.words]

    @property
    def endless(self) -> bool:
        """Whether it goes on until somebody ends it."""
        return self.about.endswith("Ctrl-C") and "--for" not in self.words


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of a page that are in a language."""
    return [block for found, block in _BLOCK.findall(text) if found == language]


def examples(text: str) -> Iterator[Example]:
    """Yield the examples of a page that call lgserve."""
    for block in blocks(text, "sh"):
        for line in block.splitlines():
            if example := _read(line):
                yield example


def _read(line: str) -> Example | None:
    code, _, about = line.partition(" # ")
    match = _ASSIGNMENT.fullmatch(code.strip())
    name, called = (match[1], match[2]) if match else (None, code)
    if not called.startswith("lgserve "):
        return None
    return Example(line, name, tuple(shlex.split(called)[1:]), about.strip())


def leaves(found: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, with its path."""
    found = found or get_command(app)
    if not hasattr(found, "list_commands"):
        yield path, found
        return
    for name in found.list_commands(None):
        yield from leaves(found.get_command(None, name), (*path, name))


def leaf_of(words: tuple[str, ...]) -> tuple[tuple[str, ...], Any, list[str]]:
    """Return the command that is called by its own names, and its arguments."""
    found: Any = get_command(app)
    path: tuple[str, ...] = ()
    rest = list(words)
    while hasattr(found, "list_commands"):
        assert rest, f"lgserve {' '.join(words)} names no command"
        assert rest[0] in found.list_commands(None), f"{rest[0]} of lgserve {' '.join(words)}"
        path, found = (*path, rest[0]), found.get_command(None, rest.pop(0))
    return path, found, rest
