"""When a schedule fires: croniter's syntax, and the clocks of its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter  # type: ignore[import-untyped]
from croniter.croniter import CroniterError  # type: ignore[import-untyped]
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lgserve.core.errors import InvalidRequestError
from lgserve.core.schedule import clock_note, fires, next_fire
from lgserve.services.schedules import check_fires, next_run, parse_schedule, parse_zone

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"
#: An hour and a half before the clocks change there.
SPRING = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)


def coming(schedule: str, zone: str, after: datetime, count: int) -> list[str]:
    """Return firings as the zone's clock shows them, without the year."""
    moments = islice(fires(parse_schedule(schedule), parse_zone(zone), after), count)
    return [moment.astimezone(ZoneInfo(zone)).isoformat()[5:] for moment in moments]


def notes(schedule: str, zone: str, after: datetime, count: int) -> list[str | None]:
    read, place = parse_schedule(schedule), parse_zone(zone)
    return [clock_note(read, place, each) for each in islice(fires(read, place, after), count)]


# ------------------------------------------------------------------------- clocks that change


def test_a_time_that_comes_twice_in_autumn_is_fired_once() -> None:
    assert coming("30 2 * * *", BERLIN, AUTUMN, 3) == [
        "10-25T02:30:00+02:00",
        "10-26T02:30:00+01:00",
        "10-27T02:30:00+01:00",
    ]
    assert notes("30 2 * * *", BERLIN, AUTUMN, 2) == ["once", None]


def test_named_times_of_the_hour_that_comes_twice_are_fired_once_each() -> None:
    assert coming("*/30 1-2 * * *", BERLIN, AUTUMN, 4) == [
        "10-25T02:00:00+02:00",
        "10-25T02:30:00+02:00",
        "10-26T01:00:00+01:00",
        "10-26T01:30:00+01:00",
    ]


def test_a_schedule_for_every_hour_misses_no_hour_in_autumn() -> None:
    assert coming("*/30 * * * *", BERLIN, AUTUMN, 6) == [
        "10-25T02:00:00+02:00",
        "10-25T02:30:00+02:00",
        "10-25T02:00:00+01:00",
        "10-25T02:30:00+01:00",
        "10-25T03:00:00+01:00",
        "10-25T03:30:00+01:00",
    ]
    assert notes("0 * * * *", BERLIN, AUTUMN, 3) == ["first", "second", None]


def test_a_time_that_does_not_exist_in_spring_is_fired_when_the_clock_goes_on() -> None:
    assert coming("30 2 * * *", BERLIN, SPRING, 2) == [
        "03-29T03:00:00+02:00",
        "03-30T02:30:00+02:00",
    ]
    assert notes("30 2 * * *", BERLIN, SPRING, 2) == ["moved", None]


def test_all_times_of_a_gap_are_one_firing() -> None:
    assert coming("*/15 2-3 * * *", BERLIN, SPRING, 4) == [
        "03-29T03:00:00+02:00",
        "03-29T03:15:00+02:00",
        "03-29T03:30:00+02:00",
        "03-29T03:45:00+02:00",
    ]


def test_a_schedule_for_every_hour_passes_the_gap_over() -> None:
    assert coming("30 * * * *", BERLIN, SPRING + timedelta(minutes=30), 3) == [
        "03-29T01:30:00+01:00",
        "03-29T03:30:00+02:00",
        "03-29T04:30:00+02:00",
    ]


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        (  # half an hour
            "15 * * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, 14, tzinfo=UTC),
            ["10-04T01:15:00+10:30", "10-04T03:15:00+11:00"],
        ),
        (  # a whole day that never was
            "0 12 * * *", "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC),
            ["12-29T12:00:00-10:00", "12-31T00:00:00+14:00", "12-31T12:00:00+14:00"],
        ),
        (  # at midnight, on the only day that is meant
            "*/30 * 17 2 *", "America/Sao_Paulo", datetime(2018, 2, 18, 1, 30, tzinfo=UTC),
            ["02-17T23:00:00-03:00", "02-17T23:30:00-03:00", "02-17T00:00:00-03:00"],
        ),
    ],
)  # fmt: skip
def test_odd_changes_of_the_clock(
    schedule: str, zone: str, after: datetime, expected: list[str]
) -> None:
    assert coming(schedule, zone, after, len(expected)) == expected


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 13_000).map(lambda days: MILLENNIUM + timedelta(days=days)),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Beirut"]),
    step=st.sampled_from([1, 5, 15, 20, 30]),
)
@example(start=AUTUMN, zone=BERLIN, step=15)
@example(start=SPRING, zone=BERLIN, step=15)
def test_what_recurs_within_hours_never_pauses_longer_than_its_step(
    start: datetime, zone: str, step: int
) -> None:
    found = fires(parse_schedule(f"*/{step} * * * *"), parse_zone(zone), start)
    moments = list(islice(found, 600 // step))
    pauses = {later - earlier for earlier, later in pairwise(moments)}

    assert max(pauses) <= timedelta(minutes=step)


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 13_000).map(lambda days: MILLENNIUM + timedelta(days=days)),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Beirut"]),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
)
@example(start=AUTUMN - timedelta(days=5), zone=BERLIN, hour=2, minute=30)
@example(start=SPRING - timedelta(days=5), zone=BERLIN, hour=2, minute=30)
def test_a_daily_schedule_fires_once_on_each_day_whatever_the_clocks_do(
    start: datetime, zone: str, hour: int, minute: int
) -> None:
    schedule = parse_schedule(f"{minute} {hour} * * *")
    moments = list(islice(fires(schedule, parse_zone(zone), start), 30))
    days = [moment.astimezone(ZoneInfo(zone)).date() for moment in moments]

    assert days == [days[0] + timedelta(days=n) for n in range(30)]


# ------------------------------------------------------------------------- the syntax


def _fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    return st.one_of(
        st.just("*"),
        number,
        st.builds("{}-{}".format, number, number),
        st.builds("{},{}".format, number, number),
        st.builds("*/{}".format, st.integers(1, high).map(str)),
        st.builds("{}-{}/{}".format, number, number, st.integers(1, 7).map(str)),
    )


_DAYS = st.one_of(_fields(1, 31), st.sampled_from(["l", "?", "15w", "1w", "31w"]))
_WEEKDAYS = st.one_of(
    _fields(0, 6), st.sampled_from(["?", "mon-fri", "sun", "7", "sat-mon", "5#2", "l5", "0#1,3#4"])
)
_FIVE = st.tuples(_fields(0, 59), _fields(0, 23), _DAYS, _fields(1, 12), _WEEKDAYS)


@settings(max_examples=300, deadline=None)
@given(
    five=_FIVE,
    seconds=st.one_of(st.none(), _fields(0, 59)),
    years=st.sampled_from(["", "*", "2027", "2026-2030", "2031/3"]),
    start=st.integers(0, 120_000_000).map(lambda past: NEW_YEAR + timedelta(seconds=past)),
)
def test_where_clocks_do_not_change_it_fires_as_croniter_does(
    five: tuple[str, ...], seconds: str | None, years: str, start: datetime
) -> None:
    fields = [*five, *([seconds, *([years] if years else [])] if seconds is not None else [])]
    text, after = " ".join(fields), start
    try:
        theirs = croniter(text, after)
    except CroniterError:
        with pytest.raises(InvalidRequestError):
            parse_schedule(text)
        return
    try:
        wanted = [theirs.get_next(datetime) for _ in range(3)]
    except CroniterError:
        assume("20" in fields[-1])  # its years are over after a firing or two
        return

    assert list(islice(fires(parse_schedule(text), UTC, after), 3)) == wanted


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("*/5 * * * *", NEW_YEAR + timedelta(minutes=5)),
        ("*/2 * * * * *", NEW_YEAR + timedelta(seconds=1)),  # seconds stand last, minutes first
        ("* * * * * */2", NEW_YEAR + timedelta(seconds=2)),
        ("@daily", NEW_YEAR + timedelta(days=1)),
        (" @Hourly ", NEW_YEAR + timedelta(hours=1)),
        ("0 9 * * MON", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("0 0 1 1 * 0 2030", datetime(2030, 1, 1, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 L * *", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_expressions_that_are_understood(schedule: str, expected: datetime) -> None:
    assert next_run(schedule, None, NEW_YEAR) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        "bad", "", " ", "* * * *", "* * * * * * * *", "60 * * * *", "* 24 * * *", "0 0 32 * *",
        "-1 * * * *", "*/0 * * * *", "1,,2 * * * *", "@never", "\0 * * * *", "0 0 * * mond",
        "H * * * *", "R R * * *", "h(0-5) * * * *", "0 0 * * 1,H", "H/5 * * * *",
        "1 " * 300, "1" * 10_000,
    ],
)  # fmt: skip
def test_expressions_that_are_refused_by_name(schedule: str) -> None:
    with pytest.raises(InvalidRequestError, match="schedule"):
        parse_schedule(schedule)


@pytest.mark.parametrize("schedule", ["0 0 31 2 *", "0 0 30 2 * 0", "0 0 1 1 * 0 1999"])
def test_a_schedule_that_never_fires_is_refused(schedule: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"schedule.*never fires"):
        check_fires(schedule, None, NEW_YEAR)


@pytest.mark.parametrize(
    "name", ["Mars/X", "", "America", "../etc/passwd", "/etc/passwd", "Europe/Berlin\0", "x" * 999]
)
def test_a_time_zone_that_does_not_exist_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="timezone"):
        parse_zone(name)


def test_a_firing_is_never_the_moment_itself() -> None:
    schedule = parse_schedule("* * * * * *")

    assert next_fire(schedule, UTC, NEW_YEAR) == NEW_YEAR + timedelta(seconds=1)
    almost = NEW_YEAR - timedelta(microseconds=1)
    assert next_fire(schedule, UTC, almost) == NEW_YEAR
