"""The steps most tests of crons are made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
Json = dict[str, Any]

SECONDS = 15
#: Comes, but not while tests run.
SELDOM = "0 0 29 2 *"
EVERY_SECOND = "* * * * * *"


def until(look: Callable[[], T | None], seconds: float = SECONDS) -> T:
    """Look again and again until something is there."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def create(http: httpx.Client, on: str | None = None, who: Any = None, **body: Any) -> Json:
    """Create a cron, of a thread or of none."""
    wanted = {"assistant_id": "echo", "schedule": SELDOM, "input": {"text": "x"}, **body}
    path = "/runs/crons" if on is None else f"/threads/{on}/runs/crons"
    answer = http.post(path, json=wanted, headers=who)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def patch(http: httpx.Client, cron: Json, **body: Any) -> Json:
    answer = http.patch(f"/runs/crons/{cron['cron_id']}", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def firings(http: httpx.Client, cron: Json, who: Any = None, limit: int = 1000) -> list[Json]:
    """Return what became of a cron's firings, newest first."""
    path = f"/runs/crons/{cron['cron_id']}/firings"
    answer = http.get(path, params={"limit": limit}, headers=who)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()
    return found


def fired(http: httpx.Client, cron: Json, count: int = 1, who: Any = None) -> list[Json]:
    """Wait until a cron has fired as often, and return what became of it, newest first."""

    def look() -> list[Json] | None:
        found = firings(http, cron, who)
        return found if len(found) >= count else None

    return until(look)


def delete(http: httpx.Client, cron: Json) -> None:
    assert http.delete(f"/runs/crons/{cron['cron_id']}").status_code == 204


def at(moment: datetime) -> str:
    """Return the schedule of one moment, in UTC."""
    m = moment.astimezone(UTC)
    return f"{m.minute} {m.hour} {m.day} {m.month} * {m.second} {m.year}"


def in_seconds(seconds: float) -> datetime:
    """Return a whole second that comes then."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
