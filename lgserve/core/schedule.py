"""When a cron fires: pure, from a schedule, a time zone and a moment to the next moment.

A schedule speaks of the wall clock of its zone. Where that clock changes:

- It is put forward and a time that is named does not exist: the cron fires once, in the moment at
  which the clock goes on (30 2 * * * at 03:00). A schedule for every hour just passes the gap over.
- It is put back and a time comes twice: the cron fires at the first of the two. A schedule for
  every hour fires at both, since it goes by the time that passes: no hour without its firings.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal, TypeAlias

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
#: How far ahead a schedule is followed: a 29th of February on a Monday comes every 28 years.
_YEARS_AHEAD = 50
#: The last of something, among days of the month and weekdays of the month.
LAST = -1

ClockNote: TypeAlias = Literal["moved", "once", "first", "second"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which seconds of the wall clock are meant; None stands for a `*` of a day's field."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    #: Days of the month; `LAST` is the last one.
    days: frozenset[int] | None
    months: frozenset[int]
    #: Days of the week, Sunday is 0.
    weekdays: frozenset[int] | None
    #: Weekdays of the month: `(5, 2)` is its second Friday, `(5, LAST)` its last.
    nth_weekdays: frozenset[tuple[int, int]] = frozenset()
    #: The working days that are nearest to these days of the month.
    nearest: frozenset[int] = frozenset()
    #: None: every year.
    years: frozenset[int] | None = None

    @property
    def every_hour(self) -> bool:
        """Whether no hour is left out: then it goes by the time that passes."""
        return len(self.hours) == 24

    def next_wall(self, wall: datetime) -> datetime | None:
        """Return the first moment of the wall clock that is meant, from this one on."""
        for day in self._days_from(wall.date()):
            found = self._time_from(wall.time() if day == wall.date() else time.min)
            if found is not None:
                return datetime.combine(day, found)
        return None

    def _days_from(self, first: date) -> Iterator[date]:
        """Yield the days that are meant, from this one on."""
        last_year = min(first.year + _YEARS_AHEAD, date.max.year)
        for year in range(first.year, last_year + 1):
            if self.years is not None and year not in self.years:
                continue
            for month in sorted(self.months):
                if (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self._means(day):
                        yield day

    def _time_from(self, start: time) -> time | None:
        """Return the first time of a day that is meant, from this one on."""
        for hour in self.hours:
            if hour < start.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= (start.hour, start.minute, start.second):
                        return time(hour, minute, second)
        return None

    def _means(self, day: date) -> bool:
        """Tell whether a day is meant: where both fields say something, one of them is enough."""
        of_month, of_week = self._of_month(day), self._of_week(day)
        if self.days is None or self.weekdays is None:
            return of_month and of_week
        if self.nth_weekdays or self.nearest:  # as croniter has it: these always have to hold
            held = not self.nth_weekdays or of_week
            return held and (not self.nearest or of_month)
        return of_month or of_week

    def _of_month(self, day: date) -> bool:
        if self.nearest:
            return any(day.day == _nearest_working_day(day, wanted) for wanted in self.nearest)
        if self.days is None or day.day in self.days:
            return True
        return LAST in self.days and day.day == calendar.monthrange(day.year, day.month)[1]

    def _of_week(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        if not self.nth_weekdays:
            return self.weekdays is None or weekday in self.weekdays
        place = (weekday, (day.day - 1) // 7 + 1)
        is_last = day.day + 7 > calendar.monthrange(day.year, day.month)[1]
        return place in self.nth_weekdays or (is_last and (weekday, LAST) in self.nth_weekdays)


def next_fire(schedule: Schedule, zone: tzinfo, after: datetime) -> datetime | None:
    """Return the first moment behind `after` at which a schedule fires, in UTC; None: never."""
    start = after.astimezone(UTC).replace(microsecond=0) + _SECOND
    find = _unbroken if schedule.every_hour else _named
    return find(schedule, zone, start)


def fires(schedule: Schedule, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments behind `after` at which a schedule fires."""
    moment = next_fire(schedule, zone, after)
    while moment is not None:
        yield moment
        moment = next_fire(schedule, zone, moment)


def clock_note(schedule: Schedule, zone: tzinfo, moment: datetime) -> ClockNote | None:
    """Return what a change of the clock has to do with a firing, None if nothing.

    `moved`: the time that is named does not exist; `once`: its time comes twice; `first` and
    `second` of the two, where both are fired.
    """
    local = moment.astimezone(zone)
    wall = local.replace(tzinfo=None)
    if schedule.next_wall(wall) != wall:
        return "moved"
    other = wall.replace(tzinfo=zone, fold=1 - local.fold)
    if other.utcoffset() == local.utcoffset() or _wall(other, zone) != wall:
        return None
    if not schedule.every_hour:
        return "once"
    return "second" if local.fold else "first"


def _named(schedule: Schedule, zone: tzinfo, start: datetime) -> datetime | None:
    """Return the first firing from `start` on, where each time of the wall clock counts once."""
    wall = schedule.next_wall(_wall(start, zone))
    while wall is not None:
        moment = _moment(wall, zone)
        if moment >= start:
            return moment
        wall = schedule.next_wall(wall + _SECOND)
    return None


def _unbroken(schedule: Schedule, zone: tzinfo, start: datetime) -> datetime | None:
    """Return the first firing from `start` on, where the time that passes counts."""
    while True:  # each pass leaves a change of the clock behind
        offset = start.astimezone(zone).utcoffset() or timedelta()
        wall = schedule.next_wall((start + offset).replace(tzinfo=None))
        if wall is None:
            return None
        moment = wall.replace(tzinfo=UTC) - offset
        change = _change_between(start, min(moment, start + _DAY), zone)
        if change is not None and change <= moment:
            start = change
        elif moment <= start + _DAY:
            return moment
        else:
            start = _moment(wall, zone)
            if _wall(start, zone) == wall:
                return start


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    """Return what the wall clock of the zone shows; a moment with a zone is taken as it is."""
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the moment of a time of the wall clock: the first, or where its gap ends."""
    before = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(before, zone) == wall:
        return before
    earlier = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(earlier, before, zone) or before


def _change_between(low: datetime, high: datetime, zone: tzinfo) -> datetime | None:
    """Return the first second behind `low`, up to `high`, at which the clock has changed."""

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    old = offset(low)
    if high <= low or offset(high) == old:
        return None
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if offset(middle) == old else (low, middle)
    return high


def _nearest_working_day(day: date, wanted: int) -> int:
    """Return the day of the same month, Monday to Friday, that is nearest to a wanted one."""
    last = calendar.monthrange(day.year, day.month)[1]
    number = min(wanted, last)
    weekday = day.replace(day=number).isoweekday()
    if weekday == 6:
        return number - 1 if number > 1 else number + 2
    if weekday == 7:
        return number + 1 if number < last else number - 2
    return number
