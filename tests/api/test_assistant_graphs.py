"""What the graphs of assistants look like and take: drawings, schemas, subgraphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from tests.api.conftest import served

TEXT = {"title": "Text", "type": "string"}
LOG = {"items": {"type": "string"}, "title": "Log", "type": "array"}
STATE = {"properties": {"text": TEXT, "log": LOG}, "title": "State", "type": "object"}
CHANNELS = {
    "properties": {"text": {"default": None, **TEXT}, "log": {"default": None, **LOG}},
    "type": "object",
}
SCHEMAS = {
    "input_schema": STATE,
    "output_schema": STATE,
    "config_schema": {},
    "context_schema": None,
}
ADDRESS = {
    "Address": {
        "properties": {"street": {"title": "Street", "type": "string"}},
        "title": "Address",
        "type": "object",
    }
}
TO = {
    "anyOf": [{"items": {"$ref": "#/$defs/Address"}, "type": "array"}, {"type": "null"}],
    "title": "To",
}
START, END = (
    {"id": "__start__", "type": "runnable", "data": {"name": "__start__"}},
    {"id": "__end__"},
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("described"), "described") as url:
        yield url


@pytest.fixture(scope="module")
def web(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "runnable", "data": {"name": name}, **more}


def assistant_of(web: httpx.Client, graph_id: str, **body: Any) -> str:
    answer = web.post("/assistants", json={"graph_id": graph_id, **body})
    return str(answer.json()["assistant_id"])


@pytest.mark.requirement("ASSISTANT-018")
async def test_a_drawing_has_nodes_and_edges(url: str) -> None:
    async with get_client(url=url) as client:
        drawn: Any = await client.assistants.get_graph("nested")
    with get_sync_client(url=url) as client_in_step:
        assert client_in_step.assistants.get_graph("nested") == drawn

    assert drawn == {
        "nodes": [START, node("first"), node("middle"), END],
        "edges": [
            {"source": "__start__", "target": "first"},
            {"source": "first", "target": "middle"},
            {"source": "middle", "target": "__end__"},
        ],
    }


@pytest.mark.requirement("ASSISTANT-018")
def test_conditional_edges_and_metadata_of_nodes_are_drawn(web: httpx.Client) -> None:
    assert web.get("/assistants/branching/graph").json() == {
        "nodes": [
            START,
            node("first"),
            node("left", metadata={"side": "left"}),
            node("right"),
            END,
        ],
        "edges": [
            {"source": "__start__", "target": "first"},
            {"source": "first", "target": "left", "conditional": True},
            {"source": "first", "target": "right", "conditional": True},
            {"source": "left", "target": "__end__", "data": "stop", "conditional": True},
            {"source": "left", "target": "first", "data": "again", "conditional": True},
            {"source": "right", "target": "__end__"},
        ],
    }


@pytest.mark.requirement("ASSISTANT-019")
@pytest.mark.parametrize(
    ("xray", "inside"),
    [
        (None, ["middle"]),
        ("", ["middle"]),
        ("false", ["middle"]),
        ("False", ["middle"]),
        ("1", ["middle:inner"]),
        ("2", ["middle:inner:deep"]),
        ("9" * 30, ["middle:inner:deep"]),
        ("true", ["middle:inner:deep"]),
        ("True", ["middle:inner:deep"]),
    ],
)
def test_xray_shows_the_insides_to_a_depth(
    web: httpx.Client, xray: str | None, inside: list[str]
) -> None:
    asked = {} if xray is None else {"xray": xray}
    drawn = web.get("/assistants/nested/graph", params=asked).json()

    shown = [each["id"] for each in drawn["nodes"]]
    assert sorted(shown) == sorted(["__start__", "first", *inside, "__end__"])


@pytest.mark.requirement("ASSISTANT-019")
@pytest.mark.parametrize("xray", ["0", "00", "-1", "1.5", "yes", "TRUE", "1 2", "\u0661"])
def test_an_xray_that_is_neither_yes_or_no_nor_a_depth_is_422(web: httpx.Client, xray: str) -> None:
    answer = web.get("/assistants/nested/graph", params={"xray": xray})
    assert (answer.status_code, answer.json()) == (422, {"detail": "Invalid xray value"})


@pytest.mark.requirement("ASSISTANT-020")
async def test_schemas_tell_what_a_graph_takes_and_gives(url: str) -> None:
    async with get_client(url=url) as client:
        schemas: Any = await client.assistants.get_schemas("ends")
    with get_sync_client(url=url) as client_in_step:
        assert client_in_step.assistants.get_schemas("ends") == schemas

    def of(title: str, *required: str, **properties: Any) -> dict[str, Any]:
        found = {"properties": properties, "title": title, "type": "object"}
        return {**found, "required": list(required)} if required else found

    question, answer = ({"title": name, "type": "string"} for name in ("Question", "Answer"))
    hidden = {"title": "Hidden", "type": "integer"}
    assert schemas == {
        "graph_id": "ends",
        "input_schema": of("Question", "question", question=question),
        "output_schema": of("Answer", "answer", answer=answer),
        "state_schema": of(
            "ends_state",
            question={"default": None, **question},
            answer={"default": None, **answer},
            hidden={"default": None, **hidden},
        ),
        "config_schema": {},
        "context_schema": None,
    }


@pytest.mark.requirement("ASSISTANT-020")
def test_a_model_is_a_state_and_a_dataclass_a_context(web: httpx.Client) -> None:
    schemas = web.get("/assistants/modelled/schemas").json()

    level = {"title": "Level", "type": "integer"}
    state = {
        "properties": {
            "text": TEXT,
            "level": {"default": 3, "description": "how loud", "minimum": 0, **level},
        },
        "required": ["text"],
        "title": "Modelled",
        "type": "object",
    }
    assert (schemas["input_schema"], schemas["output_schema"]) == (state, state)
    assert (
        schemas["config_schema"]
        == schemas["context_schema"]
        == {
            "properties": {
                "user": {"title": "User", "type": "string"},
                "level": {"default": 1, **level},
                "tags": {"items": {"type": "string"}, "title": "Tags", "type": "array"},
            },
            "required": ["user"],
            "title": "Settings",
            "type": "object",
        }
    )


@pytest.mark.requirement("ASSISTANT-021")
def test_a_typed_dict_of_the_standard_library_has_schemas_on_every_python(
    web: httpx.Client,
) -> None:
    plain = {
        "$defs": ADDRESS,
        "description": "A state of the standard library's TypedDict.",
        "properties": {"text": TEXT, "to": TO, "log": LOG},
        "required": ["text", "to", "log"],
        "title": "Plain",
        "type": "object",
    }
    assert web.get("/assistants/plain/schemas").json() == {
        "graph_id": "plain",
        "input_schema": plain,
        "output_schema": plain,
        "state_schema": {
            "$defs": ADDRESS,
            "properties": {
                "text": {"default": None, **TEXT},
                "to": {"default": None, **TO},
                "log": {"default": None, **LOG},
            },
            "title": "plain_state",
            "type": "object",
        },
        "config_schema": {},
        "context_schema": None,
    }


def test_messages_have_a_schema_that_is_kept(web: httpx.Client) -> None:
    first, again = (web.get("/assistants/messages/schemas") for _ in range(2))

    assert first.content == again.content
    schema = first.json()["input_schema"]
    assert schema["title"] == "MessagesState"
    assert {"HumanMessage", "AIMessage", "ToolMessage"} <= set(schema["$defs"])
    assert schema["properties"]["messages"]["type"] == "array"


@pytest.mark.requirement("ASSISTANT-022")
async def test_subgraphs_are_told_by_namespace(url: str) -> None:
    middle = {**SCHEMAS, "state_schema": {**CHANNELS, "title": "LangGraphState"}}
    async with get_client(url=url) as client:
        outer: Any = await client.assistants.get_subgraphs("nested")
        everything: Any = await client.assistants.get_subgraphs("nested", recurse=True)
        inner: Any = await client.assistants.get_subgraphs("nested", "middle|inner")
    with get_sync_client(url=url) as client_in_step:
        assert client_in_step.assistants.get_subgraphs("nested", recurse=True) == everything

    assert outer == {"middle": middle}
    assert everything == {"middle": middle, "middle|inner": middle}
    assert inner == {"middle|inner": middle}


@pytest.mark.requirement("ASSISTANT-022")
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("subgraphs?recurse=1", ["middle", "middle|inner"]),
        ("subgraphs?recurse=false", ["middle"]),
        ("subgraphs?recurse=perhaps", ["middle"]),
        ("subgraphs/middle", ["middle"]),
        ("subgraphs/middle?recurse=true", ["middle"]),
        ("subgraphs/middle%7Cinner?recurse=true", ["middle|inner"]),
        ("subgraphs/inner?recurse=true", []),
        ("subgraphs/mid", []),
        ("subgraphs/first", []),
        ("subgraphs/middle%7C", []),
    ],
)
def test_a_namespace_that_is_no_subgraph_s_has_none(
    web: httpx.Client, path: str, names: list[str]
) -> None:
    answer = web.get(f"/assistants/nested/{path}")
    assert (answer.status_code, list(answer.json())) == (200, names)


def test_a_graph_id_may_need_quoting(web: httpx.Client) -> None:
    there = "/assistants/team%2Fnested%20agent"
    assert web.get(there).json()["graph_id"] == "team/nested agent"
    assert web.get(f"{there}/schemas").json()["graph_id"] == "team/nested agent"
    assert list(web.get(f"{there}/subgraphs/middle").json()) == ["middle"]


def test_a_factory_makes_what_the_assistant_configures(web: httpx.Client) -> None:
    def nodes(assistant: str) -> list[str]:
        drawn = web.get(f"/assistants/{assistant}/graph").json()
        return [each["id"] for each in drawn["nodes"]]

    assert nodes("variant") == ["__start__", "is_default", "__end__"]
    bright = assistant_of(web, "variant", context={"variant": "bright"})
    assert nodes(bright) == ["__start__", "is_bright", "__end__"]
    web.patch(f"/assistants/{bright}", json={"context": {"variant": "dark"}})
    assert nodes(bright) == ["__start__", "is_dark", "__end__"]
    web.post(f"/assistants/{bright}/latest", json={"version": 1})
    assert nodes(bright) == ["__start__", "is_bright", "__end__"]
    assert web.get(f"/assistants/{bright}/schemas").json() == {
        "graph_id": "variant",
        **SCHEMAS,
        "state_schema": {**CHANNELS, "title": "variant_state"},
    }


@pytest.mark.requirement("ASSISTANT-023")
def test_a_factory_is_told_that_it_is_only_looked_at(web: httpx.Client) -> None:
    tagged = assistant_of(web, "telling", config={"tags": ["t"]})
    drawn = web.get(f"/assistants/{tagged}/graph").json()
    assert drawn["nodes"][1]["id"] == "('assistants.read', True, None, '', ['t'], 'store')"


@pytest.mark.parametrize("view", ["graph", "schemas", "subgraphs", "subgraphs/x"])
@pytest.mark.parametrize(
    ("variant", "status", "detail"),
    [
        ("wrong", 400, "cannot be described: ValueError: there is no such variant"),
        ("down", 500, "cannot be described: OSError: An internal error occurred"),
        ("nothing", 500, "is not valid. A graph or a graph factory is needed, got 5"),
    ],
)
def test_a_factory_that_fails_is_an_error_that_names_the_graph(
    web: httpx.Client, view: str, variant: str, status: int, detail: str
) -> None:
    assistant_id = assistant_of(web, "variant", context={"variant": variant})
    answer = web.get(f"/assistants/{assistant_id}/{view}")

    assert answer.headers["content-type"] == "application/json"
    assert (answer.status_code, answer.json()) == (status, {"detail": f"Graph 'variant' {detail}"})


@pytest.mark.parametrize("view", ["graph", "schemas", "subgraphs"])
def test_a_graph_that_does_not_load_says_why(web: httpx.Client, view: str) -> None:
    answer = web.get(f"/assistants/broken/{view}")

    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Graph 'broken' cannot be loaded: RuntimeError: not")


def test_a_broken_graph_has_an_assistant_all_the_same(web: httpx.Client) -> None:
    assert web.get("/assistants/broken").json()["metadata"] == {"created_by": "system"}


@pytest.mark.requirement("ASSISTANT-024")
async def test_an_assistant_that_does_not_exist_has_no_graph(url: str) -> None:
    nobody = str(uuid4())
    async with get_client(url=url) as client:
        for ask in (
            client.assistants.get_graph,
            client.assistants.get_schemas,
            client.assistants.get_subgraphs,
        ):
            with pytest.raises(NotFoundError, match="Not Found"):
                await ask(nobody)
            with pytest.raises(UnprocessableEntityError, match="Invalid assistant ID: must be a"):
                await ask("nope")


@pytest.mark.requirement("ASSISTANT-002")
def test_system_assistants_are_described_by_the_config_and_listed_in_its_order(
    web: httpx.Client,
) -> None:
    body = {"metadata": {"created_by": "system"}, "limit": 100, "sort_order": "asc"}
    found = web.post("/assistants/search", json=body).json()

    assert [each["name"] for each in found] == [
        "plain",
        "modelled",
        "ends",
        "messages",
        "branching",
        "nested",
        "team/nested agent",
        "variant",
        "telling",
        "broken",
    ]
    described = {each["name"]: each["description"] for each in found if each["description"]}
    assert described == {"modelled": "a model for a state"}
