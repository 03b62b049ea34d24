"""`lgserve runs start`."""

from __future__ import annotations

import http.client
import json
import shlex
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import read_json
from lgserve.cli.commands.runs.following import Followed, end_of, settle
from lgserve.cli.commands.runs.list import RUNS
from lgserve.cli.commands.threads.interrupts import how_to_answer
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.events import follow, retry
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command, parse_pairs, parse_seconds
from lgserve.cli.output import write
from lgserve.cli.shared_options import (
    ExitStatus,
    Metadata,
    Multitask,
    RunConfig,
    RunContext,
    RunInput,
    Stream,
    Wait,
)
from lgserve.cli.showing_events import EventWriter, tell_of_interrupts

app = new_app("start", "Start a run.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where runs are created; without a thread the run has a hidden one, gone at its end."""

    thread_id: str | None

    @property
    def path(self) -> str:
        return f"/threads/{self.thread_id}/runs" if self.thread_id else "/runs"


@command(app, "start", shared=open_session)
def start_run(
    session: Session,
    assistant: Annotated[
        str, typer.Option("--assistant", "-a", help="Assistant id, or the name of a graph.")
    ],
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="On this thread; without it, on a new one.")
    ] = None,
    stateless: Annotated[
        bool, typer.Option("--stateless", help="On no thread: nothing is kept.")
    ] = False,
    given_input: RunInput = None,
    message: Annotated[
        str | None, typer.Option("--message", help="The input, as a message of the user.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", help="The answer to an interrupt: JSON, or a text.")
    ] = None,
    stream: Stream = None,
    wait: Wait = None,
    exit_status: ExitStatus = False,
    metadata: Metadata = None,
    config: RunConfig = None,
    context: RunContext = None,
    multitask: Multitask = None,
    interrupt_before: Annotated[
        list[str] | None, typer.Option("--interrupt-before", help="Stop before node. Repeatable.")
    ] = None,
    after: Annotated[str | None, typer.Option("--after", help="Start in 10s, 5m, 2h.")] = None,
    webhook: Annotated[
        str | None, typer.Option("--webhook", help="An address that is told of its end.")
    ] = None,
) -> None:
    """Start a run and wait for its result, stream its events, or leave it to the server."""
    _refuse_contradictions(
        thread=thread, stateless=stateless, wait=wait,
        inputs=(given_input, message, resume), exit_status=exit_status,
    )  # fmt: skip
    body: dict[str, Any] = {
        "assistant_id": assistant,
        "metadata": parse_pairs("--metadata", metadata or []),
        "context": parse_pairs("--context", context or []),
        "multitask_strategy": multitask,
        "interrupt_before": interrupt_before,
        "after_seconds": parse_seconds(after) if after else None,
        "stream_mode": stream,
        "webhook": webhook,
    }
    if config:
        body["config"] = {"configurable": parse_pairs("--config", config)}
    body = {name: value for name, value in body.items() if value not in (None, {}, [])}
    body |= _input(given_input, message, resume)
    target = _target(session, thread, body, stateless=stateless)
    with _telling_what_there_is():
        if wait is False:
            _leave(session, target, body)
            return
        followed = (_stream if stream else _wait)(session, target, body)
    settle(session, followed, exit_status=exit_status)


@contextmanager
def _telling_what_there_is() -> Iterator[None]:
    """Say how to find what a run was asked for and is not there."""
    try:
        yield
    except CliError as exc:
        unknown = exc.status in (404, 422) and "assistant" in exc.message.lower()
        if exc.hint is None and unknown:
            exc.hint = "lgserve assistants list shows what can be run"
            if "thread" in exc.message.lower().partition(": ")[2]:
                exc.hint += ", lgserve threads list the threads"
        raise


def _refuse_contradictions(
    *,
    thread: str | None,
    stateless: bool,
    wait: bool | None,
    inputs: tuple[str | None, ...],
    exit_status: bool,
) -> None:
    if thread and stateless:
        raise usage_error("--thread and --stateless exclude each other")
    if wait is False and exit_status:
        raise usage_error("--background and --exit-status exclude each other")
    if sum(given is not None for given in inputs) > 1:
        raise usage_error("--input, --message and --resume exclude each other")


def _input(given: str | None, message: str | None, resume: str | None) -> dict[str, Any]:
    if message is not None:
        return {"input": {"messages": [{"role": "user", "content": message}]}}
    if resume is not None:
        return {"command": {"resume": _json_or_text(resume)}}
    return {"input": read_json(given, "--input")} if given is not None else {}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _target(
    session: Session, thread: str | None, body: dict[str, Any], *, stateless: bool
) -> _Target:
    """Settle on the thread; a new one is made by the very request that makes the run."""
    if stateless:
        return _Target(thread_id=None)
    if thread:
        return _Target(thread_id=find_thread_id(session.client, thread))
    body["if_not_exists"] = "create"
    return _Target(thread_id=str(uuid.uuid4()))


def _leave(session: Session, target: _Target, body: dict[str, Any]) -> None:
    """Leave the run to the server, which keeps its events for `runs stream`."""
    run = session.client.post(target.path, {**body, "stream_resumable": True})
    lines = [("run", run["run_id"]), ("thread", run["thread_id"]), ("status", run["status"])]
    session.out.item(RUNS, run, lines)


def _wait(session: Session, target: _Target, body: dict[str, Any]) -> Followed:
    """Wait for the result; a run on a thread is joined, so that a lost connection loses nothing."""
    if target.thread_id is None:
        opened = session.client.open("POST", f"{target.path}/wait", body)
        run_id, join = _run_id(opened), None
    else:
        run_id = session.client.post(target.path, body)["run_id"]
        join = partial(session.client.open, "GET", f"{target.path}/{run_id}/join")
        with _left_to_the_server(session, run_id):
            opened = retry(session.client, join, session.out.note)
    with _left_to_the_server(session, run_id if join else None):
        result = json.loads(read_all(session, opened, join) or b"null")
    if session.out.format == "id":
        write(f"{run_id}\n")
    else:
        session.out.value(result)
    followed = Followed(run_id=run_id, thread_id=target.thread_id)
    if isinstance(result, dict):
        followed.error = end_of(result)
        _tell_how_to_answer(session, target, body["assistant_id"], result.get("__interrupt__"))
    return followed


@contextmanager
def _left_to_the_server(session: Session, run_id: str | None) -> Iterator[None]:
    """Say how to come back to a run on a thread: at Ctrl-C, and when the server is lost."""
    try:
        yield
    except KeyboardInterrupt:
        if run_id is not None:
            back = f"lgserve runs join {run_id} · stop it: lgserve runs cancel {run_id}"
            session.out.note(f"the run goes on: {back}")
        raise
    except CliError as exc:
        if run_id is not None and exc.exit_code in (ExitCode.UNREACHABLE, ExitCode.TIMED_OUT):
            exc.hint = f"{exc.hint} · then: lgserve runs join {run_id}"
        raise


def read_all(
    session: Session,
    opened: http.client.HTTPResponse,
    reopen: Callable[[], http.client.HTTPResponse] | None,
) -> bytes:
    """Return an answer to its end, from a new connection when one is lost."""
    while True:
        try:
            return opened.read()
        except (OSError, http.client.HTTPException) as exc:
            if reopen is None:
                raise session.client.broken_off(exc) from exc
        finally:
            opened.close()
        opened = retry(session.client, reopen, session.out.note)


def _tell_how_to_answer(session: Session, target: _Target, assistant: str, interrupts: Any) -> None:
    if not target.thread_id or not interrupts:
        return
    if len(interrupts) > 1:
        asked = {"thread_id": target.thread_id, "interrupt_id": interrupts[0].get("id")}
        answer = how_to_answer(asked, several=True)
    else:
        start = ["lgserve", "runs", "start", "-a", assistant, "-t", target.thread_id]
        answer = f"{shlex.join(start)} --resume '…'"
    tell_of_interrupts(session.out, interrupts, answer)


def _stream(session: Session, target: _Target, body: dict[str, Any]) -> Followed:
    """Show events as they come; when the connection is lost, from the last one seen."""
    client = session.client
    opened = client.open("POST", f"{target.path}/stream", {**body, "stream_resumable": True})
    run_id = _run_id(opened)

    def reopen(last_id: str | None) -> http.client.HTTPResponse:
        headers = {"last-event-id": last_id or "-1"}
        return client.open("GET", f"{target.path}/{run_id}/stream", headers=headers)

    writer = EventWriter(session.out)
    if session.out.format == "id":
        write(f"{run_id}\n")
    with _left_to_the_server(session, run_id if target.thread_id else None):
        for event in follow(client, opened, reopen, session.out.note):
            writer.show(event)
    writer.finish()
    return Followed(run_id=run_id, thread_id=target.thread_id, error=writer.error)


def _run_id(response: http.client.HTTPResponse) -> str | None:
    """Return the id that the answer's headers give to the run."""
    location = response.headers.get("content-location") or response.headers.get("location") or ""
    _, found, rest = location.partition("/runs/")
    return rest.split("/")[0] if found else None


def carry_out(
    session: Session,
    thread_id: str | None,
    body: dict[str, Any],
    *,
    wait: bool | None,
    exit_status: bool,
) -> None:
    """Start a run that another command has put together, and wait, stream or leave as it says."""
    target = _Target(thread_id=thread_id)
    if wait is False:
        _leave(session, target, body)
        return
    followed = (_stream if "stream_mode" in body else _wait)(session, target, body)
    settle(session, followed, exit_status=exit_status)
