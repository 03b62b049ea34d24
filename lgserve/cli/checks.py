"""What `lgserve doctor` looks at; each check is one sentence, and a way out where it failed."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from lgserve import __version__
from lgserve.cli.context import Session
from lgserve.cli.errors import CliError, ExitCode

Status = Literal["ok", "warning", "failed"]

_PACKAGES = ("langgraph", "langgraph-sdk", "langchain-core", "aiohttp")
_OLDEST_PYTHON = (3, 11)
_LEAST_FREE_BYTES = 500 * 1000**2
_FEW_WATCHES = 8192
#: File systems whose locks SQLite cannot rely on.
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, and what was found."""

    check: str
    status: Status
    message: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as a row."""
        return asdict(self)


def check_machine() -> Iterator[Check]:
    """Look at Python, the packages and SQLite."""
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _OLDEST_PYTHON:
        yield _ok("python", f"python {python} ({sys.prefix})")
    else:
        yield _failed("python", f"python {python} is too old", "install Python 3.11 or newer")
    yield _packages()
    yield _sqlite()
    if sys.platform == "linux":
        yield from _watches()


def check_project(config: Path | None, *, graphs: bool) -> Iterator[Check]:
    """Look at the config, the data folder, the port; and at the graphs, if asked to."""
    # The settings are only read here: the client has no use for them.
    from lgserve.cli.config_problems import check_project as read_project
    from lgserve.cli.config_problems import import_graphs
    from lgserve.core.errors import ConfigurationError

    try:
        file, problems, settings = read_project(config)
    except ConfigurationError as exc:
        fix = exc.hint or "lgserve config validate"
        if config is None and exc.message.startswith("no langgraph"):
            yield Check(check="config", status="warning", message=exc.message, fix=fix)
        else:
            yield _failed("config", exc.message, fix)
        return
    wrong = [problem for problem in problems if problem.level != "note"]
    for problem in wrong:
        status: Status = "failed" if problem.level == "error" else "warning"
        message = f"{problem.place}: {problem.message}" if problem.place else problem.message
        yield Check(check="config", status=status, message=message, fix=problem.hint)
    if settings is None:
        return
    if not wrong:
        yield _ok("config", f"config {file}, {len(settings.project.graphs)} graphs")
    yield from _data(settings.data)
    if graphs:
        yield from _graphs(import_graphs(settings), list(settings.project.graphs))


def check_server(session: Session) -> Iterator[Check]:
    """Look at the server: does it answer, does it serve every graph, is it of this version?"""
    url, source = session.client.connection.url, session.client.connection.url_source
    try:
        info = session.client.facts("/info")
    except CliError as exc:
        yield _no_server(exc, url, source)
        return
    theirs = info.get("lgserve_version")
    if theirs is None:
        yield _ok("server", f"{url} answers: langgraph-api {info.get('version')}")
    elif theirs == __version__:
        yield _ok("server", f"{url} answers: lgserve {theirs}")
    else:
        message = f"{url} is lgserve {theirs}, and this command is {__version__}"
        yield Check(check="server", status="warning", message=message, fix="restart the server")
    for graph_id, why in (info.get("graph_errors") or {}).items():
        text = str(why.get("message", why) if isinstance(why, dict) else why).splitlines()[0]
        yield _failed("graphs", f'graph "{graph_id}" does not load: {text}', "correct it")
    yield from _access(session)


def _access(session: Session) -> Iterator[Check]:
    try:
        session.client.count("/threads/count", {})
    except CliError as exc:
        yield _failed("access", exc.message, exc.hint)


def _no_server(exc: CliError, url: str, source: str) -> Check:
    """Tell a server that was named and is not there from none being there."""
    if exc.exit_code is not ExitCode.UNREACHABLE or source != "the default":
        return _failed("server", exc.message, exc.hint)
    if _is_taken(url):
        return _failed("server", f"{url} is not a LangGraph server", "use another --port")
    return Check(check="server", status="warning", message=f"no server at {url}", fix="lgserve dev")


def _is_taken(url: str) -> bool:
    host, _, port = url.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False


def _packages() -> Check:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        fix = f"{sys.executable} -m pip install {' '.join(missing)}"
        return _failed("packages", f"{', '.join(missing)} is not installed", fix)
    return _ok("packages", ", ".join(found))


def _sqlite() -> Check:
    if sqlite3.sqlite_version_info >= (3, 35):
        return _ok("sqlite", f"sqlite {sqlite3.sqlite_version}")
    fix = "use a Python built with SQLite 3.35 or newer"
    return _failed("sqlite", f"sqlite {sqlite3.sqlite_version} is too old", fix)


def _watches() -> Iterator[Check]:
    try:
        most = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if most < _FEW_WATCHES:
        message = f"file watching: only {most} watches, so reload may miss files"
        fix = "sysctl fs.inotify.max_user_watches=65536"
        yield Check(check="watching", status="warning", message=message, fix=fix)
    else:
        yield _ok("watching", f"file watching: inotify, {most} watches")


def _data(folder: Path | None) -> Iterator[Check]:
    if folder is None:
        yield Check(check="data", status="warning", message="nothing is kept (data: :memory:)")
        return
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        yield _failed("data", f"{folder} cannot be written to", "name another with --data")
        return
    kind = _file_system(there)
    if kind in _REMOTE:
        message = f"{folder} is on {kind}, where SQLite's locks do not hold"
        yield Check(check="data", status="warning", message=message, fix="use a local disk")
    free = shutil.disk_usage(there).free
    text = f"data {folder}, {free / 1e9:.1f} GB free"
    if free < _LEAST_FREE_BYTES:
        yield Check(check="data", status="warning", message=text, fix="make room on the disk")
    elif kind not in _REMOTE:
        yield _ok("data", text)


def _file_system(path: Path) -> str:
    """Return the kind of file system a path is on, where that can be read."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in mounts:
        _, point, name, *_ = line.split(" ")
        if path.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, name
    return kind


def _graphs(problems: list[Any], graph_ids: list[str]) -> Iterator[Check]:
    for problem in problems:
        yield _failed("graphs", f"{problem.place} {problem.message}", problem.hint or "correct it")
    if not problems:
        yield _ok("graphs", f"graphs import: {', '.join(graph_ids)}")


def _ok(check: str, message: str) -> Check:
    return Check(check=check, status="ok", message=message)


def _failed(check: str, message: str, fix: str | None = None) -> Check:
    return Check(check=check, status="failed", message=message, fix=fix)
