"""`lgserve webhooks show`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.commands.webhooks.list import WEBHOOKS
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_webhook_id
from lgserve.cli.options import command
from lgserve.cli.output import Output, duration

#: Characters of the payload that people are shown.
_SHOWN = 2000

app = new_app("show", "Show one delivery: its tries and its payload.")


@command(app, "show", shared=open_session)
def show_delivery(
    session: Session,
    webhook: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or at least 6 first characters.")
    ],
) -> None:
    """Show one delivery: its tries and its payload."""
    found = session.client.get(f"/webhooks/{find_webhook_id(session.client, webhook)}")
    session.out.item(WEBHOOKS, found, delivery_lines(session.out, found))


def delivery_lines(out: Output, delivery: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a delivery as labels and texts for people."""
    lines = [
        ("webhook", str(delivery["webhook_id"])),
        ("run", str(delivery["run_id"])),
        ("thread", str(delivery["thread_id"])),
        ("url", str(delivery["url"])),
        ("status", str(delivery["status"])),
        ("created", out.time(delivery.get("created_at"))),
        ("next try", out.time(delivery.get("next_attempt_at"))),
        ("ended", out.time(delivery.get("ended_at"))),
        *(("try", _try(out, each)) for each in delivery.get("tries") or ()),
        ("payload", _short(delivery.get("payload"))),
    ]
    return [(label, text) for label, text in lines if text]


def _try(out: Output, each: dict[str, Any]) -> str:
    answer = each.get("error") or f"HTTP {each.get('status_code')}"
    parts = (
        f"{each['number']}", out.time(each["began_at"]), duration(each["seconds"]), answer,
        each.get("response") or "",
    )  # fmt: skip
    return "  ".join(part for part in parts if part)


def _short(payload: Any) -> str:
    if payload is None:
        return ""
    text = json.dumps(payload, ensure_ascii=False)
    return (
        text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters, see -o json)"
    )
