"""`lgserve store export`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import parse_namespace
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import write
from lgserve.cli.store_items import search_items, switched_off

FORMAT = "lgserve.store"
VERSION = 1
_FIELDS = ("namespace", "key", "value", "metadata", "created_at", "updated_at", "expires_at")

app = new_app("export", "Write items to a file.")


@command(app, "export", shared=open_session, translate=switched_off)
def export_items(
    session: Session,
    namespace: Annotated[
        str, typer.Argument(metavar="[NAMESPACE]", help="Such as users.42; without it, all items.")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Where to; .gz is compressed. [standard output]"),
    ] = None,
) -> None:
    """Write the items of a namespace and those below it as JSON lines, a header first."""
    prefix = parse_namespace(namespace)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "namespace": prefix,
    }
    items = search_items(session.client, {"namespace_prefix": prefix})
    lines = (
        _line({name: item[name] for name in _FIELDS if item.get(name) is not None})
        for item in items
    )
    count = _to_stdout(header, lines) if file is None else _to_file(file, header, lines)
    session.out.note(f"exported {count} items")


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _to_stdout(header: dict[str, Any], lines: Iterator[str]) -> int:
    count = -1
    for count, line in enumerate(lines):
        if count == 0:  # a failing first page must leave stdout empty
            write(_line(header))
        write(line)
    if count < 0:
        write(_line(header))
    return count + 1


def _to_file(file: Path, header: dict[str, Any], lines: Iterator[str]) -> int:
    """Write beside the file, and put it in its place when all is there."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    count = 0
    try:
        with open_text(fresh, "wt", compressed=file.suffix == ".gz") as out:
            out.write(_line(header))
            for line in lines:
                out.write(line)
                count += 1
        fresh.replace(file)
    except OSError as exc:
        raise CliError(f"cannot write {file}: {exc.strerror}", code="E_FILE") from exc
    finally:
        fresh.unlink(missing_ok=True)
    return count


def open_text(file: Path, mode: str, *, compressed: bool) -> Any:
    """Open a file of text, through gzip where it is compressed."""
    if not compressed:
        return file.open(mode, encoding="utf-8")
    import gzip  # only for files that are

    return gzip.open(file, mode, encoding="utf-8")
