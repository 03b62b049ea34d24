"""Every form of a graph factory, and what each is given."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Optional

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph_sdk.runtime import ServerRuntime, _ExecutionRuntime, _ReadRuntime
from typing_extensions import TypedDict

from lgserve.core.errors import GraphLoadError
from lgserve.graphs.factories import GraphUse, to_factory


class State(TypedDict, total=False):
    seen: Any


class Settings(TypedDict):
    colour: str


@dataclass
class Ctx:
    user: str = "anon"
    level: int = 1


def builder(seen: Any = None) -> Any:
    made: Any = StateGraph(State)
    made.add_node("node", lambda state: {"seen": seen})
    made.add_edge(START, "node")
    return made


def use(access_context: str = "threads.create_run", **fields: Any) -> GraphUse:
    config = fields.pop("config", {"configurable": {"colour": "red"}})
    return GraphUse(config=config, access_context=access_context, store=None, **fields)


async def seen_by(export: Callable[..., Any], wanted: GraphUse | None = None) -> Any:
    """Return what the factory put into the graph it made."""
    async with to_factory("made", export).use(wanted or use()) as graph:
        return (await graph.ainvoke({}))["seen"]


def no_arguments() -> Any:
    return builder("nothing").compile()


def only_config(config: RunnableConfig) -> Any:
    return builder(config["configurable"]["colour"])


async def only_config_async(config: RunnableConfig) -> Any:
    return builder(config["configurable"]["colour"]).compile()


def any_name(cfg):  # type: ignore[no-untyped-def]
    return builder(cfg["configurable"]["colour"])


def keyword_only(*, config: RunnableConfig) -> Any:
    return builder(config["configurable"]["colour"])


def positional_only(config: RunnableConfig, runtime: ServerRuntime[Any], /) -> Any:
    return builder(config["configurable"]["colour"])


def plain_dict(settings: dict[str, Any]) -> Any:
    return builder(settings["configurable"]["colour"])


def mapping(settings: Mapping[str, Any]) -> Any:
    return builder(settings["configurable"]["colour"])


def typed_dict(settings: Settings) -> Any:
    return builder(settings["configurable"]["colour"])  # type: ignore[typeddict-item]


def optional_config(config: Optional[RunnableConfig] = None) -> Any:  # noqa: UP045
    return builder(config and config["configurable"]["colour"])


def annotated_config(settings: Annotated[RunnableConfig, "of the run"]) -> Any:
    return builder(settings["configurable"]["colour"])


def hidden_types(settings: Any, runtime: Any) -> Any:
    return builder(settings["configurable"]["colour"])


# As left by imports under `if TYPE_CHECKING:`.
hidden_types.__annotations__ = {
    "settings": "hidden.RunnableConfig",
    "runtime": "Optional[hidden.ServerRuntime[Ctx]]",
}


def with_defaults(config: RunnableConfig, retries: int = 3, *rest: int, **more: int) -> Any:
    return builder(config["configurable"]["colour"] if (retries, rest, more) == (3, (), {}) else 0)


def unannotated_pair(config, runtime):  # type: ignore[no-untyped-def]
    assert runtime.execution_runtime is runtime
    return builder(config["configurable"]["colour"])


class Maker:
    def __call__(self, config: RunnableConfig) -> Any:
        return builder(config["configurable"]["colour"])

    def method(self, runtime: ServerRuntime[Any] | None, config: RunnableConfig) -> Any:
        return self(config)


def two_steps(prefix: str, config: RunnableConfig) -> Any:
    return builder(prefix + config["configurable"]["colour"])


@pytest.mark.requirement("CONFIG-007")
@pytest.mark.parametrize(
    "export",
    [
        only_config,
        only_config_async,
        any_name,
        keyword_only,
        positional_only,
        plain_dict,
        mapping,
        typed_dict,
        optional_config,
        annotated_config,
        hidden_types,
        with_defaults,
        unannotated_pair,
        Maker(),
        Maker().method,
        functools.partial(two_steps, ""),
        lambda config: builder(config["configurable"]["colour"]),
    ],
)
async def test_the_config_reaches_every_form_of_factory(export: Callable[..., Any]) -> None:
    assert await seen_by(export) == "red"


@pytest.mark.requirement("CONFIG-007")
async def test_a_factory_may_take_nothing() -> None:
    assert await seen_by(no_arguments) == "nothing"


def bad_extra(config: RunnableConfig, retries: int) -> Any: ...
def bad_twice(config: RunnableConfig, other: RunnableConfig) -> Any: ...
def bad_unannotated(first, second):  # type: ignore[no-untyped-def]
    ...
def bad_number(count: int) -> Any: ...


@pytest.mark.parametrize(
    ("export", "got"),
    [
        (bad_extra, "bad_extra' %s (config: 'RunnableConfig', retries: 'int')"),
        (bad_twice, "bad_twice' %s (config: 'RunnableConfig', other: 'RunnableConfig')"),
        (bad_unannotated, "bad_unannotated' %s (first, second)"),
        (bad_number, "bad_number' %s (count: 'int')"),
    ],
)
def test_other_parameters_are_refused(export: Callable[..., Any], got: str) -> None:
    with pytest.raises(GraphLoadError) as raised:
        to_factory("made", export)
    sentence = "can only accept arguments of type ServerRuntime and/or RunnableConfig, got"
    assert raised.value.message == f"Graph factory '{got.replace('%s', sentence)}"


@pytest.mark.requirement("CONFIG-007")
async def test_the_config_has_the_keys_that_factories_rely_on() -> None:
    configs: list[Any] = []

    def make(config: RunnableConfig) -> Any:
        configs.append(config)
        return builder()

    given = {"configurable": {"a": 1}, "tags": ["t"], "recursion_limit": 7}
    for access in ("threads.create_run", "threads.read"):
        await seen_by(make, use(access, config=given))
    await seen_by(make, use(config={}))
    common: dict[str, Any] = {
        "metadata": {},
        "callbacks": None,
        "tags": ["t"],
        "recursion_limit": 7,
    }
    assert configs == [
        {**common, "configurable": {"a": 1, "__is_for_execution__": True}},
        {**common, "configurable": {"a": 1, "__is_for_execution__": False}},
        {
            "tags": [],
            "metadata": {},
            "callbacks": None,
            "configurable": {"__is_for_execution__": True},
        },
    ]
    assert given["configurable"] == {"a": 1}


async def runtime_given(export_of: Callable[[list[Any]], Callable[..., Any]], it: GraphUse) -> Any:
    seen: list[Any] = []
    await seen_by(export_of(seen), it)
    return seen[0]


def taking_runtime(seen: list[Any]) -> Callable[..., Any]:
    def make(runtime: ServerRuntime) -> Any:  # type: ignore[type-arg]
        seen.append(runtime)
        return builder()

    return make


def taking_typed_runtime(seen: list[Any]) -> Callable[..., Any]:
    async def make(runtime: ServerRuntime[Ctx]) -> Any:
        seen.append(runtime)
        return builder()

    return make


async def test_a_run_gives_the_factory_an_execution_runtime() -> None:
    store, user = InMemoryStore(), object()
    it = GraphUse(
        config={},
        access_context="threads.create_run",
        store=store,
        user=user,
        context={"user": "me", "more": 1},
    )
    runtime = await runtime_given(taking_runtime, it)
    assert isinstance(runtime, _ExecutionRuntime)
    assert runtime.execution_runtime is runtime
    assert (runtime.access_context, runtime.store, runtime.user, runtime.context) == (
        "threads.create_run",
        store,
        user,
        {"user": "me", "more": 1},
    )


@pytest.mark.parametrize("access", ["threads.update", "threads.read", "assistants.read"])
async def test_other_uses_give_a_runtime_without_execution(access: str) -> None:
    runtime = await runtime_given(taking_typed_runtime, use(access, context={"user": "me"}))
    assert isinstance(runtime, _ReadRuntime)
    assert runtime.access_context == access
    assert runtime.execution_runtime is None


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"user": "me", "more": 1}, Ctx(user="me")),
        (None, Ctx()),
        (Ctx(level=4), Ctx(level=4)),
    ],
)
async def test_a_typed_runtime_has_a_typed_context(context: Any, expected: Ctx) -> None:
    runtime = await runtime_given(taking_typed_runtime, use(context=context))
    assert runtime.context == expected


class Opened:
    def __init__(self) -> None:
        self.log: list[str] = []

    def sync(self) -> Iterator[Any]:
        self.log.append("open")
        try:
            yield builder("inside")
        finally:
            self.log.append("close")

    async def asynchronous(self) -> AsyncIterator[Any]:
        self.log.append("open")
        try:
            yield builder("inside").compile()
        finally:
            self.log.append("close")

    async def returning_manager(self) -> Any:
        return contextlib.contextmanager(self.sync)()


@pytest.mark.parametrize(
    "form",
    [
        lambda it: contextlib.contextmanager(it.sync),
        lambda it: contextlib.asynccontextmanager(it.asynchronous),
        lambda it: it.sync,
        lambda it: it.asynchronous,
        lambda it: it.returning_manager,
    ],
)
async def test_what_a_factory_opens_is_closed_after_each_use(
    form: Callable[[Opened], Callable[..., Any]],
) -> None:
    opened = Opened()
    factory = to_factory("made", form(opened))
    for _ in range(2):
        async with factory.use(use()) as graph:
            assert opened.log[-1] == "open"
            assert await graph.ainvoke({}) == {"seen": "inside"}
        assert opened.log[-1] == "close"
    assert opened.log == ["open", "close"] * 2


async def test_a_factory_cannot_hide_how_a_run_ended() -> None:
    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[Any]:
        with contextlib.suppress(ValueError):
            yield builder()

    with pytest.raises(ValueError, match="of the run"):
        async with to_factory("made", make).use(use()):
            raise ValueError("of the run")


async def test_a_factory_that_yields_no_graph_is_closed_and_refused() -> None:
    log: list[str] = []

    @contextlib.contextmanager
    def make() -> Iterator[Any]:
        try:
            yield {"not": "a graph"}
        finally:
            log.append("closed")

    with pytest.raises(GraphLoadError) as raised:
        await seen_by(make)
    assert raised.value.message == (
        "Graph 'made' is not valid. A graph or a graph factory is needed, got {'not': 'a graph'}"
    )
    assert log == ["closed"]


async def test_the_error_of_a_factory_is_the_users_own() -> None:
    def make() -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await seen_by(make)


async def test_a_shared_graph_keeps_its_name_when_a_factory_returns_it() -> None:
    shared = builder().compile()
    async with to_factory("made", lambda: shared).use(use()) as graph:
        assert (graph.name, shared.name) == ("made", "LangGraph")
