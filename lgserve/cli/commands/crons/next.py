"""`lgserve crons next`: reckoned here, so that it needs no server for a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Annotated, Any

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_cron
from lgserve.cli.options import command
from lgserve.cli.output import Column, Noun, Row, duration

_NOTES = {
    "moved": "the clocks go forward: the time does not exist, fired right after the gap",
    "once": "the clocks go back: the time comes twice, fired once",
    "first": "the clocks go back: the time comes twice, fired both times",
    "second": "the second time",
}
_COMING = Noun(
    id_field="at",
    columns=(
        Column(name="at", path="at"),
        Column(name="utc", path="utc"),
        Column(name="in", path="in"),
        Column(name="note", path="note"),
    ),
    fields=("at", "utc", "timezone", "seconds", "note"),
    derive=lambda row: {**row, "in": duration(row["seconds"])},
)

app = new_app("next", "Foretell firings.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is foretold."""

    schedule: str
    timezone: str | None
    end_time: str | None = None
    paused: bool = False


@command(app, "next", shared=open_session)
def next_firings(
    session: Session,
    cron: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Of this cron; or a schedule.", show_default=False),
    ] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", "-s", help="Of this schedule; asks no server.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="In this time zone: Europe/Paris.")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many.")] = 5,
) -> None:
    """Foretell firings in their time zone, and say where its clocks change."""
    if cron is not None and schedule is None and (" " in cron or cron.startswith("@")):
        cron, schedule = None, cron
    if (cron is None) is (schedule is None):
        raise usage_error("give the id of a cron, or --schedule")
    asked = _asked(session, cron, schedule, timezone)
    rows = list(islice(_coming(asked, datetime.fromtimestamp(session.out.now(), UTC)), count))
    session.out.rows(_COMING, rows)
    if asked.paused:
        session.out.note("the cron is paused: it does not fire until it is resumed")
    if len(rows) < count:
        session.out.note("it ends then" if rows else "it does not fire any more")


def _asked(
    session: Session, cron: str | None, schedule: str | None, timezone: str | None
) -> _Asked:
    if schedule is not None:
        return _Asked(schedule=schedule, timezone=timezone)
    found = find_cron(session.client, cron or "")
    return _Asked(
        schedule=found["schedule"],
        timezone=timezone or found.get("timezone"),
        end_time=found.get("end_time"),
        paused=not found.get("enabled", True),
    )


def _coming(asked: _Asked, now: datetime) -> Iterator[Row]:
    # Only here: reading schedules takes a library that no other client command needs.
    from lgserve.core.errors import InvalidRequestError
    from lgserve.core.schedule import clock_note, fires
    from lgserve.services.schedules import check_fires, parse_schedule, parse_zone

    try:
        zone, schedule = parse_zone(asked.timezone), parse_schedule(asked.schedule)
        check_fires(asked.schedule, asked.timezone, now)
    except InvalidRequestError as exc:
        raise usage_error(exc.message) from None
    before = now.astimezone(zone)
    for moment in fires(schedule, zone, now):
        if _is_over(moment, asked, zone):
            return
        local = moment.astimezone(zone)
        note = _note(clock_note(schedule, zone, moment), before, local)
        yield _row(moment, local, asked.timezone or "UTC", note, now)
        before = local


def _is_over(moment: datetime, asked: _Asked, zone: tzinfo) -> bool:
    if asked.end_time is None:
        return False
    try:
        end = datetime.fromisoformat(asked.end_time)
    except ValueError:  # of a server that checks nothing
        return False
    return moment > (end if end.tzinfo is not None else end.replace(tzinfo=zone))


def _note(kind: str | None, before: datetime, local: datetime) -> str | None:
    if kind is not None:
        return _NOTES[kind]
    if before.utcoffset() != local.utcoffset():
        return f"the clocks have changed: {before:%z} to {local:%z}"
    return None


def _row(
    moment: datetime, local: datetime, timezone: str, note: str | None, now: datetime
) -> dict[str, Any]:
    return {
        "at": local.isoformat(),
        "utc": moment.isoformat(),
        "timezone": timezone,
        "seconds": round((moment - now).total_seconds(), 3),
        "note": note,
    }
