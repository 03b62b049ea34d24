"""How a run that was followed has ended: said to people, and by the exit status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lgserve.cli.context import Session
from lgserve.cli.errors import CliError, ExitCode
from lgserve.cli.output import duration, seconds_between
from lgserve.cli.showing_events import error_text

_BAD = ("error", "timeout", "interrupted")


@dataclass(slots=True, kw_only=True)
class Followed:
    """A run that has been followed to its end, and the error that was seen on the way."""

    run_id: str | None
    thread_id: str | None
    error: str | None = None


def end_of(result: dict[str, Any]) -> str | None:
    """Return the error in the result of a run."""
    error = result.get("__error__")
    return error_text(error) if error else None


def settle(session: Session, followed: Followed, *, exit_status: bool) -> None:
    """Say how the run ended; with `exit_status`, a bad end is a failure of the command."""
    run = _run(session, followed) if exit_status or not session.out.quiet else {}
    status = run.get("status") or ("error" if followed.error else "success")
    if exit_status and status in _BAD:
        raise CliError(
            f"run {followed.run_id} ended as {status}" + _because(followed.error),
            code="E_RUN_FAILED",
            exit_code=ExitCode.UNSOUND,
        )
    seconds = seconds_between(run.get("created_at"), run.get("updated_at"))
    took = f"   {duration(max(seconds, 0))}" if seconds is not None else ""
    thread = f"   thread {followed.thread_id}" if followed.thread_id else ""
    session.out.note(f"run {followed.run_id}   {status}{_because(followed.error)}{took}{thread}")


def _run(session: Session, followed: Followed) -> dict[str, Any]:
    """Return the run as it ended; a stateless one is gone by now."""
    if followed.thread_id is None or followed.run_id is None:
        return {}
    try:
        path = f"/threads/{followed.thread_id}/runs/{followed.run_id}"
        return dict(session.client.get(path))
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return {}
        raise


def _because(error: str | None) -> str:
    return f" ({error})" if error else ""
