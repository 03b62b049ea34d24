"""Server-sent events as they come, over lost connections: what was seen last is said again."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode

_CHUNK = 65_536
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
#: Failures that may pass: the server restarts, or is about to be ready.
_PASSING = (ExitCode.UNREACHABLE, ExitCode.LATER)

Open = Callable[[str | None], http.client.HTTPResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a stream."""

    event: str
    data: Any
    id: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the event as one object."""
        return {"event": self.event, "data": self.data, "id": self.id}


def follow(
    client: ApiClient, opened: http.client.HTTPResponse, reopen: Open, note: Callable[[str], None]
) -> Iterator[Event]:
    """Yield the events of a run to its end; `reopen` continues after the event of an id."""
    last_id: str | None = None
    while True:
        try:
            for event in read_events(opened):
                last_id = event.id or last_id
                yield event
            return
        except (OSError, http.client.HTTPException) as exc:
            if last_id is None:  # without ids, nobody knows where to go on
                raise client.broken_off(exc) from exc
        finally:
            opened.close()
        opened = retry(client, partial(reopen, last_id), note)


def retry(
    client: ApiClient,
    attempt: Callable[[], http.client.HTTPResponse],
    note: Callable[[str], None],
) -> http.client.HTTPResponse:
    """Try until the server is back, as long as an answer may take."""
    deadline = time.monotonic() + client.connection.timeout_seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return attempt()
        except CliError as exc:
            if exc.exit_code not in _PASSING or time.monotonic() + pause > deadline:
                raise
        note("connection lost; trying again")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def read_events(response: http.client.HTTPResponse) -> Iterator[Event]:
    """Parse a stream of server-sent events; what is cut off at its end is no event."""
    name, event_id, data = "message", None, list[str]()
    for line in _lines(response):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value
        elif not line:
            if data or name != "message":
                yield Event(event=name, data=_decode("\n".join(data)), id=event_id)
            name, event_id, data = "message", None, []


@contextmanager
def ended_at(response: http.client.HTTPResponse, until: float | None) -> Iterator[None]:
    """Have a read within end at a moment of the monotonic clock; heartbeats do not prolong it."""
    if until is None:
        yield
        return
    with closing(socket.socket(fileno=os.dup(response.fileno()))) as twin:
        timer = threading.Timer(max(0.0, until - time.monotonic()), _shut, (twin,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut(twin: socket.socket) -> None:
    with suppress(OSError):
        twin.shutdown(socket.SHUT_RDWR)


def _lines(response: http.client.HTTPResponse) -> Iterator[str]:
    rest = b""
    while chunk := response.read1(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")


def _decode(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
