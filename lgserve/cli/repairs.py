"""What `lgserve doctor --fix` can put right by itself: nothing is lost by any of it."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lgserve.cli.checks import Check
from lgserve.cli.state_file import FOLDER, read_state

_STATE = "server.json"
_FIX = "lgserve doctor --fix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong, what was done about it, and the doing."""

    check: str
    message: str
    done: str
    mend: Callable[[], Any]


def check_faults(config: Path | None, *, fix: bool) -> Iterator[Check]:
    """Look for what can be put right, and do so if asked to."""
    for fault in find_faults(config):
        if not fix:
            yield Check(check=fault.check, status="warning", message=fault.message, fix=_FIX)
            continue
        try:
            fault.mend()
        except OSError as exc:
            message = f"{fault.message}; it could not be mended: {exc.strerror}"
            yield Check(check=fault.check, status="failed", message=message)
        else:
            yield Check(check=fault.check, status="ok", message=f"fixed: {fault.done}")


def find_faults(config: Path | None) -> Iterator[Fault]:
    """Return what can be put right in this project."""
    settings = _settings(config)
    root = settings.project.root if settings else Path.cwd()
    yield from _dead_server(root)
    if settings is None:
        return
    yield from _missing_env(settings)
    if settings.data is not None and settings.data.is_dir():
        yield from _open_folder(settings.data)
        yield from _no_gitignore(settings.data)


def _settings(config: Path | None) -> Any:
    from lgserve.core.errors import ConfigurationError
    from lgserve.settings import ServerFlags, load_settings

    try:
        return load_settings(ServerFlags(config=config))
    except ConfigurationError:
        return None  # another check tells of it


def _dead_server(root: Path) -> Iterator[Fault]:
    """A server that was killed leaves word of itself; the word of a living one stays."""
    file = root / FOLDER / _STATE
    if not file.is_file() or read_state(root) is not None:
        return
    yield Fault(
        check="state",
        message=f"{file} tells of a server that is gone{_pid(file)}",
        done=f"removed {file}",
        mend=lambda: file.unlink(missing_ok=True),
    )


def _pid(file: Path) -> str:
    try:
        return f" (pid {int(json.loads(file.read_text(encoding='utf-8'))['pid'])})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _missing_env(settings: Any) -> Iterator[Fault]:
    for file in settings.project.files:
        example = file.with_name(f"{file.name}.example")
        if not file.exists() and example.is_file():
            yield Fault(
                check="env",
                message=f"{file} does not exist, {example.name} does",
                done=f"copied {example.name} to {file}",
                mend=partial(shutil.copyfile, example, file),
            )


def _open_folder(data: Path) -> Iterator[Fault]:
    """Threads and keys are nobody else's business."""
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077 and hasattr(data, "chmod"):
        yield Fault(
            check="access",
            message=f"{data} can be read by others on this machine (mode {mode:o})",
            done=f"{data} is for you alone (mode 700)",
            mend=lambda: data.chmod(0o700),
        )


def _no_gitignore(data: Path) -> Iterator[Fault]:
    file = data / ".gitignore"
    in_git = any((folder / ".git").exists() for folder in data.parents)
    if data.name == FOLDER and in_git and not file.exists():
        yield Fault(
            check="git",
            message=f"{data} could be committed",
            done=f"wrote {file}",
            mend=lambda: file.write_text("*\n", encoding="utf-8"),
        )
