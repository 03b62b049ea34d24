"""`lgserve crons show`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.client import ApiClient
from lgserve.cli.commands.crons.list import CRONS
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_cron
from lgserve.cli.options import command
from lgserve.cli.output import Output, pairs

_SHOWN = 5

app = new_app("show", "Show one cron.")


@command(app, "show", shared=open_session)
def show_cron(
    session: Session,
    cron: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or at least 6 first characters.")
    ],
) -> None:
    """Show one cron and its last firings."""
    found = find_cron(session.client, cron)
    lines = cron_lines(session.out, found)
    if session.out.format == "table" and not session.out.fields:
        for firing in _firings(session.client, found["cron_id"]):
            lines.append(("fired", _firing_line(session.out, firing)))
    session.out.item(CRONS, found, lines)


def cron_lines(out: Output, cron: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a cron as labels and texts for people."""
    payload = cron.get("payload") or {}
    paused = "" if cron.get("enabled", True) else " (paused)"
    lines = [
        ("cron", str(cron["cron_id"])),
        ("assistant", str(cron["assistant_id"])),
        ("thread", str(cron.get("thread_id") or "a new one each time")),
        ("schedule", f"{cron['schedule']}{paused}"),
        ("timezone", str(cron.get("timezone") or "UTC")),
        ("next", out.time(cron.get("next_run_date"))),
        ("end", out.time(cron.get("end_time"))),
        ("then", str(cron.get("on_run_completed") or "")),
        ("input", json.dumps(payload["input"], ensure_ascii=False) if "input" in payload else ""),
        ("metadata", pairs(cron.get("metadata") or {})),
        ("created", out.time(cron.get("created_at"))),
        ("updated", out.time(cron.get("updated_at"))),
    ]
    return [(label, text) for label, text in lines if text]


def _firings(client: ApiClient, cron_id: str) -> list[dict[str, Any]]:
    """Return the last firings; a server that does not tell of them has none to show."""
    try:
        return list(client.get(f"/runs/crons/{cron_id}/firings", {"limit": _SHOWN}))
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND or exc.status == 405:
            return []
        raise


def _firing_line(out: Output, firing: dict[str, Any]) -> str:
    error = firing.get("error") or {}
    parts = (
        out.time(firing["due_at"]),
        "" if firing["outcome"] == "fired" else firing["outcome"],
        "by hand" if firing.get("manual") else "",
        f"run {firing['run_id']}" if firing.get("run_id") else "",
        firing.get("run_status") or "",
        f"{error['error']}: {error['message']}" if error else "",
    )
    return "  ".join(part for part in parts if part)
