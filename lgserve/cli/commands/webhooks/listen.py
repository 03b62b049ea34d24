"""`lgserve webhooks listen`: a receiver on this machine."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lgserve.cli.binding import bind
from lgserve.cli.environment import ClientEnvironment, ColorChoice
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command, parse_seconds
from lgserve.cli.output import Format, Output, write
from lgserve.cli.receiving import Message, Receiver, read_secret
from lgserve.cli.shared_options import default_format

_HOST, _PORT = "127.0.0.1", 2025

app = new_app("listen", "Receive webhooks on this machine and show them.")


@contextmanager
def _output(
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", help="How to write; jsonl in a pipe. [env: LGSERVE_OUTPUT]"),
    ] = None,
    color: Annotated[ColorChoice, typer.Option("--color", help="Colour.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001 - read where errors are reported
) -> Iterator[Output]:
    environment = ClientEnvironment.read()
    terminal = sys.stdout.isatty()
    wanted = output or (default_format(environment) if environment.output or terminal else "jsonl")
    if wanted not in ("table", "jsonl", "id"):
        raise usage_error(f"-o {wanted} is for one document", "messages never end: -o jsonl")
    yield Output(
        format=wanted,
        color=environment.wants_color(color, sys.stdout),
        terminal=terminal,
        quiet=quiet,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    count: int | None
    seconds: float | None


@command(app, "listen", shared=_output)
def listen(
    out: Output,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            "-p",
            min=0,
            max=65535,
            help=f"Port; 0 takes a free one.  [default: {_PORT}, or the next that is free]",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", help="whsec_…: check signatures, answer 401 to others."),
    ] = None,
    status: Annotated[
        int, typer.Option("--status", min=200, max=599, help="What to answer, to try retries.")
    ] = 200,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Stop after so many.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Stop after 30s, 5m; with --count, exit 124.")
    ] = None,
) -> None:
    """Receive webhooks on 127.0.0.1 and show them: whose they are, and whether they are signed.

    Exits with 8 if a signature was wrong or missing.
    """
    secrets = [_secret(text) for text in secret or ()]
    bounds = _Bounds(count=count, seconds=parse_seconds(timeout) if timeout else None)
    listener, moved = bind(_HOST, _PORT if port is None else port, explicit=port is not None)
    with listener, Receiver(listener, secrets, status) as receiver:
        if moved:
            out.note(moved)
        out.note(f"listening on http://{_HOST}:{listener.getsockname()[1]}")
        _show_all(out, receiver, bounds)


def _secret(text: str) -> bytes:
    try:
        return read_secret(text)
    except ValueError as exc:
        raise usage_error(f"--secret {exc}") from None


def _show_all(out: Output, receiver: Receiver, bounds: _Bounds) -> None:
    """Show what comes, until it is enough."""
    deadline = None if bounds.seconds is None else time.monotonic() + bounds.seconds
    seen = wrong = 0
    while bounds.count is None or seen < bounds.count:
        message = receiver.next(_left(deadline))
        if message is None:
            break
        seen += 1
        wrong += message.signature in ("invalid", "missing")
        _show(out, message)
    if bounds.count is not None and seen < bounds.count:
        raise CliError(
            f"{seen} of {bounds.count} webhooks came in time",
            code="E_TIMEOUT",
            exit_code=ExitCode.TIMED_OUT,
        )
    if wrong:
        raise CliError(
            f"{wrong} of {seen} webhooks were not signed with the secret",
            code="E_SIGNATURE",
            exit_code=ExitCode.UNSOUND,
        )


def _left(deadline: float | None) -> float:
    return threading.TIMEOUT_MAX if deadline is None else max(0.0, deadline - time.monotonic())


def _show(out: Output, message: Message) -> None:
    if out.format == "jsonl":
        out.value(message.to_json())
    elif out.format == "id":
        write(f"{message.webhook_id or ''}\n")
    else:
        write(_line(out, message))


def _line(out: Output, message: Message) -> str:
    payload: Any = message.payload
    run = payload if isinstance(payload, dict) else {}
    paused = "waits for an answer" if run.get("interrupts") else ""
    error = run.get("error")
    parts = (
        message.received_at,
        out.identifier(message.webhook_id or "-"),
        message.path,
        f"run {out.identifier(run['run_id'])}" if isinstance(run.get("run_id"), str) else "",
        str(run.get("status") or ""),
        paused,
        f"{error.get('error')}: {error.get('message')}" if isinstance(error, dict) else "",
        "" if message.signature is None else f"signature {message.signature}",
    )
    text = "  ".join(part for part in parts if part)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text) + "\n"
