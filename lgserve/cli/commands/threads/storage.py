"""`lgserve threads storage`."""

from __future__ import annotations

from typing import Any

from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.output import Noun, size
from lgserve.cli.shared_options import ThreadId

app = new_app("storage", "Show what a thread takes.")


@command(app, "storage", shared=open_session)
def show_storage(session: Session, thread_id: ThreadId) -> None:
    """Show what a thread takes in the database: checkpoints, channels, writes.

    Example: lgserve threads storage @last -o json
    """
    whole_id = find_thread_id(session.client, thread_id)
    found = session.client.get(f"/threads/{whole_id}/storage")
    noun = Noun(id_field="thread_id", columns=(), fields=tuple(found))
    session.out.item(noun, {"thread_id": whole_id, **found}, _lines(whole_id, found))


def _lines(thread_id: str, found: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("thread", thread_id)]
    for name, value in found.items():
        lines += _flat(name, value) if name != "thread_id" else []
    return lines


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """Return a line for each number, by the path that leads to it."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _flat(f"{name}.{key}", item)]
    last = name.rpartition(".")[2]
    is_size = isinstance(value, int) and ("bytes" in last or "size" in last)
    return [(name, size(value) if is_size else str(value))]
