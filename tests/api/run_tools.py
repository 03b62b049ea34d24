"""What the tests of runs share: raw HTTP, for they look at what goes over the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
Body = dict[str, Any]

#: A run of `slow` that does not end by itself.
ENDLESS: Body = {"assistant_id": "slow", "input": {"seconds": 300, "ticks": 3000}}


class Frame(tuple[str, Any]):
    """An event: its name and its data."""

    __slots__ = ()


def new_thread(http: httpx.Client, **body: Any) -> str:
    return str(http.post("/threads", json=body).json()["thread_id"])


def wait(http: httpx.Client, thread_id: str, graph: str, **body: Any) -> Any:
    answer = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": graph, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def create(http: httpx.Client, thread_id: str, graph: str, **body: Any) -> str:
    answer = http.post(f"/threads/{thread_id}/runs", json={"assistant_id": graph, **body})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run_id"])


def start(http: httpx.Client, thread_id: str, body: Body = ENDLESS, **more: Any) -> str:
    """Start a run and return once its code has said something."""
    with streaming(
        http, f"/threads/{thread_id}/runs/stream", {"stream_mode": "custom", **body, **more}
    ) as (answer, frames):
        assert next(frames)[0] == "metadata"
        next(frames)
        return answer.headers["Content-Location"].rpartition("/")[2]


def status(http: httpx.Client, thread_id: str, run_id: str) -> str | None:
    """Return a run's status; None if there is no such run."""
    answer = http.get(f"/threads/{thread_id}/runs/{run_id}")
    return str(answer.json()["status"]) if answer.status_code == 200 else None


def thread_status(http: httpx.Client, thread_id: str) -> str:
    return str(http.get(f"/threads/{thread_id}").json()["status"])


def state(http: httpx.Client, thread_id: str) -> Any:
    return http.get(f"/threads/{thread_id}/state").json()


def last_run(http: httpx.Client, thread_id: str) -> Any:
    return http.get(f"/threads/{thread_id}/runs", params={"limit": 1}).json()[0]


def until(look: Callable[[], T], seconds: float = 10) -> T:
    """Look until what is seen is true; the looking itself takes a request's time."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
    return seen


def idle(http: httpx.Client, thread_id: str) -> str:
    """Return the thread's status once it is not busy."""
    return until(lambda: ((now := thread_status(http, thread_id)) != "busy" and now) or "")


@contextmanager
def streaming(
    http: httpx.Client, path: str, body: Body
) -> Iterator[tuple[httpx.Response, Iterator[Frame]]]:
    """Open a stream; its frames come one by one."""
    with http.stream("POST", path, json=body) as answer:
        assert answer.status_code == 200, answer.read()
        yield answer, frames_of(answer.iter_lines())


def frames_of(lines: Iterator[str]) -> Iterator[Frame]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield Frame((name, json.loads(line.removeprefix("data: "))))


def stream(http: httpx.Client, path: str, body: Body) -> list[Frame]:
    with streaming(http, path, body) as (_, frames):
        return list(frames)


def join_stream(
    http: httpx.Client, thread_id: str, run_id: str, *, last: str | None = None, modes: str = ""
) -> list[Frame]:
    answer = http.get(
        f"/threads/{thread_id}/runs/{run_id}/stream",
        params={"stream_mode": modes} if modes else {},
        headers={} if last is None else {"Last-Event-ID": last},
    )
    assert answer.status_code == 200, answer.text
    return list(frames_of(iter(answer.text.split("\r\n"))))


def names(frames: Sequence[Frame]) -> list[str]:
    return [name for name, _ in frames]
