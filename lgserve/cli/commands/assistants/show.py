"""`lgserve assistants show`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.commands.assistants.list import ASSISTANTS
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant
from lgserve.cli.options import command
from lgserve.cli.output import pairs

app = new_app("show", "Show one assistant.")


@command(app, "show", shared=open_session)
def show_assistant(
    session: Session,
    assistant: Annotated[
        str,
        typer.Argument(metavar="ID", help="Its id, 6 first characters of it, its graph or name."),
    ],
) -> None:
    """Show one assistant, by its id, graph or name."""
    found = find_assistant(session.client, assistant)
    session.out.item(ASSISTANTS, found, lines_of(session, found))


def lines_of(session: Session, found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what people see of an assistant."""
    out = session.out
    lines = [
        ("assistant", str(found["assistant_id"])),
        ("name", str(found.get("name") or "")),
        ("graph", str(found["graph_id"])),
        ("version", str(found.get("version", ""))),
        ("about", str(found.get("description") or "")),
        ("created", out.time(found.get("created_at"))),
        ("updated", out.time(found.get("updated_at"))),
        ("metadata", pairs(found.get("metadata") or {})),
        ("config", _json(found.get("config"))),
        ("context", _json(found.get("context"))),
    ]
    return [(label, text) for label, text in lines if text]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
