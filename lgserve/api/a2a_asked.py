"""A call of A2A that is being answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from lgserve import jsonio
from lgserve.api import a2a_params as read
from lgserve.api.a2a_rpc import Call, error_body
from lgserve.api.auth import permit
from lgserve.api.http import services_of
from lgserve.api.keys import OPTIONS
from lgserve.core.a2a import INTERNAL, A2aTask, Object
from lgserve.core.a2a_legacy import legacy_event, legacy_task
from lgserve.core.a2a_views import task_view
from lgserve.core.errors import A2aError, LgserveError
from lgserve.core.ids import parse_uuid

if TYPE_CHECKING:
    from lgserve.core.a2a_views import Outcome
    from lgserve.core.models import Scope
    from lgserve.core.principals import Action as Permission
    from lgserve.services.a2a import A2aService
    from lgserve.services.a2a_agents import Agent

#: Seconds after which a client that waits gets headers before there is a result.
_PROMPT_SECONDS = 0.25
_JSON = {hdrs.CONTENT_TYPE: "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, the agent it is for, and the words its client understands."""

    request: web.Request
    call: Call
    agent: Agent

    @property
    def service(self) -> A2aService:
        """Return the operations."""
        return services_of(self.request).a2a

    def answer(self, result: Any) -> web.Response:
        """Return the response to the call."""
        return web.Response(body=self.call.envelope(result), headers=_JSON)

    def task(self, view: Object, *, sent: bool = False) -> Object:
        """Return a task in the words of the call's version."""
        if self.call.version == "0.3":
            return legacy_task(view)
        return {"task": view} if sent else view

    def event(self, event: Object) -> bytes:
        """Return an event of a stream, as a frame."""
        told = legacy_event(event) if self.call.version == "0.3" else event
        return b"data: %b\r\n\r\n" % self.call.envelope(told)

    def view(self, task: A2aTask, outcome: Outcome, history: int | None) -> Object:
        """Return a task as the client wants to see it, in the words of 1.0."""
        only_own = read.only_own_history(self.request.headers)
        return task_view(task, outcome, history=history, only_own=only_own)

    async def scope(self, action: Permission, task_id: str) -> Scope:
        """Return the scope for the thread of a task."""
        value = {"thread_id": parse_uuid(task_id.partition(":")[0])}
        return await permit(self.request, "threads", action, value)

    async def named_task(self, action: Permission, *names: str) -> A2aTask:
        """Return the task that the call names."""
        task_id = read.task_id(self.call.params, *(names or ("id",)))
        return await self.service.find(self.agent, task_id, await self.scope(action, task_id))


async def in_time(a2a: Asked, body: Callable[[], Awaitable[bytes]]) -> web.StreamResponse:
    """Answer when there is an answer; sooner with headers and spaces, so that no proxy gives up."""
    coming = asyncio.ensure_future(body())
    try:
        await asyncio.wait((coming,), timeout=_PROMPT_SECONDS)
        if coming.done():
            return web.Response(body=coming.result(), headers=_JSON)
        response = web.StreamResponse(headers=_JSON)
        await response.prepare(a2a.request)
        interval = a2a.request.app[OPTIONS].heartbeat_seconds
        while not (await asyncio.wait((coming,), timeout=interval))[0]:
            await response.write(b"\n")
        await response.write(_said(a2a, coming))
        await response.write_eof()
        return response
    finally:
        coming.cancel()


def _said(a2a: Asked, coming: asyncio.Future[bytes]) -> bytes:
    """Return an answer whose headers are gone: it can only be told in JSON-RPC what went wrong."""
    error = coming.exception()
    if error is None:
        return coming.result()
    return told(error, a2a.call.call_id)


def told(error: BaseException, call_id: Any) -> bytes:
    """Return what is said of an error where HTTP cannot say it any more."""
    if not isinstance(error, A2aError):
        message = error.message if isinstance(error, LgserveError) else "Internal error"
        error = A2aError(INTERNAL, message)
    return jsonio.dumps_wire(error_body(error, call_id))
