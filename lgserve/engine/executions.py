"""A run while it executes, and how its execution ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lgserve.core.models import EMPTY_OBJECT, Json, Run
from lgserve.engine.failures import FailedTask

if TYPE_CHECKING:
    from lgserve.core.ports import RunLog, RunSaver


@dataclass(slots=True, kw_only=True)
class Execution:
    """A run in progress: what the worker may touch from outside, and what its end is told with."""

    run: Run
    kwargs: Mapping[str, Any]
    log: RunLog
    saver: RunSaver | None
    #: A LangGraph `RunControl`: asks the graph to stop at the next superstep.
    control: Any
    #: Set when a stall shall fail the run.
    blocked: str | None = None
    #: Events said to those who follow.
    events: int = 0
    #: Supersteps that have ended; one that writes nothing counts together with the next.
    steps: int = 0
    #: When the first event of the graph itself was said, by a clock that never jumps.
    first_event: float | None = None
    _in_step: bool = field(default=False, init=False)

    def say(self, name: str, frame: bytes) -> None:
        """Tell those who follow of an event."""
        self.events += 1
        if self.first_event is None and name != "metadata":  # which is not the graph's
            self.first_event = time.monotonic()
        self.log.append(name, frame)

    def count_step(self, mode: str) -> None:
        """Notice a chunk of the root: after the updates of a step's nodes come its values."""
        if mode == "updates" and not self._in_step:
            self._in_step = True
            self.steps += 1
        elif mode == "values":
            self._in_step = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an execution ended; `drained` means that the run goes on elsewhere."""

    kind: str = "success"
    body: Json = EMPTY_OBJECT
    values: Json | None = None
    interrupts: Json | None = None
    #: None if the thread stands where it stood, as far as anybody knows.
    has_next: bool | None = None
    error: Json | None = None
    #: The user's own frames, for the log.
    details: str | None = None
    #: Where it failed, for the log.
    failed_in: FailedTask | None = None
    #: The checkpoint the thread stands at, where that was looked up.
    checkpoint_id: str | None = None
    #: It was not begun: the thread stays as it was.
    refused: bool = False
    #: The graph stopped half-way to ask something.
    interrupted: bool = False
