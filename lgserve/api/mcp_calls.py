"""Calls of tools: a run each, in the way of `POST /runs/wait`.

A graph that stops to ask ends its call, for a stateless run has no thread that could go on. A
client of the stateless version that can ask its user is asked instead: then the run has a thread,
which waits for the call to be repeated with the answers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import web

from lgserve import jsonio
from lgserve.api import mcp_elicitation as elicitation
from lgserve.api.auth import permit_run, permit_search
from lgserve.api.http import services_of, user_of
from lgserve.api.mcp_messages import Call, MessageId, invalid_params
from lgserve.api.mcp_progress import MODES
from lgserve.api.mcp_tools import (
    ANY_SHAPE,
    Object,
    Shape,
    by_name,
    failure,
    graph_input,
    is_tool,
    outcome,
    shape_of,
    tool_name,
    wrong_argument,
)
from lgserve.core.errors import LgserveError, NotFoundError
from lgserve.core.ids import system_assistant_id
from lgserve.core.models import (
    EVERYTHING,
    Assistant,
    AssistantFilter,
    Page,
    Run,
    RunResult,
    Scope,
)
from lgserve.services.creating import to_its_end
from lgserve.services.results import error_of
from lgserve.services.run_requests import RunRequest
from lgserve.services.thread_ttl import TtlWish

if TYPE_CHECKING:
    from lgserve.core.ports import Follower

#: Assistants read at once to name them all.
_AT_ONCE = 500
_FIRST_PAGE = Page(limit=_AT_ONCE, sort_by="created_at", sort_order="asc")
_OF_SYSTEM: Scope = {"created_by": "system"}
#: What a thread that waits for answers says of itself, and for how many minutes it waits.
_TOOL_KEY = "mcp_tool"
_WAITING_MINUTES = 24 * 60.0
_NOT_WAITING = "params.requestState is not that of a call that waits for answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A call that can be run."""

    call: Call
    name: str
    shape: Shape
    wanted: RunRequest
    scope: Scope
    #: Of a call that goes on; another one gets a thread.
    thread_id: str | None = None

    @property
    def keeps_thread(self) -> bool:
        """Whether the run's thread is there after the run."""
        return self.wanted.on_completion == "keep"


@dataclass(slots=True)
class RunningCalls:
    """Runs of calls by what their clients call them, so that one may be cancelled."""

    runs: dict[tuple[object, ...], list[Run]] = field(default_factory=dict)

    @contextmanager
    def noted(self, key: tuple[object, ...], run: Run) -> Iterator[None]:
        """Remember a run while it is awaited."""
        found = self.runs.setdefault(key, [])
        found.append(run)
        try:
            yield
        finally:
            found.remove(run)
            if not found:
                self.runs.pop(key, None)

    def only(self, key: tuple[object, ...]) -> Run | None:
        """Return the run of a name; None if there is none, or if it may be somebody else's."""
        found = self.runs.get(key, ())
        return found[0] if len(found) == 1 else None


RUNNING = web.AppKey("mcp_running", RunningCalls)


async def tools(request: web.Request) -> dict[str, Assistant]:
    """Return the assistants that the caller may see by the names of their tools.

    The order holds as long as no assistant comes or goes: graphs first, then the oldest.
    """
    service = services_of(request).assistants
    where, page, scope = await permit_search(request, "assistants", AssistantFilter(), _FIRST_PAGE)
    found = await _all(request, where, page, scope)
    if scope and _graphs_are_open(request):
        known = {each.assistant_id for each in found}
        for each in await _all(request, where, page, _OF_SYSTEM):
            if each.assistant_id not in known and service.is_system(each.assistant_id):
                found.append(each)
    found.sort(key=lambda each: _rank(each, is_system=service.is_system(each.assistant_id)))
    return by_name(each for each in found if is_tool(each))


async def _all(
    request: web.Request, where: AssistantFilter, page: Page, scope: Scope
) -> list[Assistant]:
    found: list[Assistant] = []
    total = 1
    while len(found) < total:
        page = replace(page, limit=_AT_ONCE, offset=len(found))
        some, total = await services_of(request).assistants.search(where, page, scope)
        found += some
        if not some:
            break
    return found


def _graphs_are_open(request: web.Request) -> bool:
    """Tell whether every caller may see the graphs, which every caller may run.

    The handlers of a project see to it themselves what is shown.
    """
    return bool(services_of(request).facts.auth["type"] != "custom")


def _rank(assistant: Assistant, *, is_system: bool) -> int:
    return (0 if tool_name(assistant) == assistant.graph_id else 1) if is_system else 2


async def _tool(request: web.Request, name: str) -> Assistant:
    """Return the assistant of a tool; that of a graph is found without a look at all others."""
    facts = services_of(request).facts
    if name in facts.graph_ids:
        where, _, scope = await permit_search(request, "assistants", AssistantFilter(), _FIRST_PAGE)
        if where == AssistantFilter():
            scope = EVERYTHING if _graphs_are_open(request) else scope
            with suppress(NotFoundError):
                own = await services_of(request).assistants.get(system_assistant_id(name), scope)
                if is_tool(own) and tool_name(own) == name:
                    return own
    found = (await tools(request)).get(name)
    if found is None:
        raise invalid_params(f"Unknown tool: {name}")
    return found


async def tool_shape(request: web.Request, assistant: Assistant) -> Shape | None:
    """Return what a tool of the caller's takes and gives; None if its graph cannot be loaded."""
    services = services_of(request)
    if assistant.graph_id in services.facts.graph_errors:
        return None
    try:
        schemas = await services.introspection.schemas(
            assistant.assistant_id, EVERYTHING, user_of(request)
        )
    except NotFoundError:
        return None  # deleted meanwhile
    except LgserveError:
        return ANY_SHAPE  # a factory may need what only a run gives it
    return shape_of(schemas)


async def prepare(request: web.Request, call: Call) -> Prepared | Object:
    """Return a call that can be run, or its result if it need not run.

    Raises:
        RpcError: there is no such tool, or the parameters are wrong.
    """
    params = call.message.params
    name, arguments, context = params.get("name"), params.get("arguments"), params.get("context")
    if not isinstance(name, str):
        raise invalid_params("params.name must be a string")
    if not isinstance(arguments, dict | None):
        raise invalid_params("params.arguments must be an object")
    if not isinstance(context, dict | None):
        raise invalid_params("params.context must be an object")
    assistant = await _tool(request, name)
    shape = await tool_shape(request, assistant)
    if shape is None:
        return failure(f"The graph '{assistant.graph_id}' of the tool {name} could not be loaded")
    wrong = wrong_argument(arguments or {}, shape)
    if wrong is not None:
        if not call.tells_model:
            raise invalid_params(f"Invalid arguments for tool {name}: {wrong}")
        return failure(f"Invalid arguments: {wrong}")
    wanted = _run_request(request, call, assistant, graph_input(arguments or {}, shape))
    wanted = replace(wanted, context=context or {})
    if "requestState" in params:
        return await _resumed(request, call, name, shape, wanted)
    wanted, scope = await permit_run(request, None, wanted)
    return Prepared(call=call, name=name, shape=shape, wanted=wanted, scope=scope)


def _run_request(request: web.Request, call: Call, assistant: Assistant, given: Any) -> RunRequest:
    name = call.message.params["name"]
    progress = progress_token(call) is not None
    return RunRequest(
        assistant_id=assistant.assistant_id,
        input=given,
        metadata={_TOOL_KEY: name} if call.elicits else {},
        stream_mode=MODES if progress else ("values",),
        on_disconnect="cancel",
        on_completion="keep" if call.elicits else "delete",
        multitask_strategy="reject",
        request_id=request.headers.get("x-request-id"),
    )


def progress_token(call: Call) -> str | int | None:
    """Return the name under which a client wants to hear of progress, if it does."""
    token = call.message.meta.get("progressToken")
    return token if isinstance(token, str | int) and not isinstance(token, bool) else None


async def _resumed(
    request: web.Request, call: Call, name: str, shape: Shape, wanted: RunRequest
) -> Prepared | Object:
    """Return a call that goes on where it stopped to ask, or what it still asks."""
    thread_id = _thread_of(call.message.params["requestState"])
    wanted = replace(wanted, input=None, on_completion="keep")
    wanted, scope = await permit_run(request, thread_id, wanted)
    threads = services_of(request).threads
    try:
        thread = await threads.find(thread_id, scope)
    except NotFoundError:
        raise invalid_params(_NOT_WAITING) from None
    said = jsonio.loads(thread.metadata)
    is_this = said.get(_TOOL_KEY) == name and said.get("assistant_id") == wanted.assistant_id
    if not is_this or thread.status != "interrupted":
        raise invalid_params(_NOT_WAITING)
    waiting = elicitation.waiting(thread.interrupts)
    answered = elicitation.answers(call.message.params.get("inputResponses"), waiting)
    if answered.declined is not None:
        await threads.delete(thread_id, scope)
        return failure(f"The user did not answer: {answered.declined}")
    if answered.wrong is not None:
        raise invalid_params(answered.wrong)
    if answered.missing:
        return elicitation.asking(waiting, _state_of(thread_id))
    wanted = replace(wanted, command={"resume": answered.given})
    return Prepared(
        call=call, name=name, shape=shape, wanted=wanted, scope=scope, thread_id=thread_id
    )


def _state_of(thread_id: str) -> str:
    """Return the name of a waiting call: whoever may not use its thread cannot use it either."""
    return base64.urlsafe_b64encode(UUID(thread_id).bytes).decode()


def _thread_of(state: Any) -> str:
    try:
        return str(UUID(bytes=base64.b64decode(state, altchars=b"-_", validate=True)))
    except (TypeError, ValueError, binascii.Error):
        raise invalid_params("params.requestState is none of this server's") from None


async def start(request: web.Request, prepared: Prepared) -> tuple[Run, asyncio.Future[RunResult]]:
    """Start the run of a call; its result comes with the future."""
    return await services_of(request).runs.create_and_wait(
        prepared.thread_id, prepared.wanted, prepared.scope
    )


async def start_followed(
    request: web.Request, prepared: Prepared
) -> tuple[Run, Follower, asyncio.Future[RunResult]]:
    """Start the run of a call, of which a client wants to hear while it runs."""
    return await services_of(request).runs.create_and_follow(
        prepared.thread_id, prepared.wanted, prepared.scope
    )


async def awaited(
    request: web.Request, prepared: Prepared, run: Run, wait: Callable[[], Awaitable[None]]
) -> None:
    """Wait while the call can be cancelled; a client that goes takes its run along."""
    key = _key(request, prepared.call.message.message_id)
    try:
        with request.app[RUNNING].noted(key, run):
            await wait()
    except (asyncio.CancelledError, ConnectionError):
        transport = request.transport
        if transport is None or transport.is_closing():
            await to_its_end(_abandon(request, prepared, run))
        raise


async def _abandon(request: web.Request, prepared: Prepared, run: Run) -> None:
    services = services_of(request)
    with suppress(LgserveError):
        if prepared.keeps_thread:
            await services.threads.delete(run.thread_id, prepared.scope)
        else:
            await services.runs.leave(run)


async def result_of(request: web.Request, prepared: Prepared, run: Run, ended: RunResult) -> Object:
    """Return what a call came to."""
    structured = prepared.call.structured
    if prepared.keeps_thread:
        threads, scope = services_of(request).threads, prepared.scope
        if ended.interrupted and prepared.call.elicits:
            wish = TtlWish(minutes=_WAITING_MINUTES)
            thread = await threads.update(run.thread_id, None, wish, scope)
            waiting = elicitation.waiting(thread.interrupts)
            if waiting:
                return elicitation.asking(waiting, _state_of(run.thread_id))
        with suppress(NotFoundError):
            await threads.delete(run.thread_id, scope)
    error = error_of(ended) if ended.status in ("error", "timeout", "deleted") else None
    if error is not None:
        return failure(_sentence(jsonio.loads(error)))
    if ended.status != "success":
        return failure("The run was cancelled before it was done")
    return outcome(ended, prepared.shape, structured=structured)


def _sentence(error: Mapping[str, Any]) -> str:
    """Return an error as people read it; the executor has masked what is not to be seen."""
    kind, message = error.get("error"), error.get("message")
    return f"{kind}: {message}" if message else str(kind)


async def cancel(request: web.Request, message_id: Any) -> None:
    """Stop the run of a call that its client does not wait for any more."""
    run = request.app[RUNNING].only(_key(request, message_id))
    if run is not None:
        with suppress(LgserveError):
            await services_of(request).runs.leave(run)


def _key(request: web.Request, message_id: MessageId) -> tuple[object, ...]:
    """Return what tells a client's call from another client's that has the same number."""
    user, headers = user_of(request), request.headers
    return (
        "" if user is None else user.identity,
        request.remote,
        headers.get("User-Agent"),
        headers.get("Mcp-Session-Id"),
        type(message_id),
        message_id,
    )
