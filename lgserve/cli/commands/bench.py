"""`lgserve bench`: load a server with runs for a while, and measure."""

from __future__ import annotations

import http.client
import ipaddress
import json
import math
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from lgserve.cli.arguments import read_json
from lgserve.cli.client import ApiClient
from lgserve.cli.confirming import Yes
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.events import read_events
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_assistant, search_assistants
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.output import Noun, duration

_LONGEST_SECONDS = 600.0
_PARTS = (50, 95, 99)
_DEFAULT_INPUT: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
_RESULT = Noun(
    id_field="url",
    columns=(),
    fields=(
        "url", "graph", "users", "seconds", "runs", "runs_per_second", "events_per_second",
        "errors", "time_to_first_event_ms", "run_ms",
    ),
)  # fmt: skip

app = new_app("bench", "Load a server, and measure it.")


@command(app, "bench", shared=open_session)
def bench(
    session: Session,
    graph: Annotated[
        str | None, typer.Option("--graph", "-g", help="Which to run. [the only one, or agent]")
    ] = None,
    users: Annotated[int, typer.Option("--users", min=1, max=500, help="Runs at a time.")] = 20,
    lasting: Annotated[str, typer.Option("--duration", help="How long, at most 10m.")] = "20s",
    stream: Annotated[
        bool, typer.Option("--stream", help="Stream the events, and time the first.")
    ] = False,
    given_input: Annotated[
        str | None, typer.Option("--input", "-i", help="Their input: JSON, @file, or -.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Load a server with stateless runs for a while: runs a second, times, errors.

    Only a server on this machine is loaded without --yes. A run that fails counts as an error.

    Example: lgserve bench --graph agent --users 10 --duration 5s --stream
    """
    seconds = parse_seconds(lasting)
    if seconds > _LONGEST_SECONDS:
        raise usage_error(f"--duration {lasting} is longer than 10m")
    _refuse_strangers(session, yes=yes)
    name = _graph(session, graph)
    value = _DEFAULT_INPUT if given_input is None else read_json(given_input, "--input")
    load = _Load(session=session, body={"assistant_id": name, "input": value}, stream=stream)
    load.try_once()
    spent = load.run(users, seconds)
    if not load.runs:
        raise CliError("no run succeeded", hint=next(iter(load.errors), None))
    item = load.result(name, users, spent)
    session.out.item(_RESULT, item, _lines(item))


def _refuse_strangers(session: Session, *, yes: bool) -> None:
    host = urlsplit(session.client.connection.url).hostname or ""
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near and not yes:
        raise CliError(
            f"{session.client.connection.url} is not on this machine",
            code="E_NOT_CONFIRMED", exit_code=ExitCode.USAGE,
            hint="if you may load it, say --yes",
        )  # fmt: skip


def _graph(session: Session, named: str | None) -> str:
    if named is not None:
        found = find_assistant(session.client, named)
        made = (found.get("metadata") or {}).get("created_by") == "system"
        return str(found["graph_id" if made else "assistant_id"])
    graphs = sorted({row["graph_id"] for row in search_assistants(session.client, {})})
    if len(graphs) != 1 and "agent" not in graphs:
        raise usage_error("which graph?", f"--graph NAME; graphs: {', '.join(graphs) or 'none'}")
    return graphs[0] if len(graphs) == 1 else "agent"


@dataclass(slots=True, kw_only=True)
class _Load:
    """Users that start one run after another, and what they have seen."""

    session: Session
    body: dict[str, Any]
    stream: bool
    firsts: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    events: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def try_once(self) -> None:
        """Start one run, so that what can never work fails at once."""
        if error := self._one(self.session.client, measured=False):
            raise CliError(f"a run fails: {error}", code="E_RUN_FAILED", exit_code=ExitCode.UNSOUND)

    def run(self, users: int, seconds: float) -> float:
        """Load the server, and return how long that took."""
        began = time.monotonic()
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._user, args=(stop, began + seconds), daemon=True)
            for _ in range(users)
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(threads, began, seconds)
        finally:
            stop.set()
        return time.monotonic() - began

    def result(self, graph: str, users: int, spent: float) -> dict[str, Any]:
        """Sum up."""
        return {
            "url": self.session.client.connection.url,
            "graph": graph,
            "users": users,
            "stream": self.stream,
            "seconds": round(spent, 2),
            "runs": len(self.runs),
            "runs_per_second": round(len(self.runs) / spent, 2),
            "events_per_second": round(self.events / spent, 1) if self.stream else None,
            "errors": sum(self.errors.values()),
            "error_messages": dict(self.errors.most_common(5)),
            "time_to_first_event_ms": _parts(self.firsts) if self.stream else None,
            "run_ms": _parts(self.runs),
        }

    def _watch(self, threads: list[threading.Thread], began: float, seconds: float) -> None:
        """Wait for the users, and count on a terminal; runs that hang are left behind."""
        shown = sys.stderr.isatty() and not self.session.out.quiet
        limit = began + seconds + self.session.client.connection.timeout_seconds
        while any(thread.is_alive() for thread in threads) and time.monotonic() < limit:
            next((one for one in threads if one.is_alive()), threads[0]).join(0.25)
            if shown:
                left = max(began + seconds - time.monotonic(), 0)
                sys.stderr.write(f"\r{len(self.runs)} runs, {left:.0f} s left \x1b[K")
                sys.stderr.flush()
        if shown:
            sys.stderr.write("\r\x1b[K")

    def _user(self, stop: threading.Event, deadline: float) -> None:
        client = ApiClient(replace(self.session.client.connection))
        try:
            while time.monotonic() < deadline and not stop.is_set():
                if error := self._one(client, measured=True):
                    with self.lock:
                        self.errors[error] += 1
                    stop.wait(0.1)  # a server that refuses is not hammered
        finally:
            client.close()

    def _one(self, client: ApiClient, *, measured: bool) -> str | None:
        """Start a run and wait for its end; return why it failed."""
        began = time.monotonic()
        try:
            first, events, error = _streamed(client, self.body) if self.stream else (
                0.0, 0, _waited(client, self.body)
            )  # fmt: skip
        except CliError as exc:
            if not measured:
                raise
            return exc.message
        except (OSError, http.client.HTTPException) as exc:
            return client.broken_off(exc).message
        if measured and error is None:
            with self.lock:
                self.events += events
                self.firsts.append(first)
                self.runs.append(time.monotonic() - began)
        return error


def _waited(client: ApiClient, body: dict[str, Any]) -> str | None:
    result = client.query("/runs/wait", body)  # over a connection that is kept
    return (
        _short(result["__error__"]) if isinstance(result, dict) and "__error__" in result else None
    )


def _streamed(client: ApiClient, body: dict[str, Any]) -> tuple[float, int, str | None]:
    """Return when the first event of the graph came, how many came, and the error."""
    began, first, count = time.monotonic(), 0.0, 0
    error = None
    opened = client.open("POST", "/runs/stream", {**body, "stream_mode": ["values"]})
    try:
        for event in read_events(opened):
            count += 1
            if event.event != "metadata" and not first:
                first = time.monotonic() - began
            if event.event == "error":
                error = _short(event.data)
    finally:
        opened.close()
    return first, count, error


def _short(error: Any) -> str:
    return error[:200] if isinstance(error, str) else json.dumps(error, ensure_ascii=False)[:200]


def _parts(seconds: list[float]) -> dict[str, float] | None:
    """Return the median and the slow ends, in milliseconds."""
    if not seconds:
        return None
    found = sorted(seconds)
    return {
        f"p{part}": round(found[max(math.ceil(len(found) * part / 100) - 1, 0)] * 1000, 2)
        for part in _PARTS
    }


def _lines(item: dict[str, Any]) -> list[tuple[str, str]]:
    rate = f"{item['runs']} in {duration(item['seconds'])}: {item['runs_per_second']} a second"
    lines = [
        ("server", f"{item['url']}   {item['graph']}, {item['users']} users"),
        ("runs", rate),
        ("events", f"{item['events_per_second']} a second" if item["events_per_second"] else ""),
        ("first event", _times(item["time_to_first_event_ms"])),
        ("whole run", _times(item["run_ms"])),
        ("errors", str(item["errors"])),
        *(("error", f"{count} × {text}") for text, count in item["error_messages"].items()),
    ]
    return [(label, text) for label, text in lines if text]


def _times(parts: dict[str, float] | None) -> str:
    return " · ".join(f"{name} {value:g} ms" for name, value in (parts or {}).items())
