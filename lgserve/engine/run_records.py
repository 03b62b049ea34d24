"""What the log says of runs: a record when one starts, ends, or goes back to the queue."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime

from lgserve import jsonio
from lgserve.core.models import Json, Run, Settlement
from lgserve.engine.executions import Execution, Outcome

_log = logging.getLogger("lgserve.runs")


@dataclass(frozen=True, slots=True)
class Start:
    """When a run was started: by the clock on the wall, and by one that never jumps."""

    moment: float = field(default_factory=time.time)
    tick: float = field(default_factory=time.monotonic)


def queued_seconds(run: Run, start: Start) -> float:
    """Return how long a run waited from when it was due until it was started."""
    return max(0.0, start.moment - datetime.fromisoformat(run.due_at).timestamp())


def elapsed_seconds(start: Start) -> float:
    """Return how long a run has been executing."""
    return time.monotonic() - start.tick


def record(event: str, run: Run) -> None:
    """Say that something happened to a run."""
    if _log.isEnabledFor(logging.INFO):
        _log.info("run", extra={"run": {"event": event, **_names(run)}})


def record_end(execution: Execution, start: Start, end: Settlement, outcome: Outcome) -> None:
    """Say how a run ended, how long it waited and how long it took."""
    if not _log.isEnabledFor(logging.INFO):
        return
    run, first, failed = execution.run, execution.first_event, outcome.failed_in
    facts = {
        "event": "finished",
        **_names(run),
        "status": end.status,
        "seconds": elapsed_seconds(start),
        "queue_seconds": queued_seconds(run, start),
        "steps": execution.steps,
        "events": execution.events,
        "first_event_seconds": None if first is None else max(0.0, first - start.tick),
        "error": _text(end.error),
        "error_details": outcome.details,
        "node": failed and failed.node,
        "input_keys": failed and failed.input_keys,
    }
    _log.info("run", extra={"run": facts})


def _names(run: Run) -> dict[str, str]:
    return {"run_id": run.run_id, "thread_id": run.thread_id, "graph_id": run.graph_id}


def _text(error: Json | None) -> str | None:
    if error is None:
        return None
    decoded = jsonio.loads(error)
    return f"{decoded.get('error')}: {decoded.get('message')}"
