"""`lgserve new`: a project from a template of this package; nothing is fetched."""

from __future__ import annotations

import re
import shlex
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, write
from lgserve.cli.project_options import ProjectSession, open_project


class _Template(NamedTuple):
    about: str
    #: What to try in a second terminal.
    then: str


_TEMPLATES = {
    "agent": _Template("a model and tools that take turns", "lgserve chat agent"),
    "chat": _Template("a chat that remembers", "lgserve chat chat"),
    "approval": _Template("a graph that asks a person first", "lgserve chat approval"),
    "empty": _Template("one node", 'lgserve runs start -a graph --input \'{"text": "hello"}\''),
}
#: Files that would be lost on the way under their own names.
_RENAMED = {"gitignore": ".gitignore", "env": ".env"}
#: What a folder may hold already.
_TOLERATED = (".git", ".venv", ".DS_Store")
_NEW = Noun(id_field="path", columns=(), fields=("path", "template", "files", "next"))

app = new_app("new", "Make a project from a template.")


@command(app, "new", shared=open_project)
def make_project(
    session: ProjectSession,
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="Its folder, new or empty. [.]")
    ] = None,
    template: Annotated[
        str, typer.Option("--template", "-t", help=f"{', '.join(_TEMPLATES)}.")
    ] = "agent",
    show: Annotated[bool, typer.Option("--list", help="List the templates.")] = False,
) -> None:
    """Make a project from a template: it runs at once with `lgserve dev`, without any key.

    Example: lgserve new my-agent && cd my-agent && lgserve dev
    """
    if show:
        _list(session)
        return
    if template not in _TEMPLATES:
        raise usage_error(f"no template {template!r}", f"templates: {', '.join(_TEMPLATES)}")
    folder = path or Path()
    _refuse_full(folder)
    files = _write(folder, template)
    commands = [*([f"cd {shlex.quote(str(folder))}"] if str(folder) != "." else []), "lgserve dev"]
    following = [" && ".join(commands), _TEMPLATES[template].then]
    item = {"path": str(folder), "template": template, "files": files, "next": following}
    if session.out.format == "table":
        session.out.note(f"{folder}: {template}, {_TEMPLATES[template].about}: {', '.join(files)}")
        write("".join(f"{line}\n" for line in following))
    else:
        session.out.item(_NEW, item, [])


def _list(session: ProjectSession) -> None:
    rows: list[dict[str, Any]] = [
        {"template": name, "about": each.about} for name, each in _TEMPLATES.items()
    ]
    if session.out.format == "table":
        write("".join(f"{row['template']}\t{row['about']}\n" for row in rows))
    elif session.out.format == "id":
        write("".join(f"{row['template']}\n" for row in rows))
    else:
        session.out.value(rows)


def _refuse_full(folder: Path) -> None:
    """Refuse a folder with something in it: nothing of anybody's is overwritten."""
    if folder.exists() and not folder.is_dir():
        raise _conflict(f"{folder} is a file")
    try:
        there = [item.name for item in folder.iterdir()] if folder.exists() else []
    except OSError as exc:
        raise CliError(f"cannot read {folder}: {exc.strerror}", code="E_FILE") from exc
    found = sorted(name for name in there if name not in _TOLERATED)
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise _conflict(f"{folder} is not empty: it has {', '.join(found[:3])}{more}")


def _conflict(message: str) -> CliError:
    return CliError(
        message, code="E_CONFLICT", exit_code=ExitCode.CONFLICT, hint="name a new folder"
    )


def _write(folder: Path, template: str) -> list[str]:
    """Copy the files of a template, and return their names."""
    source = resources.files("lgserve.templates") / "projects" / template
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for item in sorted(source.iterdir(), key=lambda item: item.name):
            if not item.is_file() or re.search(r"\.py[co]$", item.name):
                continue
            name = _RENAMED.get(item.name, item.name)
            (folder / name).write_bytes(item.read_bytes())
            written.append(name)
    except OSError as exc:
        raise CliError(f"cannot write {exc.filename}: {exc.strerror}", code="E_FILE") from exc
    return written
