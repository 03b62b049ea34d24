"""Values that the conformance tests store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lgserve import jsonio
from lgserve.core.ids import new_id
from lgserve.core.models import EMPTY_OBJECT, Assistant, Run, StreamEvent, Thread
from lgserve.services.threads import new_thread

#: How long a claim holds without a heartbeat.
LEASE = timedelta(seconds=30)


def thread_at(moment: str, metadata: Mapping[str, Any] | None = None, **members: Any) -> Thread:
    return replace(new_thread(new_id(), metadata or {}, moment), **members)


def run_on(thread_id: str, moment: str, **members: Any) -> Run:
    """Return a pending run, due at the moment."""
    run = Run(
        run_id=new_id(),
        thread_id=thread_id,
        assistant_id=new_id(),
        graph_id="g",
        status="pending",
        metadata=EMPTY_OBJECT,
        kwargs=EMPTY_OBJECT,
        multitask_strategy="enqueue",
        created_at=moment,
        updated_at=moment,
        due_at=moment,
        attempt=0,
        epoch=0,
    )
    return replace(run, **members)


def assistant_at(
    moment: str, metadata: Mapping[str, Any] | None = None, **members: Any
) -> Assistant:
    assistant = Assistant(
        assistant_id=new_id(),
        graph_id="g",
        config=EMPTY_OBJECT,
        context=EMPTY_OBJECT,
        metadata=jsonio.dumps_wire(metadata or {}),
        name="Untitled",
        created_at=moment,
        updated_at=moment,
        version=1,
        description=None,
    )
    return replace(assistant, **members)


def events(first: int, last: int) -> list[StreamEvent]:
    """Return consecutive events, both ends included."""
    return [StreamEvent(seq=n, name="custom", frame=frame(n)) for n in range(first, last + 1)]


def frame(n: int, padding: int = 0) -> bytes:
    """Return the frame of an event named `custom`."""
    return b'event: custom\r\ndata: {"n":%d,"padding":"%s"}\r\n' % (n, b"." * padding)
