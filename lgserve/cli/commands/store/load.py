"""`lgserve store import`."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lgserve.cli.arguments import dotted
from lgserve.cli.commands.store.export import FORMAT, VERSION, open_text
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, timestamp
from lgserve.cli.store_items import get_item, switched_off

Conflict = Literal["replace", "skip", "fail"]
_DONE = ("imported", "skipped", "expired")
_SUMMARY = Noun(id_field="imported", columns=(), fields=_DONE)

app = new_app("import", "Read items from a file.")


@command(app, "import", shared=open_session, translate=switched_off)
def import_items(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="As exported; - is standard input.")],
    on_conflict: Annotated[
        Conflict, typer.Option("--on-conflict", help="What to do with an item that is there.")
    ] = "replace",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only read the file, and count.")
    ] = False,
) -> None:
    """Read items from a file that `lgserve store export` wrote, and put them.

    Metadata and the time an item has left are kept. The API takes no times: an item is created when
    it is imported, unless it is there already.
    """
    done: Counter[str] = Counter()
    for item in _read(file):
        done[_bring_in(session, item, on_conflict, dry_run=dry_run)] += 1
    counts = {name: done[name] for name in _DONE}
    session.out.item(_SUMMARY, counts, [(name, str(count)) for name, count in counts.items()])


def _bring_in(session: Session, item: dict[str, Any], conflict: Conflict, *, dry_run: bool) -> str:
    """Put one item, and say what was done with it."""
    body = {name: item[name] for name in ("namespace", "key", "value")}
    if item.get("metadata"):
        body["metadata"] = item["metadata"]
    if "expires_at" in item:
        body["ttl"] = None  # kept for good, whatever this server's default is
    if item.get("expires_at"):
        body["ttl"] = (timestamp(item["expires_at"]) - time.time()) / 60
        if body["ttl"] <= 0:
            return "expired"
    if conflict != "replace" and get_item(
        session.client, item["namespace"], item["key"], refresh=False
    ):
        if conflict == "skip":
            return "skipped"
        raise CliError(
            f"{dotted(item['namespace'])}/{item['key']} is there already",
            code="E_CONFLICT",
            exit_code=ExitCode.CONFLICT,
            hint="--on-conflict skip or replace",
        )
    if not dry_run:
        session.client.put("/store/items", body)
    return "imported"


def _read(name: str) -> Iterator[dict[str, Any]]:
    if name == "-":
        yield from _records(enumerate(sys.stdin, 1), "standard input")
        return
    file = Path(name)
    try:
        with open_text(file, "rt", compressed=file.suffix == ".gz") as lines:
            yield from _records(enumerate(lines, 1), name)
    except OSError as exc:
        raise usage_error(f"cannot read {name}: {exc.strerror or exc}") from None
    except UnicodeDecodeError:
        raise usage_error(f"{name} is not UTF-8 text") from None


def _records(lines: Iterator[tuple[int, str]], name: str) -> Iterator[dict[str, Any]]:
    """Yield the items; the header may be missing, but must be one that is understood."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            raise usage_error(f"{name}, line {number}: not JSON") from None
        if isinstance(record, dict) and "format" in record and "key" not in record:
            if (record["format"], record.get("version")) != (FORMAT, VERSION):
                raise usage_error(f"{name} is not of format {FORMAT}, version {VERSION}")
        elif not isinstance(record, dict) or not {"namespace", "key", "value"} <= record.keys():
            raise usage_error(f"{name}, line {number}: not an item with namespace, key and value")
        else:
            yield record
