"""The events of a task's stream: what it is, what is new of its answer, how it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.a2a import A2aTask, Object
from lgserve.core.a2a_deltas import Delta, GrowingAnswer
from lgserve.core.a2a_views import (
    Outcome,
    artifact_update,
    artifacts_of,
    response_artifact,
    status_update,
)

if TYPE_CHECKING:
    import asyncio

    from lgserve.core.models import RunResult, StreamEvent
    from lgserve.core.ports import Follower
    from lgserve.services.a2a import A2aService


async def task_events(
    service: A2aService,
    task: A2aTask,
    follower: Follower,
    result: asyncio.Future[RunResult],
) -> AsyncGenerator[list[Object]]:
    """Yield what happens to a task from here on, those that happen together in one list.

    A task that was sent another message while it was at work is followed to the end of that.
    """
    while True:
        reader = _Reader(task)
        try:
            async for batch in follower:
                if events := reader.read(batch):
                    yield events
        finally:
            follower.close()
        ended = await result
        task = await service.again(task)
        following = await service.follow(task)
        if following is None:
            yield reader.last_events(task, await service.outcome(task, ended))
            return
        follower, result = following


class _Reader:
    """Makes A2A's events of a run's."""

    def __init__(self, task: A2aTask) -> None:
        self._task = task
        self._begun = task.state == "working"
        self._answer = GrowingAnswer()
        #: Who came too late for the beginning gets the answer in one piece, at its end.
        self._whole: bool | None = None

    def read(self, batch: Sequence[StreamEvent]) -> list[Object]:
        if self._whole is None:
            self._whole = batch[0].seq == 1
        events = [] if self._begun else self._begin()
        if self._whole:
            events += [self._update(delta) for delta in self._deltas(batch)]
        return events

    def _begin(self) -> list[Object]:
        self._begun = True
        return [status_update(replace(self._task, state="working"), Outcome())]

    def _deltas(self, batch: Sequence[StreamEvent]) -> list[Delta]:
        """Return what a batch adds, token by token: bytes depend on the text, not on the moment."""
        return [
            delta
            for event in batch
            if event.name.partition("|")[0] == "messages"
            for delta in self._answer.hear(_message_of(event))
        ]

    def _update(self, delta: Delta) -> Object:
        if not delta.append:
            artifact = response_artifact(self._task, [{"text": delta.text}])
            return artifact_update(self._task, artifact)
        more = {"artifactId": self._task.run_id, "parts": [{"text": delta.text}]}
        return artifact_update(self._task, more, append=True)

    def last_events(self, task: A2aTask, outcome: Outcome) -> list[Object]:
        """Return what completes the answer, and how the task stands now."""
        events = [] if self._begun else self._begin()
        for artifact in artifacts_of(task, outcome):
            if self._answer.text and artifact["parts"] == [{"text": self._answer.text}]:
                end = {"artifactId": task.run_id, "parts": [{"text": ""}]}
                events.append(artifact_update(task, end, append=True, last=True))
            else:
                events.append(artifact_update(task, artifact, last=True))
        return [*events, status_update(task, outcome)]


def _message_of(event: StreamEvent) -> Any:
    """Return the message of an event; its metadata is for others."""
    _, _, data = event.frame.partition(b"\r\ndata: ")
    found = jsonio.loads(data[:-2])
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
