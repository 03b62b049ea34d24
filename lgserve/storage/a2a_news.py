"""What those who are told of an A2A task are sent when a turn of it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lgserve import jsonio
from lgserve.core.a2a import A2aPush, A2aTask, A2aTurn
from lgserve.core.a2a_legacy import legacy_task
from lgserve.core.a2a_views import Outcome, said_of, task_view
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import new_id
from lgserve.core.models import Json, Settlement
from lgserve.core.webhooks import WebhookMessage, WebhookPolicy, check_url

#: An address was checked when it was given, and is again before it is called.
_ANY = WebhookPolicy(max_url_length=2**31, allow_loopback=True)
#: Of all the messages of a context, the last: who wants more asks for the task.
_HISTORY = 10


def news_of(
    task: A2aTask, end: Settlement, turns: Sequence[A2aTurn], push: A2aPush, metadata: Json
) -> WebhookMessage:
    """Return what somebody is sent; `metadata` is that of the task's thread."""
    view = task_view(task, _outcome(task, end, turns), history=_HISTORY)
    told = {"task": view} if push.version == "1.0" else legacy_task(view)
    return WebhookMessage(
        webhook_id=new_id(),
        kind="a2a",
        run_id=task.run_id,
        thread_id=task.thread_id,
        metadata=metadata,
        url=push.url,
        origin=_origin(push.url),
        headers=push.headers,
        payload=jsonio.dumps_wire(told),
    )


def _outcome(task: A2aTask, end: Settlement, turns: Sequence[A2aTurn]) -> Outcome:
    by_task: dict[str, list[Any]] = jsonio.loads(end.interrupts) if end.interrupts else {}
    return Outcome(
        values=None if end.values is None else jsonio.loads(end.values),
        interrupts=[each for of_task in by_task.values() for each in of_task],
        error=None if end.error is None else jsonio.loads(end.error),
        said=said_of(task, turns, jsonio.loads),
    )


def _origin(url: str) -> str:
    try:
        return check_url(url, _ANY).origin
    except InvalidRequestError:
        return "unknown"
