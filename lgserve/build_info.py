"""Which commit this program was built from, and when that was made; standard library only.

A wheel carries the answer as `build.json`, written by `hatch_build.py`. A checkout is asked without
git: its files are plain enough.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

FILE_NAME = "build.json"
_HEX = frozenset("0123456789abcdef")

Build = dict[str, str | None]


def read_build(package: Path | None = None) -> Build:
    """Return `commit` and `date` of the package, ISO 8601; None where unknown.

    The date is that of the commit, or where git has packed it, of its arrival here.
    """
    package = package or Path(__file__).resolve().parent
    for source in (_packaged, _checked_out):
        if found := _tried(source, package):
            return found
    return {"commit": None, "date": None}


def _tried(source: Callable[[Path], Build], package: Path) -> Build | None:
    """Ask a source; whatever is wrong with it, the program runs without the answer."""
    try:
        return source(package)
    except (OSError, ValueError, LookupError, TypeError, zlib.error):
        return None


def _packaged(package: Path) -> Build:
    found = json.loads((package / FILE_NAME).read_text("utf-8"))
    return {"commit": found["commit"], "date": found["date"]}


def _checked_out(package: Path) -> Build:
    git = package.parent / ".git"
    if git.is_file():  # a worktree, or a submodule
        git = package.parent / git.read_text("utf-8").strip().removeprefix("gitdir: ")
    common = git / _first_line(git / "commondir") if (git / "commondir").exists() else git
    commit = _commit(git, common)
    if not (len(commit) in (40, 64) and _HEX.issuperset(commit)):
        raise ValueError(commit)
    return {"commit": commit, "date": _date(git, common, commit)}


def _commit(git: Path, common: Path) -> str:
    head = _first_line(git / "HEAD")
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    for folder in (git, common):
        if (folder / name).is_file():
            return _first_line(folder / name)
    packed = (common / "packed-refs").read_text("utf-8").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")


def _date(git: Path, common: Path, commit: str) -> str | None:
    """Return when the commit was made, or when it came here if its object lies in a pack."""
    loose = common / "objects" / commit[:2] / commit[2:]
    if loose.is_file():
        lines = zlib.decompress(loose.read_bytes()).decode("utf-8", "replace").splitlines()
        return _moment(next((line for line in lines if line.startswith("committer ")), ""))
    log = git / "logs" / "HEAD"
    lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
    return _moment(next((line for line in reversed(lines) if line[41:].startswith(commit)), ""))


def _moment(line: str) -> str | None:
    """Read git's `… <mail> SECONDS +HHMM`, whatever follows behind a tab."""
    if not line:
        return None
    seconds, zone = line.partition("\t")[0].split()[-2:]
    offset = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    return datetime.fromtimestamp(int(seconds), timezone(offset)).isoformat()


def _first_line(file: Path) -> str:
    return file.read_text("utf-8").partition("\n")[0].strip()
