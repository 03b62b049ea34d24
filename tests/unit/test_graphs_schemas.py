"""What graphs say of themselves; the expected JSON is what the reference server answered."""

import operator
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired

import pytest
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from lgserve.graphs.factories import to_graph
from lgserve.graphs.schemas import context_for, draw, graph_schemas, subgraph_schemas


class State(TypedDict):
    text: str
    log: NotRequired[Annotated[list[str], operator.add]]


class Unschematic:
    """A type that has no JSON schema."""


class HasUnschematic(TypedDict):
    item_list: list[int]
    some_thing: Unschematic
    child: "Model"


class Model(BaseModel):
    a: int


class TypedContext(TypedDict, total=False):
    user: str
    level: int


@dataclass
class BadContext:
    it: Unschematic


@dataclass
class DataContext:
    user: str
    level: int = 1
    computed: int = field(default=5, init=False)


class ModelContext(BaseModel):
    user: str = "anon"
    other: str = Field(default="z", alias="oTher")


class ChoiceContext(BaseModel):
    user: str = Field(default="", validation_alias=AliasChoices("user", "name", AliasPath("x", 0)))


class ByNameContext(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    user: str = Field(default="", alias="User")


class OpenContext(BaseModel):
    model_config = ConfigDict(extra="allow")


class ClosedContext(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: str = "anon"


STATE = {
    "properties": {
        "text": {"title": "Text", "type": "string"},
        "log": {"items": {"type": "string"}, "title": "Log", "type": "array"},
    },
    "required": ["text"],
    "title": "State",
    "type": "object",
}
CHANNELS = {
    "properties": {
        "text": {"default": None, "title": "Text", "type": "string"},
        "log": {"default": None, "items": {"type": "string"}, "title": "Log", "type": "array"},
    },
    "type": "object",
}


@pytest.fixture(autouse=True)
def _no_warnings_turned_errors() -> Iterator[None]:
    """Let pydantic warn about the strange types tried here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def builder(state: Any = State, context: Any = None, **nodes: Any) -> Any:
    made: Any = StateGraph(state, context_schema=context)
    made.add_sequence(list((nodes or {"node": lambda state: {}}).items()))
    made.add_edge(START, next(iter(nodes), "node"))
    return made


def test_a_graph_has_the_schemas_the_reference_gives_it() -> None:
    schemas = graph_schemas("echo", to_graph("echo", builder()))
    assert schemas == {
        "graph_id": "echo",
        "input_schema": STATE,
        "output_schema": STATE,
        "state_schema": {**CHANNELS, "title": "echo_state"},
        "config_schema": {},
        "context_schema": None,
    }
    assert list(schemas) == [
        "graph_id",
        "input_schema",
        "output_schema",
        "state_schema",
        "config_schema",
        "context_schema",
    ]


@pytest.mark.parametrize(
    ("graph_id", "export", "title"),
    [
        ("Agent", builder(), "AgentState"),
        ("x", builder().compile(name="Custom Name"), "Custom NameState"),
        ("x", builder().compile(name="lower"), "lower_state"),
        ("x", builder().compile(), "x_state"),
    ],
)
def test_the_state_is_titled_by_the_graphs_name(graph_id: str, export: Any, title: str) -> None:
    schemas = graph_schemas(graph_id, to_graph(graph_id, export))
    assert schemas["state_schema"]["title"] == title


def test_a_context_is_both_config_and_context_schema() -> None:
    schemas = graph_schemas("it", to_graph("it", builder(context=DataContext)))
    assert schemas["context_schema"] == {
        "properties": {
            "user": {"title": "User", "type": "string"},
            "level": {"default": 1, "title": "Level", "type": "integer"},
            "computed": {"default": 5, "title": "Computed", "type": "integer"},
        },
        "required": ["user"],
        "title": "DataContext",
        "type": "object",
    }
    assert schemas["config_schema"] == schemas["context_schema"]


def test_a_schema_that_cannot_be_made_is_null() -> None:
    schemas = graph_schemas("it", to_graph("it", builder(HasUnschematic, BadContext)))
    model = {"properties": {"a": {"title": "A", "type": "integer"}}, "required": ["a"]}
    assert schemas == {
        "graph_id": "it",
        "input_schema": None,
        "output_schema": None,
        "state_schema": {
            "$defs": {"Model": {**model, "title": "Model", "type": "object"}},
            "properties": {
                "item_list": {
                    "default": None,
                    "items": {"type": "integer"},
                    "title": "Item List",
                    "type": "array",
                },
                "some_thing": {"default": None, "title": "Some Thing"},
                "child": {"$ref": "#/$defs/Model", "default": None},
            },
            "title": "it_state",
            "type": "object",
        },
        "config_schema": None,
        "context_schema": None,
    }


def test_an_entrypoint_is_described_by_its_signature() -> None:
    @entrypoint()
    def double(number: int) -> int:
        return number * 2

    assert graph_schemas("double", to_graph("double", double)) == {
        "graph_id": "double",
        "input_schema": {"title": "double_input", "type": "integer"},
        "output_schema": {"title": "double_output", "type": "integer"},
        "state_schema": {
            "properties": {"__end__": {"default": None, "title": "End  ", "type": "integer"}},
            "title": "double_state",
            "type": "object",
        },
        "config_schema": {},
        "context_schema": None,
    }


def nested() -> Any:
    inner = builder(deep=lambda state: {}).compile(name="Inner")
    middle = builder(inner=inner, last=lambda state: {}).compile()
    return to_graph("outer", builder(first=lambda state: {}, middle=middle))


def test_subgraphs_are_described_by_namespace() -> None:
    middle = {
        "input_schema": STATE,
        "output_schema": STATE,
        "state_schema": {**CHANNELS, "title": "LangGraphState"},
        "config_schema": {},
        "context_schema": None,
    }
    inner = {**middle, "state_schema": {**CHANNELS, "title": "InnerState"}}
    graph = nested()
    assert subgraph_schemas(graph) == {"middle": middle}
    assert subgraph_schemas(graph, recurse=True) == {"middle": middle, "middle|inner": inner}
    assert subgraph_schemas(graph, "middle") == {"middle": middle}
    assert subgraph_schemas(graph, "middle|inner") == {"middle|inner": inner}
    assert subgraph_schemas(graph, "middle|inner", recurse=True) == {"middle|inner": inner}
    assert subgraph_schemas(graph, "nope", recurse=True) == {}


def node(name: str) -> dict[str, Any]:
    return {"id": name, "type": "runnable", "data": {"name": name}}


async def test_a_drawing_has_nodes_and_edges() -> None:
    assert await draw(nested()) == {
        "nodes": [node("__start__"), node("first"), node("middle"), {"id": "__end__"}],
        "edges": [
            {"source": "__start__", "target": "first"},
            {"source": "first", "target": "middle"},
            {"source": "middle", "target": "__end__"},
        ],
    }


@pytest.mark.parametrize(
    ("xray", "inside"),
    [(1, ["middle:inner", "middle:last"]), (True, ["middle:last", "middle:inner:deep"])],
)
async def test_xray_shows_the_insides_to_a_depth(xray: int, inside: list[str]) -> None:
    names = [each["id"] for each in (await draw(nested(), xray))["nodes"]]
    assert names == ["__start__", "first", "__end__", *inside]


@pytest.mark.parametrize(
    ("schema", "given", "passed"),
    [
        (None, {"user": "u", "zzz": 1}, {"user": "u", "zzz": 1}),
        (None, {}, None),
        (None, None, None),
        (TypedContext, {"user": "u", "zzz": 1}, {"user": "u"}),
        (TypedContext, {"zzz": 1}, None),
        (TypedContext, None, None),
        (DataContext, {"user": "u", "level": "7", "zzz": 1}, {"user": "u", "level": "7"}),
        (DataContext, {"user": "u", "computed": 9}, {"user": "u"}),
        (DataContext, None, {}),
        (ModelContext, {"oTher": "q", "other": "w", "user": "a"}, {"oTher": "q", "user": "a"}),
        (ModelContext, {}, {}),
        (ChoiceContext, {"name": 1, "x": [2], "y": 3}, {"name": 1, "x": [2]}),
        (ByNameContext, {"user": 1, "User": 2, "y": 3}, {"user": 1, "User": 2}),
        (ClosedContext, {"user": "u", "zzz": 1}, {"user": "u"}),
        (OpenContext, {"zzz": 1}, {"zzz": 1}),
    ],
)
def test_context_keys_the_schema_does_not_know_are_dropped(
    schema: Any, given: Any, passed: Any
) -> None:
    assert context_for(builder(context=schema).compile(), given) == passed


@pytest.mark.parametrize(
    ("schema", "given", "seen"),
    [
        (DataContext, {"user": "u", "zzz": 1}, DataContext(user="u")),
        (ModelContext, None, ModelContext()),
        (TypedContext, {"user": "u", "zzz": 1}, {"user": "u"}),
        (TypedContext, {}, None),
    ],
)
async def test_langgraph_makes_the_instance_of_the_passed_context(
    schema: Any, given: Any, seen: Any
) -> None:
    contexts: list[Any] = []

    def keep(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        contexts.append(runtime.context)
        return {}

    graph = builder(context=schema, node=keep).compile()
    await graph.ainvoke({"text": ""}, context=context_for(graph, given))
    assert contexts == [seen]
