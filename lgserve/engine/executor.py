"""One run on the user loop: graph chunks to events, and at the end an outcome.

Whatever happens in user code ends as an outcome: success, error, or stopped half-way by request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from langgraph.errors import GraphDrained

from lgserve import jsonio
from lgserve.core.errors import UnknownInterruptError
from lgserve.core.models import EMPTY_OBJECT, EVERYTHING, Json, Run, Scope
from lgserve.core.principals import Principal
from lgserve.core.protocol_frames import FLAG, PAUSED
from lgserve.core.vocabulary import API_LEVEL
from lgserve.engine.event_protocol import EventTranslator, with_interrupts
from lgserve.engine.event_run import stream_events
from lgserve.engine.executions import Execution, Outcome
from lgserve.engine.failures import error_object, failed_task
from lgserve.engine.open_interrupts import open_interrupts
from lgserve.engine.run_input import at_newest, has_begun, has_input, run_input, without_unknown
from lgserve.engine.run_metrics import TokenUsage
from lgserve.engine.stream_modes import ChunkEncoder, frame, langgraph_modes
from lgserve.services.thread_references import stored_user

if TYPE_CHECKING:
    from lgserve.core.ports import Graphs

_log = logging.getLogger("lgserve")

#: What the run's code is told about where it runs, in the reference's names.
_PLATFORM = {
    "langgraph_version": version("langgraph"),
    "langgraph_api_version": API_LEVEL,
    "langgraph_plan": "lgserve",
    "langgraph_host": "self-hosted",
}

#: User code may raise anything, and call `sys.exit`: it ends its run only.
_USER_ERRORS = (Exception, SystemExit, KeyboardInterrupt)


class RunWatch(Protocol):
    """What watches one run."""

    @property
    def handlers(self) -> Sequence[Any]: ...  # noqa: D102 - LangChain's callback handlers
    def ended(self, outcome: Outcome) -> None: ...  # noqa: D102 - the name says it


class _Unwatched:
    """Watches nothing."""

    handlers: Sequence[Any] = ()

    def ended(self, outcome: Outcome) -> None:
        del outcome


_UNWATCHED = _Unwatched()


def unwatched(_run: Run, _kwargs: Mapping[str, Any]) -> AbstractContextManager[RunWatch]:
    """Watch nothing."""
    return nullcontext(_UNWATCHED)


@dataclass(slots=True)
class _Seen:
    """What the root graph has shown so far."""

    values: Any = None
    any_values: bool = False
    interrupted: bool = False
    interrupts: list[Any] = field(default_factory=list)
    #: The values the last interrupt was announced with.
    at_interrupt: dict[str, Any] | None = None

    def body(self, values: Json) -> Json:
        """Return what the run answers: values, and every interrupt that it ran into."""
        if self.at_interrupt is not None:
            once = {item.id: item for item in self.interrupts}
            return jsonio.dumps_wire({**self.at_interrupt, "__interrupt__": list(once.values())})
        return jsonio.dumps_wire(self.values) if self.interrupted and self.any_values else values


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExecutor:
    """Executes runs; every method runs on the user loop."""

    graphs: Graphs
    store: Any
    api_url: str
    mask_errors: bool
    #: Makes what a graph takes as its context: `(graph, given) -> context`.
    context_for: Callable[[Any, Mapping[str, Any]], Any]
    trim: Callable[[BaseException], str] = field(default=str)
    #: The scope in which a run's code finds the store, by its user's identity.
    store_scope: Callable[[str], Scope] = field(default=lambda _: EVERYTHING)
    #: What stands around a run's code, by its user: whoever it calls there knows who calls.
    around: Callable[[Run, Principal | None], AbstractContextManager[None]] = field(
        default=lambda _, __: nullcontext()
    )
    #: The project's LangChain callback handlers: of every run, and of all it calls.
    handlers: Callable[[], Sequence[Any]] = field(default=tuple)
    #: What stands around a run to watch it, by its kwargs.
    watch: Callable[[Run, Mapping[str, Any]], AbstractContextManager[RunWatch]] = field(
        default=unwatched
    )

    async def execute(self, execution: Execution) -> Outcome:
        """Run the graph to its end and return how it ended; never raises for user code."""
        config = self._config(execution.run, execution.kwargs["config"])
        user = config["configurable"].get("langgraph_auth_user")
        watching = self.watch(execution.run, execution.kwargs)
        with self.around(execution.run, user), watching as watch:
            if handlers := [*watch.handlers, *self.handlers()]:
                config["callbacks"] = handlers
            outcome = await self._execute(execution, config, user)
            watch.ended(outcome)
            return outcome

    async def _execute(
        self, execution: Execution, config: dict[str, Any], user: Principal | None
    ) -> Outcome:
        run = execution.run
        kwargs = execution.kwargs
        if not run.goes_on:  # else that has been told
            self._emit(execution, "metadata", {"run_id": run.run_id, "attempt": run.attempt})
        seen = _Seen()
        try:
            async with self.graphs.open(
                run.graph_id,
                config,
                access_context="threads.create_run",
                store=self._store(user),
                user=user,
                context=kwargs["context"],
            ) as opened:
                graph = self._attach(opened, execution, user)
                outcome = await self._run(graph, config, kwargs, execution, seen)
                if kwargs.get(FLAG) and outcome.has_next:
                    self._emit(execution, PAUSED, {})
                return outcome
        except asyncio.CancelledError:
            return self._stopped(execution)
        except _USER_ERRORS as exc:
            return self._failure(execution, exc)

    async def _run(
        self,
        graph: Any,
        config: dict[str, Any],
        kwargs: Mapping[str, Any],
        execution: Execution,
        seen: _Seen,
    ) -> Outcome:
        """Stream the graph; then, with the graph still open, look at where it stands."""
        try:
            await self._stream(graph, config, kwargs, execution, seen)
        except asyncio.CancelledError:
            return await self._standing(graph, config, execution, seen, self._stopped(execution))
        except GraphDrained:
            return Outcome(kind="drained")
        except UnknownInterruptError as exc:  # raised by us, before the graph did anything
            return replace(self._failure(execution, exc), refused=True)
        except _USER_ERRORS as exc:
            failed = self._failure(execution, exc)
            return await self._standing(graph, config, execution, seen, failed)
        saver = execution.saver
        wrote = saver is None or saver.checkpoint_id is not None
        if seen.interrupted or not seen.any_values or not wrote:
            asked = Outcome(interrupted=seen.interrupted)
            return await self._standing(graph, config, execution, seen, asked)
        body = jsonio.dumps_wire(seen.values)
        return Outcome(body=body, values=body, interrupts=EMPTY_OBJECT, has_next=False)

    async def _stream(
        self,
        graph: Any,
        config: dict[str, Any],
        kwargs: Mapping[str, Any],
        execution: Execution,
        seen: _Seen,
    ) -> None:
        encoder = ChunkEncoder(kwargs["stream_mode"])
        if execution.run.resumed and await has_begun(graph, config):
            given, config = None, at_newest(config)  # just goes on where its process died
        else:
            given = await run_input(graph, config, kwargs, execution.saver)
        options = _options(kwargs, execution)
        options["context"] = known = self.context_for(graph, kwargs["context"])
        config = without_unknown(config, kwargs, known or {})
        if kwargs.get(FLAG):
            await _stream_protocol(graph, given, config, options, execution, seen)
            return
        parts = (
            self._events(graph, given, config, options, execution)
            if "events" in kwargs["stream_mode"]
            else graph.astream(given, config, **options)
        )
        subgraphs = kwargs["subgraphs"]
        usage = TokenUsage(execution.run.graph_id)
        log = execution.log
        repeated = {"values", "checkpoints"} if given is None and execution.run.goes_on else set()
        async for part in parts:
            namespace, mode, chunk = part if subgraphs else ((), *part)
            if not namespace:
                _notice(execution, seen, mode, chunk)
            if mode in ("updates", "values"):
                usage.notice(namespace, mode, chunk)
            _check_not_blocked(execution)
            if log.wanted and not _is_repeated(repeated, namespace, mode):
                for name, text in encoder.encode(namespace, mode, chunk):
                    execution.say(name, text)
            else:
                encoder.skip(mode, chunk)
        _check_not_blocked(execution)

    async def _events(
        self,
        graph: Any,
        given: Any,
        config: dict[str, Any],
        options: dict[str, Any],
        execution: Execution,
    ) -> AsyncIterator[Any]:
        """Stream with raw events beside; the root's own chunks come out as without them."""
        root = execution.run.run_id
        async for event in graph.astream_events(given, config, version="v2", **options):
            if event["event"] == "on_chain_stream" and event["run_id"] == root:
                yield event["data"]["chunk"]
            elif "langsmith:hidden" not in event.get("tags", ()):
                self._emit(execution, "events", event)

    async def _standing(
        self,
        graph: Any,
        config: dict[str, Any],
        execution: Execution,
        seen: _Seen,
        outcome: Outcome,
    ) -> Outcome:
        """Complete an outcome with the state the thread stands at."""
        if execution.saver is None:
            body = seen.body(jsonio.dumps_wire({} if seen.values is None else seen.values))
            return replace(outcome, body=outcome.body if outcome.error else body)
        try:
            snapshot = await graph.aget_state(at_newest(config))
            fresh = has_input(execution.kwargs)
            waiting = await open_interrupts(graph, config, snapshot, fresh=fresh)
        except Exception as exc:  # noqa: BLE001 - a graph that cannot show its state still ended
            _log.warning("the state of run %s cannot be read: %r", execution.run.run_id, exc)
            return outcome
        values = jsonio.dumps_wire(snapshot.values)
        return replace(
            outcome,
            body=outcome.body if outcome.error else seen.body(values),
            values=values,
            interrupts=jsonio.dumps_wire(waiting),
            has_next=bool(snapshot.next or waiting),
            checkpoint_id=snapshot.config["configurable"].get("checkpoint_id"),
        )

    def _stopped(self, execution: Execution) -> Outcome:
        """Return how a cancelled execution ended; its task lives on to say where it stands."""
        current = asyncio.current_task()
        if current is None or not current.cancelling():
            return self._failure(execution, RuntimeError("The code of the run cancelled itself"))
        current.uncancel()
        return Outcome(kind="stopped")

    def _failure(self, execution: Execution, exc: BaseException) -> Outcome:
        error = error_object(exc, mask=self.mask_errors)
        self._emit(execution, "error", error)
        return Outcome(
            kind="error",
            error=jsonio.dumps_wire(error),
            details=self.trim(exc),
            failed_in=failed_task(exc),
        )

    def _emit(self, execution: Execution, name: str, body: Any) -> None:
        if execution.log.wanted:
            execution.say(*frame(name, jsonio.dumps_wire(body)))

    def _attach(self, graph: Any, execution: Execution, user: Principal | None) -> Any:
        saver = execution.saver.saver if execution.saver is not None else None
        return graph.copy(update={"checkpointer": saver, "store": self._store(user)})

    def _store(self, user: Principal | None) -> Any:
        """Return the store as the run's user sees it."""
        scope = self.store_scope("" if user is None else user.identity)
        return self.store.for_scope(scope) if scope else self.store

    def _config(self, run: Run, stored: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {
            **(stored.get("metadata") or {}),
            "run_attempt": run.attempt,
            **_PLATFORM,
            "langgraph_api_url": self.api_url,
        }
        ids = {"graph_id": run.graph_id, "run_id": run.run_id, "thread_id": run.thread_id}
        return {
            "run_name": run.graph_id,
            **stored,
            "configurable": _with_user(run, stored["configurable"]),
            "run_id": UUID(run.run_id),
            "metadata": {**metadata, **ids},
        }


def _with_user(run: Run, configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configurable with all that is known of the user, secrets included."""
    user = stored_user(configurable)
    if user is not None and run.user is not None:
        user = Principal(jsonio.loads(run.user))
    return {**configurable, "langgraph_auth_user": user}


def _is_repeated(repeated: set[str], namespace: tuple[str, ...], mode: str) -> bool:
    """Tell whether LangGraph only says again where it goes on: once a mode, before all else."""
    if not repeated:
        return False
    if namespace or mode not in ("values", "checkpoints"):
        repeated.clear()
    found = mode in repeated
    repeated.discard(mode)
    return found


async def _stream_protocol(
    graph: Any,
    given: Any,
    config: dict[str, Any],
    options: dict[str, Any],
    execution: Execution,
    seen: _Seen,
) -> None:
    """Stream the events of protocol v2, all of them: its readers choose."""
    translator = EventTranslator()
    usage = TokenUsage(execution.run.graph_id)

    def take(event: Mapping[str, Any]) -> None:
        _check_not_blocked(execution)
        mode, params = event["method"], event["params"]
        if mode in ("updates", "values"):
            chunk = with_interrupts(mode, params)
            usage.notice(tuple(params["namespace"]), mode, chunk)
            if not params["namespace"]:
                _notice(execution, seen, mode, chunk)
        for name, text in translator.frames(event):
            execution.say(name, text)

    await stream_events(graph, given, config, options, take)
    _check_not_blocked(execution)


class BlockingError(RuntimeError):
    """A node blocked the event loop, and `--strict-blocking` is on."""


def _check_not_blocked(execution: Execution) -> None:
    if execution.blocked is not None:
        raise BlockingError(execution.blocked)


def _options(kwargs: Mapping[str, Any], execution: Execution) -> dict[str, Any]:
    options: dict[str, Any] = {
        "stream_mode": langgraph_modes(kwargs["stream_mode"]),
        "subgraphs": kwargs["subgraphs"],
        "control": execution.control,
        "interrupt_before": kwargs["interrupt_before"],
        "interrupt_after": kwargs["interrupt_after"],
    }
    if execution.saver is not None:
        options["durability"] = kwargs["durability"]
    return options


def _notice(execution: Execution, seen: _Seen, mode: str, chunk: Any) -> None:
    """Remember the root's last values, and what interrupted it; count its steps."""
    execution.count_step(mode)
    if mode == "values":
        seen.values = chunk
        seen.any_values = True
        if isinstance(chunk, dict) and "__interrupt__" in chunk:
            seen.at_interrupt = chunk
    elif mode == "updates" and isinstance(chunk, dict) and "__interrupt__" in chunk:
        seen.interrupted = True
        seen.interrupts.extend(chunk["__interrupt__"])
