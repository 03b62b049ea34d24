"""The rules of runs as pure functions: what a thread's status is, and when a run is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lgserve.core.models import Settlement
    from lgserve.core.vocabulary import ThreadStatus


def settled_status(end: Settlement, before: ThreadStatus) -> ThreadStatus:
    """Return the status a thread settles at when a run has ended.

    A failed run makes it `error`; work left to do makes it `interrupted`; a run that was rolled
    back or refused, and one that did nothing, leave it as it was.
    """
    if end.rollback or end.refused:
        return before
    if end.status in ("error", "timeout"):
        return "error"
    if end.has_next is None:
        return before
    return "interrupted" if end.has_next else "idle"


def thread_status(settled: ThreadStatus, runs_in_flight: bool) -> ThreadStatus:  # noqa: FBT001
    """Return the status to show: busy while any run is pending or running."""
    return "busy" if runs_in_flight else settled


def may_retry(attempt: int, max_attempts: int) -> bool:
    """Tell whether a run whose owner died on this attempt may be taken up again."""
    return attempt < max_attempts
