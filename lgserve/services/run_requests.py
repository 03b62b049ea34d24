"""From a request to a run: everything that is decided before the run exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core import protocol_frames, trace_context
from lgserve.core.clock import to_iso
from lgserve.core.errors import BadRequestError, InvalidRequestError
from lgserve.core.ids import new_id
from lgserve.core.models import Assistant, Json, Run, Scope, Thread
from lgserve.core.principals import Principal
from lgserve.services import merging

if TYPE_CHECKING:
    from lgserve.core.vocabulary import (
        Durability,
        IfNotExists,
        MultitaskStrategy,
        OnCompletion,
        OnDisconnect,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a client asked for when it created a run; checked, not yet merged."""

    assistant_id: str
    input: Any = None
    command: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    interrupt_before: Any = None
    interrupt_after: Any = None
    stream_mode: tuple[str, ...] = ("values",)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    on_disconnect: OnDisconnect = "continue"
    multitask_strategy: MultitaskStrategy = "enqueue"
    if_not_exists: IfNotExists = "reject"
    on_completion: OnCompletion = "delete"
    after_seconds: float = 0
    durability: Durability = "async"
    #: Fail, and leave the thread alone, if the command answers nothing that waits for an answer.
    strict_resume: bool = False
    feedback_keys: tuple[str, ...] | None = None
    #: Told of its end; may be called, as far as anybody could say.
    webhook: str | None = None
    #: Its log is written for protocol v2.
    event_streaming: bool = False
    #: What headers of the request add to `config.configurable`.
    configurable: Mapping[str, Any] = field(default_factory=dict)
    #: From the `x-request-id` header.
    request_id: str | None = None
    #: The id it gets; None lets the server choose.
    run_id: str | None = None
    #: The cron that fires.
    cron_id: str | None = None
    #: Who asks; None on a server that does not ask who does.
    user: Principal | None = None
    #: What the assistant must contain; None asks what is asked of the thread.
    assistant_scope: Scope | None = None
    #: Where in a trace the run belongs: to what asks for it here and now.
    trace: Mapping[str, str] | None = field(default_factory=trace_context.current)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run to insert, with what its thread becomes."""

    run: Run
    thread_config: Json
    thread_metadata: Json


def check_command(command: Mapping[str, Any] | None, *, stateless: bool) -> None:
    """Refuse a command that cannot be carried out; `{}` counts as none.

    Raises:
        InvalidRequestError: it asks for nothing.
        BadRequestError: it resumes, and there is no thread to resume.
    """
    if not command:
        return
    resumes = command.get("resume") is not None
    if not (resumes or command.get("update") or command.get("goto")):
        raise InvalidRequestError("command: update, resume and goto are all empty")
    if resumes and stateless:
        raise BadRequestError("You must provide a thread_id when resuming.")


def assistant_metadata(assistant: Assistant) -> dict[str, str]:
    """Return what a thread's metadata says of the assistant that ran on it last."""
    return {"graph_id": assistant.graph_id, "assistant_id": assistant.assistant_id}


def plan_run(
    request: RunRequest, assistant: Assistant, thread: Thread, now: datetime, *, stateless: bool
) -> PlannedRun:
    """Merge assistant, thread and request into a run.

    Raises:
        BadRequestError: `config.configurable` and `context` are both given.
    """
    run_id = request.run_id or new_id()
    thread_metadata = {**jsonio.loads(thread.metadata), **assistant_metadata(assistant)}
    metadata = _run_metadata(request, assistant, {} if stateless else thread_metadata)
    config, context = _config_and_context(request, assistant, thread, metadata, run_id, now)
    temporary = stateless and request.on_completion == "delete"
    due_at = to_iso(now + timedelta(seconds=request.after_seconds))
    run = Run(
        run_id=run_id,
        thread_id=thread.thread_id,
        assistant_id=assistant.assistant_id,
        graph_id=assistant.graph_id,
        status="pending",
        metadata=jsonio.dumps_wire(metadata),
        kwargs=jsonio.dumps(_kwargs(request, config, context, temporary=temporary)),
        multitask_strategy=request.multitask_strategy,
        created_at=due_at,
        updated_at=to_iso(now),
        due_at=due_at,
        attempt=0,
        epoch=0,
        temporary=temporary,
        resumable=request.stream_resumable,
        user=_private(request.user),
    )
    return PlannedRun(
        run=run,
        thread_config=_thread_config(request, assistant, thread),
        thread_metadata=jsonio.dumps_wire(thread_metadata),
    )


def _run_metadata(
    request: RunRequest, assistant: Assistant, thread_metadata: Mapping[str, Any]
) -> dict[str, Any]:
    return merging.run_metadata(
        jsonio.loads(assistant.metadata),
        thread_metadata,
        request.config,
        request.metadata,
        assistant.assistant_id,
    )


def _private(user: Principal | None) -> Json | None:
    """Return what is known of a user if the run's object cannot show it all."""
    return jsonio.dumps(user) if user is not None and user.has_secrets else None


def _thread_config(request: RunRequest, assistant: Assistant, thread: Thread) -> Json:
    if thread.status == "busy":
        return thread.config
    merged = merging.thread_config(
        jsonio.loads(assistant.config), jsonio.loads(thread.config), request.config
    )
    return jsonio.dumps(merged)


def _without_auth(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return a client's configurable without what only the server may say."""
    return {
        name: value
        for name, value in configurable.items()
        if not name.startswith("langgraph_auth_")
    }


def _said_by_server(request: RunRequest, ids: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return what the server adds to a configurable: who asked, when, and what for."""
    user = request.user
    identity = "" if user is None else user.identity
    return {
        "langgraph_auth_user": None if user is None else user.public,
        "langgraph_auth_user_id": identity,
        "langgraph_auth_permissions": [] if user is None else user.permissions,
        "langgraph_request_id": request.request_id or new_id(),
        "__request_start_time_ms__": int(now.timestamp() * 1000),
        "__after_seconds__": request.after_seconds,
        **ids,
        "user_id": identity,
        **({} if request.cron_id is None else {"cron_id": request.cron_id}),
    }


def _config_and_context(
    request: RunRequest,
    assistant: Assistant,
    thread: Thread,
    metadata: Mapping[str, Any],
    run_id: str,
    now: datetime,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the config and the context a run executes with."""
    requested = _without_auth(request.config.get("configurable") or {})
    if requested and request.context:
        raise BadRequestError(merging.BOTH_GIVEN)
    context = merging.run_context(jsonio.loads(assistant.context), dict(request.context), requested)
    ids = {
        "run_id": run_id,
        "thread_id": thread.thread_id,
        "graph_id": assistant.graph_id,
        "assistant_id": assistant.assistant_id,
    }
    assistant_config = jsonio.loads(assistant.config)
    configurable = merging.run_configurable(
        assistant_config.get("configurable") or {},
        jsonio.loads(thread.config).get("configurable") or {},
        {
            **requested,
            **request.context,
            **request.checkpoint,
            **_without_auth(request.configurable),
        },
        _said_by_server(request, ids, now),
    )
    config = merging.run_config(assistant_config, request.config, configurable, metadata)
    return config, context


def _kwargs(
    request: RunRequest, config: dict[str, Any], context: dict[str, Any], *, temporary: bool
) -> dict[str, Any]:
    """Return what the executor needs, in the reference's shape."""
    strict = {"strict_resume": True} if request.strict_resume else {}
    return {
        "input": request.input,
        "command": request.command,
        "config": config,
        "context": context,
        "stream_mode": request.stream_mode,
        "interrupt_before": request.interrupt_before,
        "interrupt_after": request.interrupt_after,
        "webhook": request.webhook,
        "feedback_keys": request.feedback_keys,
        "temporary": temporary,
        "subgraphs": request.stream_subgraphs,
        "resumable": request.stream_resumable,
        "checkpoint_during": request.durability != "exit",
        "durability": request.durability,
        **strict,
        **({"context_given": True} if request.context else {}),
        **({protocol_frames.FLAG: True} if request.event_streaming else {}),
        **({trace_context.KEPT: dict(request.trace)} if request.trace else {}),
    }
