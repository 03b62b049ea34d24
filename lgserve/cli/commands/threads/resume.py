"""`lgserve threads resume`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import read_text
from lgserve.cli.commands.runs.start import carry_out
from lgserve.cli.commands.threads.interrupts import interrupts_of
from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.lookup import find_thread_id
from lgserve.cli.options import command
from lgserve.cli.shared_options import ExitStatus, Stream, ThreadId, Wait

app = new_app("resume", "Answer what a thread waits for.")


@command(app, "resume", shared=open_session)
def resume_thread(
    session: Session,
    thread_id: ThreadId,
    value: Annotated[
        str | None,
        typer.Option("--value", help="The answer: JSON, a text, @file, or - for stdin."),
    ] = None,
    interrupt: Annotated[
        str | None, typer.Option("--interrupt", help="Which question, when there are several.")
    ] = None,
    assistant: Annotated[
        str | None,
        typer.Option("--assistant", "-a", help="Who goes on. [that of the thread's last run]"),
    ] = None,
    stream: Stream = None,
    wait: Wait = None,
    exit_status: ExitStatus = False,
) -> None:
    """Answer what a thread waits for, and let it go on; then as `lgserve runs start`.

    Several questions at once are answered by an object of their ids, or one by one with
    --interrupt. A thread that stopped before a node goes on without a value.

    Example: lgserve threads resume @last --value '{"approved": true}'
    """
    if wait is False and (exit_status or stream):
        raise usage_error("--background excludes --exit-status and --stream")
    whole_id = find_thread_id(session.client, thread_id)
    thread = session.client.get(f"/threads/{whole_id}")
    waiting = interrupts_of(session.client, iter([thread]))
    if not waiting:
        raise CliError(
            f"thread {whole_id} does not wait for anything: it is {thread.get('status')}",
            code="E_CONFLICT", exit_code=ExitCode.CONFLICT,
            hint="lgserve threads interrupts lists those that do",
        )  # fmt: skip
    body: dict[str, Any] = {"assistant_id": assistant or _assistant(session, thread)}
    body |= _answer([row["interrupt_id"] for row in waiting], value, interrupt)
    if stream:
        body["stream_mode"] = stream
    carry_out(session, whole_id, body, wait=wait, exit_status=exit_status)


def _answer(asked: list[str | None], value: str | None, interrupt: str | None) -> dict[str, Any]:
    """Return what the run is given: a command, or nothing where nothing was asked."""
    questions = [each for each in asked if each is not None]
    if not questions:
        if value is not None or interrupt is not None:
            raise usage_error(
                "the thread stopped before a node and asks nothing: leave out --value",
                "lgserve threads update writes to its state",
            )
        return {"input": None}
    if value is None:
        raise usage_error("--value is missing", "lgserve threads interrupts shows what is asked")
    answer = _json_or_text(read_text(value, "--value"))
    if interrupt is not None:
        return {"command": {"resume": {_chosen(questions, interrupt): answer}}}
    if len(questions) > 1 and not (isinstance(answer, dict) and answer.keys() <= set(questions)):
        raise usage_error(
            f"{len(questions)} questions are open: {', '.join(questions)}",
            "answer one with --interrupt ID, or all with an object of their ids",
        )
    return {"command": {"resume": answer}}


def _chosen(questions: list[str], interrupt: str) -> str:
    found = [each for each in questions if each.startswith(interrupt)]
    if len(found) != 1:
        raise usage_error(
            f"--interrupt {interrupt} is none of the open questions"
            if not found
            else f"{len(found)} questions have an id that starts with {interrupt}",
            f"open: {', '.join(questions)}",
        )
    return found[0]


def _json_or_text(text: str) -> Any:
    """Take what looks like a container or a quoted text as JSON, which it must then be."""
    try:
        return json.loads(text)
    except ValueError as exc:
        given = text.strip()
        if given[:1] in ("{", "[", '"'):
            raise usage_error(
                f"--value is not JSON: {exc}", "in a shell, put single quotes around it"
            ) from None
        return given


def _assistant(session: Session, thread: dict[str, Any]) -> str:
    """Return the assistant that the thread's last run was of, or that its metadata names."""
    path = f"/threads/{thread['thread_id']}/runs"
    if runs := session.client.get(path, {"limit": 1}):
        return str(runs[0]["assistant_id"])
    metadata = thread.get("metadata") or {}
    if found := metadata.get("assistant_id") or metadata.get("graph_id"):
        return str(found)
    raise usage_error("nothing says which assistant goes on", "name it with --assistant")
