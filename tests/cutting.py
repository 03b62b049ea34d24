"""A client of event streams that is cut again and again, if asked to at every event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

_SECONDS = 60

#: One for all: making one takes longer than most requests.
HTTP = httpx.Client(timeout=_SECONDS)


@dataclass(frozen=True, slots=True)
class Frame:
    """An event as it came over the wire."""

    event_id: str
    name: str
    data: str

    @property
    def place(self) -> tuple[int, int]:
        head, _, tail = self.event_id.partition("-")
        return int(head), int(tail)


def frames_of(answer: httpx.Response) -> Iterator[Frame]:
    """Return the frames of an answer as they come; comments are passed over."""
    members: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(":"):
            continue
        name, _, value = line.partition(": ")
        if name:
            members[name] = value
        elif "event" in members:
            yield Frame(members.get("id", ""), members["event"], members["data"])
            members = {}


def stored(url: str, until: str | None = None) -> list[Frame]:
    """Return a whole log from its first frame on: to its end, or up to the frame with an id."""
    found: list[Frame] = []
    with HTTP.stream("GET", url, headers={"Last-Event-ID": "-1"}) as answer:
        for frame in frames_of(answer):
            found.append(frame)
            if frame.event_id == until:
                break
    return found


@dataclass(slots=True, kw_only=True)
class CutClient:
    """Reads a stream, a few frames a connection, from behind the last one it has seen."""

    #: Where the stream is: it may have moved after a restart.
    base: Callable[[], str]
    path: str
    seen: list[Frame] = field(default_factory=list)
    connections: int = 0

    def begin(self, body: dict[str, Any]) -> None:
        """Create a run, read its first frame and take the address it is rejoined at."""
        url = self.base() + self.path
        with HTTP.stream("POST", url, json=body) as answer:
            assert answer.status_code == 200, answer.read()
            self.path = answer.headers["Location"]
            self._read(answer, 1)

    def rejoin(self, most: int) -> bool:
        """Read at most so many frames; tell whether there may be more: the stream did not end."""
        last = self.seen[-1].event_id if self.seen else "-1"
        headers = {"Last-Event-ID": last}
        url = self.base() + self.path
        with HTTP.stream("GET", url, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            return self._read(answer, most)

    def _read(self, answer: httpx.Response, most: int) -> bool:
        self.connections += 1
        deadline = time.monotonic() + _SECONDS
        for n, frame in enumerate(frames_of(answer), 1):
            self.seen.append(frame)
            assert time.monotonic() < deadline
            if n == most:
                return True
        return False

    def check(self) -> None:
        """Hold what was seen against the whole log: all of it, once, in order."""
        places = [frame.place for frame in self.seen]
        assert places == sorted(set(places)), "out of order, or twice"
        assert self.seen == stored(self.base() + self.path, self.seen[-1].event_id)
