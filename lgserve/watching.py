"""Which files make up a project's code, and when they change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from lgserve.gitignore import GitIgnore
from lgserve.settings import Settings

#: Folders that hold no code of the project, however many files change in them.
IGNORED_FOLDERS = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".lgserve",
        ".langgraph_api", ".idea", ".vscode", ".mypy_cache", ".pytest_cache", ".ruff_cache",
        ".tox", ".nox", ".hypothesis", "site-packages",
    }
)  # fmt: skip
#: How long a burst of changes is waited for at most, and how long a pause ends it.
_DEBOUNCE_MS = 400
_STEP_MS = 40


def watch_files(
    settings: Settings, stop: threading.Event, tell: Callable[[Sequence[Path]], None]
) -> None:
    """Tell of changed code, config and env files, until stopped."""
    from watchfiles import watch  # the parent starts its child first, and imports this meanwhile

    matters = CodeFilter(settings)
    for changes in watch(
        *folders_to_watch(settings),
        watch_filter=lambda _, path: matters(Path(path)),
        stop_event=stop,
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        raise_interrupt=False,
    ):
        tell(sorted({Path(path) for _, path in changes}))


def folders_to_watch(settings: Settings) -> list[Path]:
    """Return the folders of code and of config files, without those that lie in another."""
    wanted = [*_code_folders(settings), *(file.parent for file in settings.project.files)]
    return _outermost(folder.resolve() for folder in wanted if folder.is_dir())


def code_folders(settings: Settings) -> list[Path]:
    """Return the folders of code, without those that lie in another."""
    return _outermost(folder.resolve() for folder in _code_folders(settings))


class CodeFilter:
    """Decides whether a changed path is code of the project, or its config."""

    def __init__(self, settings: Settings) -> None:
        self._files = {file.resolve() for file in settings.project.files}
        self._folders = code_folders(settings)
        data = settings.data
        # A data folder with the code in it, such as `--data .`, says nothing about what is data.
        apart = data is not None and not any(f.is_relative_to(data) for f in self._folders)
        self._data = data if apart else None
        self._include = settings.reload_include
        self._exclude = settings.reload_exclude
        self._ignored = {folder: GitIgnore.around(folder) for folder in self._folders}

    def __call__(self, path: Path) -> bool:
        """Say whether a change of this path matters."""
        if path in self._files:
            return True
        if self._data is not None and path.is_relative_to(self._data):
            return False
        inside = next((f for f in self._folders if path.is_relative_to(f)), None)
        if inside is None or not _matches(path.name, self._include):
            return False
        parts = path.relative_to(inside).parts
        if any(_matches(part, self._exclude) for part in parts):
            return False
        if not IGNORED_FOLDERS.isdisjoint(parts[:-1]):
            return False
        return not (self._ignored[inside](path) or _is_in_virtual_environment(inside, parts))


def _is_in_virtual_environment(inside: Path, parts: Sequence[str]) -> bool:
    """Tell whether a folder on the way is a virtual environment, whatever its name."""
    return any(
        (inside.joinpath(*parts[:depth]) / "pyvenv.cfg").exists() for depth in range(1, len(parts))
    )


def _code_folders(settings: Settings) -> Sequence[Path]:
    project = settings.project
    return settings.reload_dirs or (project.root, *project.import_paths)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _outermost(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in sorted(set(folders)):
        if not any(folder.is_relative_to(other) for other in found):
            found.append(folder)
    return found
