"""Cron expressions and time zones as people write them, read with croniter's syntax."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter  # type: ignore[import-untyped]
from croniter.croniter import CroniterError  # type: ignore[import-untyped]

from lgserve.core.errors import InvalidRequestError
from lgserve.core.schedule import LAST, Schedule, next_fire

#: Characters of a schedule; each minute by its number takes 169.
_LONGEST = 255
_LONGEST_ZONE = 255
#: Fields that would be drawn by lot again and again, so that no firing could be foretold.
_DRAWN = re.compile(r"(^|,)[hr]([(/,]|$)")
_FIELDS = (
    "Ensure the schedule uses the standard cron format"
    " (minute hour day_of_month month day_of_week, then seconds and years if wanted)."
    " Example: '*/5 * * * *' for every 5 minutes."
)


@lru_cache(maxsize=2048)
def parse_schedule(text: str) -> Schedule:
    """Return the schedule that a cron expression describes; it fires at some time.

    Five fields, or six with the seconds last, or seven with the years behind them; `@daily` and its
    like.

    Raises:
        InvalidRequestError: it cannot be read, is too long, is left to chance, or never fires.
    """
    if len(text) > _LONGEST:
        raise InvalidRequestError(
            f"schedule: Invalid cron schedule: it must have at most {_LONGEST} characters"
        )
    if any(_DRAWN.search(field) for field in text.lower().split()):
        raise _invalid(text, "H and R would be drawn anew each time; write numbers.")
    try:
        read = croniter(text.strip())
    except (CroniterError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise _invalid(text, f"Invalid cron schedule. {_FIELDS}") from None
    return _schedule(read)


def parse_zone(name: str | None) -> tzinfo:
    """Return the time zone of this name, UTC without one.

    Raises:
        InvalidRequestError: there is none.
    """
    if name is None:
        return UTC
    found = _find_zone(name) if len(name) <= _LONGEST_ZONE else None
    if found is None:
        shown = name if len(name) <= _LONGEST_ZONE else f"{name[:_LONGEST_ZONE]}…"
        raise InvalidRequestError(
            f"Invalid timezone: '{shown}'. Use IANA timezone format (e.g. 'America/New_York')."
        )
    return found


def next_run(schedule: str, timezone: str | None, after: datetime) -> datetime | None:
    """Return when a schedule fires next; None: its years are over."""
    return next_fire(parse_schedule(schedule), parse_zone(timezone), after)


def check_fires(schedule: str, timezone: str | None, now: datetime) -> None:
    """Refuse a schedule that never fires, as the 31st of February.

    Raises:
        InvalidRequestError: so it is.
    """
    read, zone = parse_schedule(schedule), parse_zone(timezone)
    if any(next_fire(part, zone, now) is None for part in _parts(read)):
        raise _invalid(schedule, "It never fires: there is no such date in the years to come.")


def _parts(schedule: Schedule) -> tuple[Schedule, ...]:
    """Return what has to come true each: `13 * 5#2` needs a Friday the 13th, as croniter does."""
    always = schedule.nth_weekdays or schedule.nearest
    if not always or schedule.days is None or schedule.weekdays is None:
        return (schedule,)
    return replace(schedule, weekdays=None), replace(schedule, days=None)


@lru_cache(maxsize=1024)
def _find_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder of zones, a name with odd characters
        return None


def _invalid(text: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"Invalid cron schedule: '{text}'. Reason: {reason}")


def _schedule(read: Any) -> Schedule:
    """Return what croniter made of an expression as a schedule of our own."""
    minutes, hours, days, months, weekdays, *more = read.expanded
    seconds = more[0] if more else [0]
    return Schedule(
        seconds=_numbers(seconds, range(60)),
        minutes=_numbers(minutes, range(60)),
        hours=_numbers(hours, range(24)),
        days=None if _is_any(days) else frozenset(LAST if d == "l" else int(d) for d in days),
        months=frozenset(_numbers(months, range(1, 13))),
        weekdays=None if _is_any(weekdays) else frozenset(int(day) for day in weekdays),
        nth_weekdays=frozenset(_nth_weekdays(read.nth_weekday_of_month)),
        nearest=frozenset(getattr(read, "nearest_weekday", ())),
        years=None if len(more) < 2 or _is_any(more[1]) else frozenset(map(int, more[1])),
    )


def _is_any(field: list[Any]) -> bool:
    return "*" in field


def _numbers(field: list[Any], every: range) -> tuple[int, ...]:
    return tuple(every) if _is_any(field) else tuple(sorted(int(number) for number in field))


def _nth_weekdays(found: Mapping[Any, Iterable[Any]]) -> Iterable[tuple[int, int]]:
    for weekday, places in found.items():
        for day in range(7) if weekday == "*" else (int(weekday),):
            for place in places:
                yield day, LAST if place == "l" else int(place)
