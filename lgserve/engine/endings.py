"""How the end of an execution becomes the end of its run. Pure, but for what is logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lgserve import jsonio
from lgserve.core.models import Run, RunResult, Settlement
from lgserve.engine.executions import Execution, Outcome
from lgserve.engine.failures import error_object
from lgserve.services.results import DELETED, end_reason, error_result, gone_result

if TYPE_CHECKING:
    from lgserve.core.vocabulary import RunStatus
    from lgserve.engine.user_loop import Handle

_log = logging.getLogger("lgserve")


def outcome_of(handle: Handle[Outcome]) -> Outcome:
    """Return how an execution ended; code that did not stop when asked is left behind."""
    if not handle.future.done() or handle.future.cancelled():
        return Outcome(kind="stopped")
    failure = handle.future.exception()
    if failure is None:
        return handle.future.result()
    _log.error("the executor failed", exc_info=failure)
    return Outcome(kind="error", error=jsonio.dumps(error_object(failure, mask=False)))


def settlement(execution: Execution, outcome: Outcome, reason: str | None) -> Settlement:
    """Return what to write of a run's end; `reason` says why it was asked to stop, if it was.

    Every checkpoint write must have been carried out: a failed one fails the run.
    """
    saver = execution.saver
    error = outcome.error
    status: RunStatus = "success" if error is None else "error"
    if outcome.kind == "stopped":
        status = "timeout" if reason == "timeout" else "interrupted"
    if saver is not None and saver.failure is not None and error is None:
        status = "error"
        error = jsonio.dumps({"error": "StorageError", "message": str(saver.failure)})
    return Settlement(
        status=status,
        error=error,
        # A temporary run leaves nothing but this for its webhook to tell.
        values=outcome.body if execution.run.temporary and error is None else outcome.values,
        interrupts=outcome.interrupts,
        has_next=outcome.has_next,
        checkpoint_id=(saver and saver.checkpoint_id) or outcome.checkpoint_id,
        rollback=reason == "rollback",
        refused=outcome.refused,
    )


def result_of(end: Settlement, outcome: Outcome, ended: Run | None) -> RunResult:
    """Return what those who wait for a run are answered; `ended` is the run with its end."""
    reason = None if ended is None else ended.cancel_reason if end.rollback else end_reason(ended)
    if end.rollback or (end.status == "interrupted" and reason == DELETED):
        return gone_result(reason)
    if end.error is not None:
        return error_result(end.error, end.status, reason)
    return RunResult(
        body=outcome.body, status=end.status, reason=reason, interrupted=outcome.interrupted
    )
