"""What a person needs to see of an exception of theirs: their own lines, and what to do."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from traceback import FrameSummary
from typing import Any

from lgserve.core.errors import GraphLoadError

_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
_MAX_FRAMES = 5
_MAX_TEXT_LINES = 15
_MAX_CHAIN = 10
_PUBLIC_HINT = "The server's log tells more, and /info to who sends a key"

#: Modules whose distribution has another name than theirs.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "jwt": "pyjwt",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFrame:
    """One line of the user's own code on the way to the error."""

    file: str
    line: int
    function: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphErrorInfo:
    """Why a graph does not load (or a factory failed), told in the user's own lines."""

    message: str
    #: the class of the exception
    exception: str
    #: outermost first; for a syntax error the last one is the wrong line
    frames: tuple[UserFrame, ...]
    #: frames and exception as Python would print them, the user's part only
    text: str
    hint: str | None
    #: the whole traceback, for `-v`
    full_text: str
    #: the same for people nobody knows: files and the class, no words that may hold a secret
    public_text: str

    @property
    def summary(self) -> str:
        """One line: exception, message, place, hint."""
        place = f" ({self.frames[-1].file}, line {self.frames[-1].line})" if self.frames else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{_told(self.exception, self.message)[0]}{place}{hint}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `/info` shows it; the whole traceback is for the log only."""
        shown = asdict(self)
        del shown["full_text"], shown["public_text"]
        return shown

    def public_json(self) -> dict[str, Any]:
        """Return it as `/info` shows it to people nobody knows."""
        frames = tuple(asdict(replace(frame, code="")) for frame in self.frames)
        told = {"message": self.exception, "text": self.public_text, "hint": _PUBLIC_HINT}
        return {**self.to_json(), **told, "frames": frames}


def describe_error(
    error: BaseException, root: Path, import_paths: Sequence[Path]
) -> GraphErrorInfo:
    """Return the error with the user's own frames: those in the project's folders."""
    project = _Project([root, *import_paths])
    frames = _frames_of_chain(error, project)
    message = _message(error)
    return GraphErrorInfo(
        message=message,
        exception=type(error).__name__,
        frames=tuple(frames),
        text=_text(frames, error, message),
        hint=_hint(error, frames, project),
        full_text="".join(traceback.format_exception(error)),
        public_text=_public_text(frames, error, project),
    )


class _Project:
    """The folders whose files are the user's own."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = list(dict.fromkeys(folder.resolve() for folder in folders))
        self._is_inside_lgserve = any(_PACKAGE in (f, *f.parents) for f in self.folders)

    @property
    def root(self) -> Path:
        return self.folders[0]

    def relative(self, filename: str) -> str | None:
        """Return the path as seen from the project, None if the file is not of it."""
        file = Path(filename).resolve()
        if _LIBRARY_FOLDERS.intersection(file.parts):
            return None
        if _PACKAGE in file.parents and not self._is_inside_lgserve:
            return None
        for folder in self.folders:
            if folder in file.parents:
                return file.relative_to(folder).as_posix()
        return None


def _frames_of_chain(error: BaseException, project: _Project) -> list[UserFrame]:
    """Return the user's frames of the error, or else of the nearest error that led to it."""
    current: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if current is None:
            break
        if frames := list(_user_frames(current, project)):
            return frames
        current = current.__cause__ or current.__context__
    return []


def _user_frames(error: BaseException, project: _Project) -> Iterator[UserFrame]:
    for frame in traceback.extract_tb(error.__traceback__):
        if shown := _user_frame(frame, project):
            yield shown
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        code = (error.text or "").rstrip("\n")
        wrong = FrameSummary(error.filename, error.lineno, "<module>", line=code)
        if shown := _user_frame(wrong, project):
            yield shown


def _user_frame(frame: FrameSummary, project: _Project) -> UserFrame | None:
    file = None if frame.filename.startswith("<") else project.relative(frame.filename)
    if file is None:
        return None
    code = (frame.line or "").strip()
    return UserFrame(file=file, line=frame.lineno or 0, function=frame.name, code=code)


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the module ended the process: sys.exit({error.code!r})"
    if isinstance(error, SyntaxError):
        return error.msg
    return str(error)


def _text(frames: Sequence[UserFrame], error: BaseException, message: str) -> str:
    lines: list[str] = []
    for frame in frames[-_MAX_FRAMES:]:
        lines.append(f'File "{frame.file}", line {frame.line}, in {frame.function}')
        lines.extend([f"    {frame.code}"] if frame.code else [])
    lines.extend(_caret(error))
    room = max(_MAX_TEXT_LINES - len(lines), 3)
    told = _told(type(error).__name__, message)
    lines.extend(told[:room] if len(told) <= room else [*told[: room - 1], "..."])
    return "\n".join(lines)


def _public_text(frames: Sequence[UserFrame], error: BaseException, project: _Project) -> str:
    """Name class and files; of the messages, only ours are known to hold nothing else."""
    lines = [f'File "{frame.file}", line {frame.line}' for frame in frames[-_MAX_FRAMES:]]
    words = ""
    if type(error) is GraphLoadError:
        words = f": {error.message}"
        for folder in project.folders:
            words = words.replace(f"{folder}/", "").replace(str(folder), ".")
    return "\n".join([*lines, f"{type(error).__name__}{words}"])


def _told(exception: str, message: str) -> list[str]:
    """Return the lines that name the error; our own sentences stand for themselves."""
    if exception == GraphLoadError.__name__:
        return message.splitlines()
    return f"{exception}: {message}".splitlines() if message else [exception]


def _caret(error: BaseException) -> list[str]:
    if not isinstance(error, SyntaxError) or not error.text or not error.offset:
        return []
    indent = len(error.text) - len(error.text.lstrip())
    return [" " * (4 + max(error.offset - 1 - indent, 0)) + "^"]


def _hint(error: BaseException, frames: Sequence[UserFrame], project: _Project) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_module_hint(error.name, frames, project)
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "Add an empty __init__.py to the file's folder, which makes it a package"
    return None


def _missing_module_hint(name: str, frames: Sequence[UserFrame], project: _Project) -> str | None:
    top = name.partition(".")[0]
    if folder := _folder_of_own_module(top, frames, project):
        return None if str(folder) in sys.path else _dependency_hint(top, folder, project)
    distribution = _DISTRIBUTIONS.get(top, top.replace("_", "-"))
    if top != name and _is_installed(top):
        return f"The installed {top} has no '{name}'. Try: {_install(distribution, project)}"
    return f"Try: {_install(distribution, project)} (the server runs in {sys.prefix})"


def _folder_of_own_module(top: str, frames: Sequence[UserFrame], project: _Project) -> Path | None:
    beside = [Path(frame.file).parent for frame in frames[-1:]]
    for folder in project.folders:
        for place in (folder / inside for inside in (Path(), Path("src"), *beside)):
            if (place / top).is_dir() or (place / f"{top}.py").is_file():
                return place
    return None


def _dependency_hint(top: str, folder: Path, project: _Project) -> str:
    inside = project.root in folder.parents
    shown = f"./{folder.relative_to(project.root).as_posix()}" if inside else str(folder)
    return f"'{top}' is in {shown}: add it to \"dependencies\" in the config"


def _is_installed(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except ValueError:
        return True


def _install(distribution: str, project: _Project) -> str:
    has_uv = any((folder / "uv.lock").is_file() for folder in project.folders)
    return f"uv add {distribution}" if has_uv else f"pip install {distribution}"
