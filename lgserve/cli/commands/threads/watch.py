"""`lgserve threads watch`."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.events import Event, ended_at, read_events, retry
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.shared_options import ThreadId
from lgserve.cli.showing_events import EventWriter

#: Between two connections that brought nothing.
_PAUSE = 0.5

app = new_app("watch", "Follow all that happens on a thread.")


@command(app, "watch", shared=open_session)
def watch_thread(
    session: Session,
    thread_id: ThreadId,
    mode: Annotated[
        list[str] | None,
        typer.Option("--mode", help="run_modes (the default), lifecycle, state_update."),
    ] = None,
    last_event_id: Annotated[
        str | None,
        typer.Option("--last-event-id", help="Begin after this event; -1: all that is kept."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="End after so many events.")
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="End after 30s, 5m, 2h. [never]")
    ] = None,
) -> None:
    """Follow all that happens on a thread, whichever run it is of; a lost connection is made anew.

    Ends with Ctrl-C, --count or --for.

    Example: lgserve threads watch @last --mode lifecycle -o jsonl
    """
    whole_id = find_thread_id(session.client, thread_id)
    query = urlencode([("stream_modes", name) for name in mode or ()])
    path = f"/threads/{whole_id}/stream" + (f"?{query}" if query else "")
    until = time.monotonic() + parse_seconds(for_) if for_ else None
    writer = EventWriter(session.out)
    for number, event in enumerate(_events(session, path, last_event_id, until), 1):
        writer.show(event)
        if number == count:
            break
    writer.finish()


def _events(
    session: Session, path: str, last_id: str | None, until: float | None
) -> Iterator[Event]:
    """Yield events over as many connections as it takes, each after the last one seen."""
    client = session.client
    while not _is_over(until):
        headers = {} if last_id is None else {"last-event-id": last_id}
        attempt = partial(client.open, "GET", path, headers=headers)
        opened = attempt() if last_id is None else retry(client, attempt, session.out.note)
        try:
            with ended_at(opened, until):
                for event in read_events(opened):
                    last_id = event.id or last_id
                    yield event
        except TimeoutError:  # nothing happened for as long as an answer may take
            continue
        except (OSError, http.client.HTTPException) as exc:
            if _is_over(until):
                return
            if last_id is None:
                raise client.broken_off(exc) from exc
            session.out.note("connection lost; trying again")
        finally:
            opened.close()
        if not _is_over(until):
            time.sleep(_PAUSE)


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until
