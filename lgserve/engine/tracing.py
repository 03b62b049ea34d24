"""Spans of runs; needs the extra `otel`, and is imported only when tracing is on.

What a run does is heard from LangChain's callbacks. Messages, arguments and results are recorded
only if that was asked for; of errors a trace tells what the run's client is told.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphBubbleUp
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lgserve import jsonio
from lgserve.core.trace_context import CURRENT, KEPT
from lgserve.engine.failures import error_object
from lgserve.engine.run_records import Start, queued_seconds
from lgserve.engine.span_handler import RunFacts, SpanHandler

if TYPE_CHECKING:
    from lgserve.core.models import Run
    from lgserve.engine.executions import Outcome

_W3C = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpan:
    """A run as a trace sees it."""

    span: Span
    handlers: tuple[SpanHandler, ...]

    def ended(self, outcome: Outcome) -> None:
        """Note how the run ended."""
        kind = "interrupted" if outcome.interrupted else outcome.kind
        self.span.set_attribute("lgserve.run.outcome", kind)
        if outcome.error is None:
            return
        told = jsonio.loads(outcome.error)
        self.span.set_attribute("error.type", told["error"])
        self.span.set_status(StatusCode.ERROR, f"{told['error']}: {told['message']}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTracer:
    """Gives each run a span, in the trace of the request that created it."""

    tracer: Tracer
    mask_errors: bool
    #: Record messages, arguments and results too.
    contents: bool = False

    @contextmanager
    def watch(self, run: Run, kwargs: Mapping[str, Any]) -> Iterator[RunSpan]:
        """Trace what goes on within, on the user loop, as a run."""
        parent = _W3C.extract(kwargs.get(KEPT) or {}, Context())
        span = self._started(run, parent)
        here = set_span_in_context(span, parent)
        kept: dict[str, str] = {}
        _W3C.inject(kept, here)
        handler = SpanHandler(
            self.tracer,
            RunFacts(run_id=run.run_id, thread_id=run.thread_id, contents=self.contents),
            here,
            self._fail,
        )
        before, token = contexts.attach(here), CURRENT.set(kept)
        try:
            yield RunSpan(span=span, handlers=(handler,))
        finally:
            CURRENT.reset(token)
            contexts.detach(before)
            handler.close()
            span.end()

    def _started(self, run: Run, parent: Context) -> Span:
        attributes: dict[str, str | int | float] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": run.graph_id,
            "gen_ai.agent.id": run.assistant_id,
            "gen_ai.conversation.id": run.thread_id,
            "lgserve.run.id": run.run_id,
            "lgserve.run.attempt": run.attempt,
            "lgserve.run.queue_seconds": round(queued_seconds(run, Start()), 6),
        }
        name = f"invoke_agent {run.graph_id}"
        return self.tracer.start_span(name, parent, SpanKind.INTERNAL, attributes)

    def _fail(self, span: Span, error: BaseException) -> None:
        """Record an error, unless it is how LangGraph tells of something else."""
        if isinstance(error, GraphBubbleUp):
            span.set_attribute("lgserve.interrupted", value=True)
            return
        if isinstance(error, asyncio.CancelledError):
            span.set_attribute("lgserve.cancelled", value=True)
            return
        told = error_object(error, mask=self.mask_errors)
        kind = type(error)
        span.set_attribute("error.type", told["error"])
        span.set_status(StatusCode.ERROR, f"{told['error']}: {told['message']}")
        event = {
            "exception.type": f"{kind.__module__}.{kind.__qualname__}",
            "exception.message": told["message"],
            "exception.stacktrace": "".join(traceback.format_tb(error.__traceback__)),
        }
        span.add_event("exception", event)
