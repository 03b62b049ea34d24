"""What a task has come to, from what is stored of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.a2a_views import Outcome, said_of
from lgserve.services.results import error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.core.a2a import A2aTask, A2aTurn
    from lgserve.core.models import Json, RunResult

_INTERRUPT = "__interrupt__"


def running_outcome(task: A2aTask, turns: Sequence[A2aTurn], values: Json | None) -> Outcome:
    """Return what there is of a task that has not ended; `values` are its thread's, from before."""
    said = said_of(task, turns, jsonio.loads)
    return Outcome(values=None if values is None else jsonio.loads(values), said=said)


def ended_outcome(task: A2aTask, turns: Sequence[A2aTurn], result: RunResult) -> Outcome:
    """Return what a task came to whose latest run has ended."""
    error = error_of(result) if task.state == "failed" else None
    if error is not None:
        return Outcome(error=jsonio.loads(error), said=said_of(task, turns, jsonio.loads))
    values: Any = jsonio.loads(result.body)
    interrupts: Sequence[Any] = ()
    if task.state != "completed" and isinstance(values, dict):
        interrupts = values.pop(_INTERRUPT, ()) or ()
    return Outcome(values=values, interrupts=interrupts, said=said_of(task, turns, jsonio.loads))
