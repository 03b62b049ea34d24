"""From what the user exported to a graph: compiled graphs, builders, and factories of all forms.

A factory may take the run's config (`RunnableConfig`), the `ServerRuntime`, both or neither; it may
be sync or async, and return or yield a graph or a builder. It runs anew at each use.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from enum import Enum
from inspect import Parameter
from types import NoneType, SimpleNamespace, TracebackType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph_sdk.runtime import AccessContext, ServerRuntime, _ExecutionRuntime, _ReadRuntime
from typing_extensions import is_typeddict

from lgserve.core.errors import GraphLoadError
from lgserve.graphs.schemas import AnyGraph, is_class_schema, known_context

#: The name LangGraph gives to a graph that was compiled without one.
_UNNAMED = "LangGraph"

#: The access context of a use that executes the graph.
EXECUTION = "threads.create_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphUse:
    """What one use of a graph is for; a factory is told."""

    config: Mapping[str, Any]
    access_context: str
    store: Any
    user: Any = None
    context: Any = None


class _Role(Enum):
    CONFIG = "config"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFactory:
    """A function of the user's that makes the graph, and what it wants to be given."""

    graph_id: str
    function: Callable[..., Any]
    #: which of the two each parameter takes, in the order of the signature
    roles: tuple[tuple[Parameter, _Role], ...]
    #: the type argument of `ServerRuntime[...]`
    context_type: Any = None

    def use(self, use: GraphUse) -> AbstractAsyncContextManager[AnyGraph]:
        """Return a context manager that runs the factory on entry and ends it on exit."""
        return _FactoryUse(self, use)

    def call(self, use: GraphUse) -> Any:
        """Call the user's function; the result may still have to be awaited or entered."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter, role in self.roles:
            value = _config(use) if role is _Role.CONFIG else _runtime(use, self.context_type)
            if parameter.kind is Parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                named[parameter.name] = value
        return self.function(*positional, **named)


def to_graph(graph_id: str, value: object) -> AnyGraph:
    """Return the compiled graph, named after its id unless the user named it."""
    if isinstance(value, StateGraph):
        return value.compile(name=graph_id)
    if not isinstance(value, Pregel):
        text = f"{value!r:.200}"
        raise GraphLoadError(
            f"Graph '{graph_id}' is not valid. A graph or a graph factory is needed, got {text}"
        )
    # A copy: the same object may be exported under two ids, or be a subgraph elsewhere.
    return value.copy({"name": graph_id}) if value.name == _UNNAMED else value


def to_factory(graph_id: str, export: Callable[..., Any]) -> GraphFactory:
    """Return the factory, or raise if a parameter of it is none that a factory can have."""
    roles = _roles(export)
    hints = [_resolve(parameter.annotation, export) for parameter, role in roles]
    return GraphFactory(
        graph_id=graph_id,
        function=_as_context_manager(export),
        roles=tuple(roles),
        context_type=next((found for hint in hints if (found := _context_type(hint))), None),
    )


class _FactoryUse(AbstractAsyncContextManager[AnyGraph]):
    """Enters whatever the factory returns, and leaves it at the end of the use."""

    def __init__(self, factory: GraphFactory, use: GraphUse) -> None:
        self._factory = factory
        self._use = use
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> AnyGraph:
        try:
            value = await self._enter(self._factory.call(self._use))
            return to_graph(self._factory.graph_id, value)
        except BaseException:
            await self._stack.__aexit__(*sys.exc_info())
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The answer is dropped on purpose: a factory must not hide how a run ended.
        await self._stack.__aexit__(kind, error, trace)

    async def _enter(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            value = await value
        if isinstance(value, AbstractAsyncContextManager):
            return await self._stack.enter_async_context(value)
        if isinstance(value, AbstractContextManager):
            return self._stack.enter_context(value)
        return value


def _as_context_manager(export: Callable[..., Any]) -> Callable[..., Any]:
    """Accept a bare generator as if it had been decorated."""
    if inspect.isasyncgenfunction(export):
        return asynccontextmanager(cast("Callable[..., AsyncIterator[Any]]", export))
    if inspect.isgeneratorfunction(export):
        return contextmanager(cast("Callable[..., Iterator[Any]]", export))
    return export


def _config(use: GraphUse) -> RunnableConfig:
    """Return the config with the keys that factories rely on."""
    configurable = {
        **(use.config.get("configurable") or {}),
        # Older than ServerRuntime, and projects still ask for it before they open resources.
        "__is_for_execution__": use.access_context == EXECUTION,
    }
    config = {"tags": [], "metadata": {}, "callbacks": None, **use.config}
    return cast("RunnableConfig", {**config, "configurable": configurable})


def _runtime(use: GraphUse, context_type: Any) -> Any:
    access = cast("AccessContext", use.access_context)
    if access != EXECUTION:
        return _ReadRuntime(access_context=access, store=use.store, user=use.user)
    context = use.context
    if is_class_schema(context_type) and (context is None or isinstance(context, Mapping)):
        context = context_type(**known_context(context_type, context or {}))
    return _ExecutionRuntime(access_context=access, store=use.store, user=use.user, context=context)


def _roles(export: Callable[..., Any]) -> list[tuple[Parameter, _Role]]:
    parameters = _named_parameters(export)
    roles: list[tuple[Parameter, _Role]] = []
    for parameter in parameters:
        annotation = _resolve(parameter.annotation, export)
        role = _role(parameter.name, annotation, is_only=len(parameters) == 1)
        if role is not None and role not in [taken for _, taken in roles]:
            roles.append((parameter, role))
        elif parameter.default is Parameter.empty:
            raise GraphLoadError(_bad_signature(export, parameters))
    return roles


def _named_parameters(export: Callable[..., Any]) -> list[Parameter]:
    try:
        signature = inspect.signature(export)
    except ValueError:  # a callable without one, written in C
        return []
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [each for each in signature.parameters.values() if each.kind not in variadic]


def _role(name: str, annotation: Any, *, is_only: bool) -> _Role | None:
    if _is_runtime(annotation) or (annotation is Parameter.empty and name == "runtime"):
        return _Role.RUNTIME
    if name == "config" or _is_config(annotation):
        return _Role.CONFIG
    # The reference gives the config to a single parameter whatever it is called.
    is_free = annotation in (Parameter.empty, Any) or isinstance(annotation, str)
    return _Role.CONFIG if is_only and is_free else None


def _is_runtime(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return _mentions(annotation, "ServerRuntime")
    return any(_is_runtime_type(member) for member in _members(annotation))


def _is_runtime_type(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return origin in (ServerRuntime, _ExecutionRuntime, _ReadRuntime)


def _is_config(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return _mentions(annotation, "RunnableConfig")
    return any(_is_config_type(member) for member in _members(annotation))


def _is_config_type(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return is_typeddict(origin) or (isinstance(origin, type) and issubclass(origin, Mapping))


def _members(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif annotation is not NoneType:
        yield annotation


def _context_type(annotation: Any) -> Any:
    for member in _members(annotation):
        if _is_runtime_type(member) and (arguments := get_args(member)):
            return arguments[0]
    return None


def _mentions(annotation: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", annotation) is not None


def _resolve(annotation: Any, export: Callable[..., Any]) -> Any:
    """Return the type an annotation means, or its text if that is all there is.

    Text remains of names imported under `if TYPE_CHECKING:`.
    """
    if annotation is Parameter.empty:
        return annotation
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, globalns=_globals(export))["it"]
    except Exception:  # noqa: BLE001 - evaluating the user's text can raise anything
        return annotation if isinstance(annotation, type) else str(annotation)


def _globals(export: Callable[..., Any]) -> dict[str, Any]:
    function: Any = export
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if hasattr(function, "__globals__"):
        return cast("dict[str, Any]", function.__globals__)
    module = sys.modules.get(getattr(function, "__module__", ""))
    return vars(module) if module else {}


def _bad_signature(export: Callable[..., Any], parameters: list[Parameter]) -> str:
    name = getattr(export, "__qualname__", None) or repr(export)
    got = ", ".join(str(parameter) for parameter in parameters)
    return (
        f"Graph factory '{name}' can only accept arguments of type ServerRuntime and/or "
        f"RunnableConfig, got ({got})"
    )
