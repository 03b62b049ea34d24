"""`lgserve threads show`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from lgserve.cli.commands.threads.list import THREADS
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.output import pairs
from lgserve.cli.shared_options import ThreadId

_SHOWN_VALUE = 200
_DETAILS = replace(THREADS, fields=(*THREADS.fields, "last_run", "next", "checkpoint_id"))

app = new_app("show", "Show one thread.")


@command(app, "show", shared=open_session)
def show_thread(
    session: Session,
    thread_id: ThreadId,
) -> None:
    """Show one thread: its last run, what it waits for."""
    client = session.client
    whole_id = find_thread_id(client, thread_id)
    thread = client.get(f"/threads/{whole_id}")
    runs = client.get(f"/threads/{whole_id}/runs", {"limit": 1})
    state = _state(session, whole_id)
    item = {
        **thread,
        "last_run": runs[0] if runs else None,
        "next": state.get("next"),
        "checkpoint_id": state.get("checkpoint_id"),
    }
    session.out.item(_DETAILS, item, _lines(session, item))


def _state(session: Session, thread_id: str) -> dict[str, Any]:
    """Return the state's head; a thread whose graph is gone is shown without it."""
    try:
        return dict(session.client.get(f"/threads/{thread_id}/state"))
    except CliError as exc:
        if exc.exit_code not in (ExitCode.FAILED, ExitCode.REFUSED, ExitCode.NOT_FOUND):
            raise
        session.out.note(f"note: the state cannot be read: {exc.message}")
        return {}


def _lines(session: Session, item: dict[str, Any]) -> list[tuple[str, str]]:
    out, metadata = session.out, item.get("metadata") or {}
    lines = [
        ("thread", str(item["thread_id"])),
        ("status", str(item.get("status", ""))),
        ("graph", str(metadata.get("graph_id", ""))),
        ("created", out.time(item.get("created_at"))),
        ("updated", out.time(item.get("updated_at"))),
        ("metadata", pairs(metadata)),
        ("last run", _last_run(session, item.get("last_run"))),
        ("next", ", ".join(item.get("next") or ())),
        ("checkpoint", str(item.get("checkpoint_id") or "")),
        *_interrupts(item.get("interrupts") or {}),
        ("error", _error(item.get("error"))),
        *_values(item.get("values")),
    ]
    return [(label, text) for label, text in lines if text]


def _last_run(session: Session, run: dict[str, Any] | None) -> str:
    if run is None:
        return ""
    return f"{run['run_id']}  {run['status']}  {session.out.time(run.get('created_at'))}"


def _interrupts(by_task: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    pending = [item for items in by_task.values() for item in items]
    return [
        ("waits for", f"{_short(item.get('value'))}  (interrupt {item.get('id')})")
        for item in pending
    ]


def _values(values: object) -> list[tuple[str, str]]:
    if not isinstance(values, dict):
        return [] if values is None else [("values", _short(values))]
    return [(f"values.{key}", _short(value)) for key, value in values.items()]


def _error(error: object) -> str:
    if isinstance(error, dict) and "error" in error:
        return f"{error['error']}: {error.get('message', '')}"
    return _short(error) if error else ""


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]}… ({len(text)} characters)"
