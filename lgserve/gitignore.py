"""Which files `.gitignore` names: its patterns, as git reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from re import Pattern

_NAME = ".gitignore"


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: Pattern[str]
    ignores: bool
    folders_only: bool


@dataclass(slots=True)
class GitIgnore:
    """Tells whether git ignores a path of a repository; files are read again when they change."""

    #: The folder that holds `.git`; without one, nothing is ignored.
    root: Path | None
    _read: dict[Path, tuple[float, tuple[_Rule, ...]]] = field(default_factory=dict)

    @classmethod
    def around(cls, folder: Path) -> GitIgnore:
        """Return that of the repository in which a folder lies."""
        around = (folder, *folder.parents)
        return cls(next((each for each in around if (each / ".git").exists()), None))

    def __call__(self, path: Path) -> bool:
        """Tell whether the path, or a folder it lies in, is ignored."""
        if self.root is None or not path.is_relative_to(self.root):
            return False
        parts = path.relative_to(self.root).parts
        return any(
            self._is_named(parts[: depth + 1], folder=depth < len(parts) - 1)
            for depth in range(len(parts))
        )

    def _is_named(self, parts: tuple[str, ...], *, folder: bool) -> bool:
        """Tell what the last rule that names a path says of it; deeper files speak later."""
        named = False
        for place, rules in self._rules_above(parts):
            inside = "/".join(parts[place:])
            for rule in rules:
                if (folder or not rule.folders_only) and rule.pattern.fullmatch(inside):
                    named = rule.ignores
        return named

    def _rules_above(self, parts: tuple[str, ...]) -> Iterator[tuple[int, tuple[_Rule, ...]]]:
        assert self.root is not None  # noqa: S101 - without it nothing is asked
        place = self.root
        for depth, name in enumerate(parts):
            yield depth, self._rules_of(place / _NAME)
            place /= name

    def _rules_of(self, file: Path) -> tuple[_Rule, ...]:
        try:
            changed = file.stat().st_mtime
        except OSError:
            return ()
        known = self._read.get(file)
        if known is None or known[0] != changed:
            lines = file.read_text("utf-8", "replace").splitlines()
            known = self._read[file] = (changed, tuple(filter(None, map(_rule, lines))))
        return known[1]


@cache
def _rule(line: str) -> _Rule | None:
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    ignores = not text.startswith("!")
    text = text.removeprefix("!").removeprefix("\\")
    body = text.rstrip("/")
    if not body:
        return None
    anywhere = "/" not in body
    prefix = "(?:.*/)?" if anywhere else ""
    expression = prefix + _expression(body.removeprefix("/"))
    return _Rule(re.compile(expression), ignores, text.endswith("/"))


def _expression(glob: str) -> str:
    """Return what matches a pattern: `*` stays within a folder, `**` does not."""
    parts = re.split(r"(\*\*/|/\*\*|\*|\?|\[[^\]]+\])", glob)
    meaning = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meaning.get(part) or _literal(part) for part in parts)


def _literal(part: str) -> str:
    if part.startswith("[") and part.endswith("]"):
        return f"[{'^' if part[1] == '!' else ''}{part[1:-1].removeprefix('!')}]"
    return re.escape(part.replace("\\", ""))
