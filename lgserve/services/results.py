"""What `wait` and `join` answer: one JSON document for each way a run can end (core.md, 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve import jsonio
from lgserve.core.models import EMPTY_OBJECT, Json, Run, RunResult

if TYPE_CHECKING:
    from lgserve.core.ports import Transaction

#: What the reference answers to those who wait for a run that goes.
_GONE = {"error": "HTTPException", "message": "404: Run not found"}
#: The reason of a run that ended because it, or its thread, was deleted.
DELETED = "deleted"
_ERROR = b'{"__error__":'


def error_result(error: Json, status: str = "error", reason: str | None = None) -> RunResult:
    """Return the answer for a failed or timed-out run."""
    body = Json(b'{"__error__":%b}' % error)
    return RunResult(body=body, status=status, reason=reason)  # type: ignore[arg-type]


def gone_result(reason: str | None = None) -> RunResult:
    """Return the answer for a run that was rolled back or deleted."""
    return error_result(jsonio.dumps(_GONE), "deleted", reason)


def unstarted_result(run: Run) -> RunResult:
    """Return the answer for a run that was cancelled before it started."""
    if run.cancel_action == "rollback" or run.cancel_reason == DELETED:
        return gone_result(run.cancel_reason)
    return RunResult(body=EMPTY_OBJECT, status="interrupted", reason=run.cancel_reason)


def keep_results(tx: Transaction, lost: list[Run]) -> list[Run]:
    """Keep what runs of a dead process came to that are gone with their end; return all of them."""
    for run in lost:
        if run.temporary and run.status != "pending":
            tx.requests.keep_result(run.run_id, lost_result(run))
    return lost


def lost_result(run: Run) -> RunResult:
    """Return the answer for a run that was given up, not put back, when its process had died."""
    return error_result(run.error, run.status) if run.error else unstarted_result(run)


def end_reason(run: Run) -> str | None:
    """Return why a run ended, or is about to, before its graph did."""
    if run.status == "timeout":
        return "timeout"
    return None if run.status in ("success", "error") else run.cancel_reason


def error_of(result: RunResult) -> Json | None:
    """Return the error that a result tells, or None."""
    if not result.body.startswith(_ERROR):
        return None
    return Json(result.body.removeprefix(_ERROR)[:-1])


def end_of(run_id: str, result: RunResult) -> Json:
    """Return what is told of a run's end to those who ask."""
    return jsonio.dumps({"run_id": run_id, "status": result.status, "reason": result.reason})


def with_end(run_id: str, result: RunResult) -> Json:
    """Return a result that tells how the run ended, beside the values."""
    body = result.body if result.body[:1] == b"{" else Json(b'{"__root__":%b}' % result.body)
    comma = b"" if body == EMPTY_OBJECT else b","
    return Json(b'%b%b"__end__":%b}' % (body[:-1], comma, end_of(run_id, result)))
