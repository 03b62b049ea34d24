"""What `wait` and `join` answer: one JSON document for each way a run can end (core.md, 3.3)."""

from __future__ import annotations

from lgserve import jsonio
from lgserve.core.models import EMPTY_OBJECT, Json, Run, RunResult

#: What the reference answers to those who wait for a run that was rolled back.
_ROLLED_BACK = {"error": "HTTPException", "message": "404: Run not found"}


def error_result(error: Json, status: str = "error") -> RunResult:
    """Return the answer for a failed or timed-out run."""
    return RunResult(body=Json(b'{"__error__":%b}' % error), status=status)  # type: ignore[arg-type]


def rolled_back_result() -> RunResult:
    """Return the answer for a run that was rolled back."""
    return error_result(jsonio.dumps(_ROLLED_BACK), "deleted")


def unstarted_result(run: Run) -> RunResult:
    """Return the answer for a run that was cancelled before it started."""
    if run.cancel_action == "rollback":
        return rolled_back_result()
    return RunResult(body=EMPTY_OBJECT, status="interrupted")
