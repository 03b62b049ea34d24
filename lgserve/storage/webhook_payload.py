"""What a webhook says of a run that ended: the run, and what it came to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.models import Json, Run, Settlement
from lgserve.core.webhooks import may_hold_password, without_password

#: How a run without a webhook is told from others, without reading what it was asked.
_MARK = b'"webhook":"'
_INTERRUPT = "__interrupt__"
_NAMES = {"interrupt": "UserInterrupt", "rollback": "UserRollback"}


def webhook_of(run: Run) -> str | None:
    """Return the address that is told of a run's end, if there is one."""
    if run.kwargs.find(_MARK) < 0:
        return None
    found = jsonio.loads(run.kwargs).get("webhook")
    return found if isinstance(found, str) else None


def run_payload(run: Run, end: Settlement, stored: Json | None, now: str) -> Json:
    """Return the object that is sent; `stored` are the values its thread had before.

    `webhook_sent_at` is added by who sends it.
    """
    values = end.values if end.values is not None or run.temporary else stored
    interrupts = _interrupts(run, end, values)
    paused = end.status == "success" and (bool(interrupts) or bool(end.has_next))
    error = end.error or _stopped(run, end)
    payload: dict[str, Any] = {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "metadata": run.metadata,
        "status": end.status,
        "kwargs": _shown(run.kwargs),
        "multitask_strategy": run.multitask_strategy,
        "created_at": run.created_at,
        "updated_at": now,
        "langsmith_session_name": None,
        "cancel_reason": _reason(run, end),
        "run_started_at": _moment(run.epoch),
        "run_ended_at": now,
        "values": _with_interrupts(values, interrupts) if paused else values,
    }
    payload |= {"interrupts": interrupts} if paused else {}
    return jsonio.dumps_wire(payload if error is None else {**payload, "error": error})


def _shown(kwargs: Json) -> Any:
    return without_password(jsonio.loads(kwargs)) if may_hold_password(kwargs) else kwargs


def _moment(epoch: int) -> str | None:
    """Return when a run began; its epoch is that, unless its thread had a run in that moment."""
    return to_iso(datetime.fromtimestamp(epoch / 1000, UTC)) if epoch else None


def _reason(run: Run, end: Settlement) -> str | None:
    if end.status == "timeout":
        return "timeout"
    return run.cancel_reason if end.status == "interrupted" or end.rollback else None


def _stopped(run: Run, end: Settlement) -> Json | None:
    """Return the error of a run that was told to stop, in the words of the reference."""
    if end.status != "interrupted" and not end.rollback:
        return None
    action = "rollback" if end.rollback else "interrupt"
    where = "POST /threads/{thread_id}/runs/{run_id}/cancel"
    if run.cancel_reason not in (None, "user"):
        where = str(run.cancel_reason)
    return jsonio.dumps({"error": _NAMES[action], "message": f"{action} requested via {where}"})


def _interrupts(run: Run, end: Settlement, values: Json | None) -> list[Any]:
    """Return what waits for an answer."""
    if run.temporary:
        if values is None or values.find(_INTERRUPT.encode()) < 0:
            return []
        body = jsonio.loads(values)
        return list(body.get(_INTERRUPT) or ()) if isinstance(body, dict) else []
    if not end.interrupts:
        return []
    by_task: dict[str, list[Any]] = jsonio.loads(end.interrupts)
    return [each for of_task in by_task.values() for each in of_task]


def _with_interrupts(values: Json | None, interrupts: list[Any]) -> Any:
    plain = None if values is None else jsonio.loads(values)
    if plain is not None and not isinstance(plain, dict):
        return plain
    return {**(plain or {}), _INTERRUPT: interrupts}
