"""What the graph of an assistant says of itself: its drawing, its schemas, its subgraphs.

Graphs and the factories that make them are user code: all of it runs on the user loop.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.errors import BadRequestError, GraphLoadError, LgserveError
from lgserve.core.models import EMPTY_OBJECT, EVERYTHING, Assistant, Json, Scope

if TYPE_CHECKING:
    from lgserve.core.ports import Graphs, GraphViews, UserLoop
    from lgserve.core.principals import Principal
    from lgserve.services.assistants import AssistantService

#: What a factory is told it is called for.
_ACCESS = "assistants.read"
#: A drawing can be asked for to any depth.
_MOST_KEPT = 256

_log = logging.getLogger("lgserve")


def _open_store(identity: str) -> Scope:
    del identity
    return EVERYTHING


def _error_object(exc: BaseException) -> Mapping[str, str]:
    return {"error": type(exc).__name__, "message": str(exc)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionService:
    """The operations that look at an assistant's graph without running it."""

    assistants: AssistantService
    graphs: Graphs
    views: GraphViews
    store: Any
    user_loop: UserLoop
    #: The scope in which the code of a user finds the store, by the user's identity.
    store_scope: Callable[[str], Scope] = _open_store
    #: What clients are told of an exception in user code: `error` and `message`.
    error_object: Callable[[BaseException], Mapping[str, str]] = _error_object
    #: Answers about graphs that are the same at each use: schemas of messages take long to make.
    _kept: dict[tuple[str, str], Json] = field(default_factory=dict)
    #: Graphs that could not be described, and by what exception, as far as that has been logged.
    _told: set[tuple[str, str]] = field(default_factory=set)

    async def draw(
        self,
        assistant_id: str,
        xray: int | bool,  # noqa: FBT001 - LangGraph's own parameter
        scope: Scope,
        user: Principal | None = None,
    ) -> Json:
        """Return nodes and edges; `xray` shows the insides of subgraphs, to a depth if a number."""
        assistant = await self.assistants.get(assistant_id, scope)

        async def work(graph: Any) -> Json:
            return jsonio.dumps_wire(await self.views.draw(graph, xray))

        return await self._look(assistant, user, f"graph {xray}", work)

    async def schemas(self, assistant_id: str, scope: Scope, user: Principal | None = None) -> Json:
        """Return the JSON schemas of input, output, state and context."""
        assistant = await self.assistants.get(assistant_id, scope)

        async def work(graph: Any) -> Json:
            return jsonio.dumps_wire(self.views.graph_schemas(assistant.graph_id, graph))

        return await self._look(assistant, user, "schemas", work)

    async def subgraphs(
        self,
        assistant_id: str,
        namespace: str | None,
        scope: Scope,
        *,
        recurse: bool,
        user: Principal | None = None,
    ) -> Json:
        """Return the schemas of subgraphs by namespace: of all or, if it is named, of one."""
        assistant = await self.assistants.get(assistant_id, scope)

        async def work(graph: Any) -> Json:
            return jsonio.dumps_wire(self.views.subgraph_schemas(graph, namespace, recurse=recurse))

        return await self._look(assistant, user, f"subgraphs {namespace!r} {recurse}", work)

    async def _look(
        self,
        assistant: Assistant,
        user: Principal | None,
        what: str,
        work: Callable[[Any], Awaitable[Json]],
    ) -> Json:
        """Return what work finds in the assistant's graph, or found there before."""
        key = (assistant.graph_id, what)
        if key in self._kept:
            return self._kept[key]

        async def look() -> Json:
            async with self._opened(assistant, user) as graph:
                return await work(graph)

        found = await self.user_loop.run(look)
        # Nothing is not worth keeping: every namespace that does not exist has it.
        if found != EMPTY_OBJECT and self.graphs.is_static(assistant.graph_id):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found

    @asynccontextmanager
    async def _opened(self, assistant: Assistant, user: Principal | None) -> AsyncIterator[Any]:
        """Enter the graph as this assistant configures it; its own errors name the graph."""
        config = jsonio.loads(assistant.config)
        configurable = _configurable(assistant, config.get("configurable") or {}, user)
        scope = self.store_scope("" if user is None else user.identity)
        store = self.store.for_scope(scope) if scope else self.store
        try:
            async with self.graphs.open(
                assistant.graph_id,
                {**config, "configurable": configurable},
                access_context=_ACCESS,
                store=store,
                user=user,
            ) as graph:
                yield graph
        except LgserveError:
            raise
        except Exception as exc:
            raise self._failure(assistant, exc) from exc

    def _failure(self, assistant: Assistant, exc: Exception) -> LgserveError:
        """Return what to tell of an exception in user code: a `ValueError` is of its arguments."""
        self._tell(assistant, exc)
        told = self.error_object(exc)
        sentence = (
            f"Graph '{assistant.graph_id}' cannot be described: {told['error']}: {told['message']}"
        )
        kind = BadRequestError if isinstance(exc, ValueError) else GraphLoadError
        return kind(sentence)

    def _tell(self, assistant: Assistant, exc: Exception) -> None:
        """Log what went wrong: in a line, and once for each graph, for clients ask often."""
        known = (assistant.graph_id, type(exc).__name__)
        level = logging.DEBUG if known in self._told else logging.WARNING
        self._told.add(known)
        _log.log(
            level,
            "graph '%s' of assistant %s cannot be described: %s: %s",
            assistant.graph_id,
            assistant.assistant_id,
            type(exc).__name__,
            exc,
            exc_info=_log.isEnabledFor(logging.DEBUG),
        )


def _configurable(
    assistant: Assistant, own: Mapping[str, Any], user: Principal | None
) -> dict[str, Any]:
    """Return what a factory finds; there is no run and no thread."""
    return {
        **own,
        "graph_id": assistant.graph_id,
        "assistant_id": assistant.assistant_id,
        "langgraph_auth_user": user,
        "langgraph_auth_user_id": "" if user is None else user.identity,
        "langgraph_auth_permissions": [] if user is None else user.permissions,
    }
