"""The callback handler that makes spans of one run's nodes, models, tools and retrievers.

Other runnables, conditional edges and subgraphs among them, have no span of their own: what they do
hangs on the node they are in. The open span is OpenTelemetry's current one too, so that what user
code and the libraries it calls record themselves comes to hang below it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context

from lgserve.engine import trace_contents, trace_models

Attributes = dict[str, Any]
Metadata = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What all spans of a run have to know of it."""

    run_id: str
    thread_id: str
    #: Record messages, arguments and results too.
    contents: bool


@dataclass(slots=True)
class _Open:
    span: Span
    #: OpenTelemetry's context as it was before.
    before: Context
    began: float
    #: Cleared by the first token.
    waits: bool = True


class SpanHandler(BaseCallbackHandler):
    """Makes spans; an instance for each run. Called from the user loop and from nodes' threads."""

    #: Called where the code runs, not in a thread of its own: nothing here waits.
    run_inline = True

    def __init__(
        self,
        tracer: Tracer,
        run: RunFacts,
        root: Context,
        fail: Callable[[Span, BaseException], None],
    ) -> None:
        self._tracer = tracer
        self._run = run
        self._root = root
        self._fail = fail
        #: Below what the children of a LangChain run hang.
        self._places: dict[UUID, Context] = {}
        self._spans: dict[UUID, _Open] = {}

    def close(self) -> None:
        """End what code that was stopped has left open."""
        while self._spans:
            _, left = self._spans.popitem()
            left.span.set_attribute("lgserve.cancelled", value=True)
            left.span.end()
        self._places.clear()

    # ---------------------------------------------------------------- nodes

    def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a node."""
        del serialized, inputs
        known = metadata or {}
        name = kwargs.get("name")
        if not _is_node(name, tags or (), known):
            self._places[run_id] = self._place(parent_run_id)
            return
        attributes = {
            "langgraph.node": name,
            "langgraph.step": known.get("langgraph_step", 0),
            "gen_ai.conversation.id": self._run.thread_id,
        }
        self._open(run_id, parent_run_id, f"node {name}", SpanKind.INTERNAL, attributes)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a node."""
        del outputs, kwargs
        self._end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of what failed, or of a node that asks something."""
        del kwargs
        self._end(run_id, error)

    on_llm_error = on_chain_error
    on_tool_error = on_chain_error
    on_retriever_error = on_chain_error

    # ---------------------------------------------------------------- models

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a chat model's call."""
        asked = trace_models.request(serialized, metadata or {}, kwargs)
        contents: Attributes = {}
        if self._run.contents:
            given = [message for batch in messages for message in batch]
            contents = {"gen_ai.input.messages": trace_contents.input_messages(given)}
        self._open_model(run_id, parent_run_id, "chat", {**asked, **contents})

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a completion model's call."""
        asked = trace_models.request(serialized, metadata or {}, kwargs)
        contents: Attributes = {}
        if self._run.contents:
            contents = {"gen_ai.input.messages": trace_contents.input_texts(prompts)}
        self._open_model(run_id, parent_run_id, "text_completion", {**asked, **contents})

    def _open_model(
        self, run_id: UUID, parent: UUID | None, operation: str, attributes: Attributes
    ) -> None:
        name = f"{operation} {attributes['gen_ai.request.model']}"
        known = {
            "gen_ai.operation.name": operation,
            "gen_ai.conversation.id": self._run.thread_id,
            **attributes,
        }
        self._open(run_id, parent, name, SpanKind.CLIENT, known)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note when an answer began."""
        del token, kwargs
        found = self._spans.get(run_id)
        if found is not None and found.waits:
            found.waits = False
            seconds = time.perf_counter() - found.began
            found.span.set_attribute("gen_ai.response.time_to_first_chunk", seconds)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a model's call with what it took."""
        del kwargs
        self._end_with(run_id, partial(self._answered, response))

    def _answered(self, response: LLMResult, span: Span) -> None:
        span.set_attributes(trace_models.response(response))
        if self._run.contents:
            said = [choice for batch in response.generations for choice in batch]
            span.set_attribute("gen_ai.output.messages", trace_contents.output_messages(said))

    # ---------------------------------------------------------------- tools and retrievers

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a tool's call."""
        known = serialized or {}
        name = str(kwargs.get("name") or known.get("name") or "tool")
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.conversation.id": self._run.thread_id,
        }
        if call := kwargs.get("tool_call_id"):
            attributes["gen_ai.tool.call.id"] = str(call)
        if about := known.get("description"):
            attributes["gen_ai.tool.description"] = str(about)
        if self._run.contents:
            given = input_str if inputs is None else trace_contents.written(inputs)
            attributes["gen_ai.tool.call.arguments"] = given
        self._open(run_id, parent_run_id, f"execute_tool {name}", SpanKind.INTERNAL, attributes)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a tool's call; a tool can say itself that it failed."""
        del kwargs
        self._end_with(run_id, partial(self._returned, output))

    def _returned(self, output: Any, span: Span) -> None:
        if getattr(output, "status", None) == "error":
            span.set_attribute("error.type", "tool_error")
            span.set_status(StatusCode.ERROR)
        if self._run.contents:
            said = getattr(output, "content", output)
            span.set_attribute("gen_ai.tool.call.result", trace_contents.written(said))

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a retrieval."""
        name = str(kwargs.get("name") or (serialized or {}).get("name") or "retriever")
        attributes = {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": name,
            "gen_ai.conversation.id": self._run.thread_id,
        }
        if self._run.contents:
            attributes["gen_ai.retrieval.query.text"] = query
        self._open(run_id, parent_run_id, f"retrieval {name}", SpanKind.CLIENT, attributes)

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        """End the span of a retrieval."""
        del documents, kwargs
        self._end(run_id)

    # ---------------------------------------------------------------- spans

    def _place(self, parent: UUID | None) -> Context:
        return self._root if parent is None else self._places.get(parent, self._root)

    def _open(
        self,
        run_id: UUID,
        parent: UUID | None,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
    ) -> None:
        above = self._place(parent)
        span = self._tracer.start_span(name, above, kind, attributes)
        here = set_span_in_context(span, above)
        self._places[run_id] = here
        self._spans[run_id] = _Open(span, contexts.get_current(), time.perf_counter())
        # Never detached by its token: the end may be told in another context, where that fails.
        contexts.attach(here)

    def _end_with(self, run_id: UUID, tell: Callable[[Span], None]) -> None:
        """End a span once it was told what came of it; it ends if that fails, too."""
        found = self._spans.get(run_id)
        try:
            if found is not None:
                tell(found.span)
        finally:
            self._end(run_id)

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        self._places.pop(run_id, None)
        found = self._spans.pop(run_id, None)
        if found is None:
            return
        contexts.attach(found.before)
        if error is not None:
            self._fail(found.span, error)
        found.span.end()


def _is_node(name: Any, tags: Sequence[str], metadata: Metadata) -> bool:
    """Tell a node's own run from those of what it consists of and calls."""
    return (
        name is not None
        and metadata.get("langgraph_node") == name
        and any(tag.startswith("graph:step:") for tag in tags)
        and "langsmith:hidden" not in tags
    )
