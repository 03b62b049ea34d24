"""The lines a person writes to `lgserve chat`: at a prompt with history, or from a pipe."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable

from lgserve.cli.environment import ClientEnvironment


class Lines:
    """Reads lines; on a terminal at a prompt, where the arrow keys bring back what was said."""

    def __init__(self, *, color: bool) -> None:
        self.asking = sys.stdin.isatty() and sys.stdout.isatty()
        self._color = color
        self._input: Callable[[str], str] = input
        if self.asking and not ClientEnvironment.read().dumb_terminal:
            with contextlib.suppress(ImportError):  # not on Windows
                importlib.import_module("readline")

    def read(self, prompt: str) -> str | None:
        """Return the next line that says something, None at the end."""
        while True:
            line = self._ask(prompt) if self.asking else sys.stdin.readline()
            if not line:
                return None
            if line.strip():
                return line.strip()

    def _ask(self, prompt: str) -> str:
        # readline counts what is between \x01 and \x02 as no columns.
        shown = f"\x01\x1b[36m\x02{prompt}\x01\x1b[0m\x02" if self._color else prompt
        try:
            return f"{self._input(shown)}\n"
        except EOFError:
            sys.stdout.write("\n")
            return ""
