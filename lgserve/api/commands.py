"""Commands of protocol v2: `POST /threads/{id}/commands`, and the same ones on a WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from lgserve.api.auth import permit_run, permit_thread
from lgserve.api.bodies import RunCreate
from lgserve.api.command_bodies import (
    Fork,
    GetState,
    GetTree,
    Inject,
    ListCheckpoints,
    Respond,
    RunStart,
)
from lgserve.api.fields import describe
from lgserve.api.http import decode, json_response, read_raw, services_of, user_of, uuid_of
from lgserve.api.run_headers import with_headers
from lgserve.api.webhooks import admitted
from lgserve.core.errors import CommandError, ForbiddenError, InvalidRequestError, LgserveError
from lgserve.core.ids import parse_uuid
from lgserve.core.models import Run
from lgserve.services.run_requests import RunRequest
from lgserve.services.thread_commands import ThreadCommands

ModelT = TypeVar("ModelT", bound=BaseModel)
Object = dict[str, Any]

_ENVELOPE = "Protocol commands must include an integer id and string method."
#: What a run of protocol v2 streams, as its kwargs tell.
_MODES = (
    "values", "updates", "messages", "tools", "lifecycle", "custom", "tasks", "checkpoints",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command for one thread, and the request that it came with."""

    request: web.Request
    thread_id: str
    params: Object

    def checked(self, model: type[ModelT]) -> ModelT:
        """Return the params, checked.

        Raises:
            CommandError: a member is wrong; the message names it.
        """
        try:
            return model.model_validate(self.params)
        except ValidationError as exc:
            raise CommandError("invalid_argument", describe(exc, ("params",))) from None


Handler = Callable[[Call], Awaitable[Object]]


def routes() -> list[web.RouteDef]:
    """Return the route of commands."""
    return [web.post("/threads/{thread_id}/commands", command)]


async def command(request: web.Request) -> web.StreamResponse:
    """Carry out one command; what goes wrong with it is in the answer's body."""
    raw = await read_raw(request)
    try:
        body = decode(raw)
    except InvalidRequestError as exc:
        message = exc.message.replace("in request body", "body", 1)
        return json_response({"detail": message}, 400)
    if (wrong := malformed(body)) is not None:
        return json_response(wrong, 400)
    thread_id = parse_uuid(request.match_info["thread_id"])
    seen = 0
    if thread_id is not None:
        seen = await services_of(request).feeds.last_number(thread_id)
    answer = await answered(request, body, HANDLERS)
    return json_response(with_meta(answer, seen))


def malformed(body: Any) -> Object | None:
    """Return what is answered to something that is no command."""
    given = body if isinstance(body, dict) else {}
    ident = given.get("id")
    if _is_id(ident) and isinstance(given.get("method"), str):
        return None
    return failure(ident if _is_id(ident) else None, "invalid_argument", _ENVELOPE)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def failure(ident: Any, code: str, message: str) -> Object:
    """Return the answer to a command that was not carried out."""
    return {"type": "error", "id": ident, "error": code, "message": message}


def with_meta(answer: Object, seen: int) -> Object:
    """Add the number of the last event that came before what the command did."""
    return (
        {**answer, "meta": {"applied_through_seq": seen}}
        if answer["type"] == "success"
        else (answer)
    )


async def answered(request: web.Request, body: Object, handlers: Mapping[str, Handler]) -> Object:
    """Carry out a command and return its answer, without what is told about events."""
    ident, method = body["id"], body["method"]
    handler = handlers.get(method)
    if handler is None:
        return failure(ident, "unknown_command", f"Unknown protocol command: {method}")
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        return failure(ident, "invalid_argument", "params: Input should be an object")
    try:
        thread_id = uuid_of(request, "thread")
        call = Call(request=request, thread_id=thread_id, params=params or {})
        return {"type": "success", "id": ident, "result": await handler(call)}
    except CommandError as exc:
        return failure(ident, exc.code, exc.message)
    except ForbiddenError as exc:
        return failure(ident, "permission_denied", exc.message)
    except LgserveError as exc:
        return failure(ident, "unknown_error", f"{exc.status}: {exc.message}")


# -------------------------------------------------------------------- runs


async def run_start(call: Call) -> Object:
    """Start a run; on a thread that waits for input, the input is the answer."""
    if not isinstance(call.params.get("assistant_id"), str):
        raise CommandError("invalid_argument", "run.start requires an assistant_id.")
    wanted = call.checked(RunStart)
    body: Object = wanted.model_dump(exclude_none=True, exclude={"input"})
    configurable = wanted.config.get("configurable")
    forks = isinstance(configurable, dict) and bool(configurable.get("checkpoint_id"))
    waiting: set[str] = set()
    if wanted.input is not None and not forks:
        scope = await permit_thread(call.request, "read")
        waiting = await _commands(call).waits_for_input(call.thread_id, scope)
    if waiting:
        answer = {next(iter(waiting)): wanted.input} if len(waiting) == 1 else wanted.input
        body["command"] = {"resume": answer}
    else:
        body["input"] = wanted.input
    return {"run_id": (await _start(call, body)).run_id}


async def input_respond(call: Call) -> Object:
    """Answer interrupts, one or several, and let the graph go on."""
    wanted = call.checked(Respond)
    answers = wanted.answers()
    if not answers:
        raise CommandError("invalid_argument", "input.respond requires an interrupt_id.")
    async with _commands(call).answering(call.thread_id):
        return await _respond(call, wanted, answers)


async def _respond(call: Call, wanted: Respond, answers: Object) -> Object:
    scope = await permit_thread(call.request, "read")
    waiting = await _commands(call).pending_interrupts(call.thread_id, scope)
    if not waiting:
        raise CommandError("no_such_run", "No interrupted run is bound to this thread.")
    for interrupt_id in answers:
        if interrupt_id not in waiting:
            raise CommandError(
                "no_such_interrupt", f"Unknown or already-consumed interrupt: {interrupt_id}"
            )
    resume: Object = {"resume": answers}
    resume |= {"update": wanted.update} if wanted.update is not None else {}
    resume |= {"goto": wanted.goto} if wanted.goto is not None else {}
    run = await _start(
        call,
        {
            "assistant_id": await _commands(call).assistant_of(call.thread_id, scope),
            "command": resume,
            "config": wanted.config,
            "metadata": wanted.metadata,
            "strict_resume": True,
        },
    )
    return {"run_id": run.run_id}


async def input_inject(call: Call) -> Object:
    """Say something to the agent: at once if it is at rest, else when its run has ended."""
    wanted = call.checked(Inject)
    if wanted.namespace:
        raise CommandError(
            "not_supported", "Messages can be injected into the root namespace only."
        )
    scope = await permit_thread(call.request, "read")
    if await _commands(call).waits_for_input(call.thread_id, scope):
        raise CommandError("not_supported", "The thread waits for an answer: use input.respond.")
    assistant = await _commands(call).assistant_of(call.thread_id, scope)
    message = wanted.message.model_dump(exclude_none=True)
    run = await _start(call, {"assistant_id": assistant, "input": {"messages": [message]}})
    return {"run_id": run.run_id}


async def state_fork(call: Call) -> Object:
    """Run from an earlier checkpoint on."""
    wanted = call.checked(Fork)
    scope = await permit_thread(call.request, "read")
    if not await _commands(call).has_checkpoint(call.thread_id, wanted.checkpoint_id, scope):
        raise CommandError("no_such_checkpoint", f"Unknown checkpoint: {wanted.checkpoint_id}")
    body = {
        "assistant_id": await _commands(call).assistant_of(call.thread_id, scope),
        "input": wanted.input,
        "config": wanted.config,
        "checkpoint_id": wanted.checkpoint_id,
    }
    run = await _start(call, body)
    return {"run_id": run.run_id, "thread_id": call.thread_id}


async def _start(call: Call, body: Object) -> Run:
    """Create an ordinary run whose log is written for protocol v2."""
    asked = await _admitted(call, _run_request(call, body))
    wanted, scope = await permit_run(call.request, call.thread_id, asked)
    services = services_of(call.request)
    run = await services.runs.create(call.thread_id, wanted, scope)
    services.feeds.created(call.thread_id)
    return run


async def _admitted(call: Call, wanted: RunRequest) -> RunRequest:
    try:
        return await admitted(call.request, wanted)
    except InvalidRequestError as exc:
        raise CommandError("invalid_argument", f"params.webhook: {exc.message}") from None


def _run_request(call: Call, body: Object) -> RunRequest:
    try:
        checked = RunCreate.model_validate({**body, "if_not_exists": "create"})
    except ValidationError as exc:
        raise CommandError("invalid_argument", describe(exc, ("params",))) from None
    wanted = checked.to_request(call.request.headers.get("x-request-id"))
    wanted = with_headers(call.request, wanted)
    return replace(
        wanted,
        stream_mode=_MODES,
        stream_subgraphs=True,
        stream_resumable=True,
        event_streaming=True,
    )


# -------------------------------------------------------------------- reads


async def agent_get_tree(call: Call) -> Object:
    """Return the graphs of the active or the latest run."""
    wanted = call.checked(GetTree)
    scope = await permit_thread(call.request, "read")
    return {"tree": await _commands(call).tree(call.thread_id, wanted.run_id, scope)}


async def state_get(call: Call) -> Object:
    """Return the values of a graph's state."""
    wanted = call.checked(GetState)
    scope = await permit_thread(call.request, "read")
    return await _commands(call).values(
        call.thread_id, wanted.namespace, wanted.keys, scope, user_of(call.request)
    )


async def list_checkpoints(call: Call) -> Object:
    """Return checkpoints, newest first."""
    wanted = call.checked(ListCheckpoints)
    scope = await permit_thread(call.request, "read")
    found = await _commands(call).checkpoints(
        call.thread_id, wanted.namespace, wanted.limit, wanted.before, scope, user_of(call.request)
    )
    return {"checkpoints": found}


# -------------------------------------------------------------------- what needs a WebSocket


async def subscribe(_: Call) -> Object:
    """Refuse to subscribe where no events can be sent."""
    raise CommandError(
        "not_supported",
        "Subscriptions live on a WebSocket; over HTTP, POST to /threads/{id}/stream/events.",
    )


async def unsubscribe(call: Call) -> Object:
    """Find no subscription: there is none without a WebSocket."""
    raise no_such_subscription(call.params.get("subscription_id"))


def no_such_subscription(subscription_id: Any) -> CommandError:
    """Return the error about a subscription that is not there."""
    return CommandError("no_such_subscription", f"Unknown subscription: {subscription_id}")


def _commands(call: Call) -> ThreadCommands:
    return services_of(call.request).thread_commands


HANDLERS: Mapping[str, Handler] = {
    "run.start": run_start,
    "input.respond": input_respond,
    "input.inject": input_inject,
    "agent.getTree": agent_get_tree,
    "state.get": state_get,
    "state.listCheckpoints": list_checkpoints,
    "state.fork": state_fork,
    "subscription.subscribe": subscribe,
    "subscription.unsubscribe": unsubscribe,
    "subscription.reconnect": subscribe,
}
