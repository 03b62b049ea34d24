"""Assistants, through the SDK and over raw HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError, ConflictError, NotFoundError

from lgserve.core.ids import system_assistant_id
from tests.api.sdk import SECONDS, status_of, thread_of

ECHO = "046b5dc7-2108-582c-9c6c-31d556d138f0"
MEMBERS = [
    "assistant_id",
    "graph_id",
    "config",
    "context",
    "metadata",
    "name",
    "created_at",
    "updated_at",
    "version",
    "description",
]


def changing(assistant: Any) -> dict[str, Any]:
    """Return the members of an assistant that do not depend on id and time."""
    fixed = ("assistant_id", "created_at", "updated_at")
    return {name: value for name, value in dict(assistant).items() if name not in fixed}


@pytest.mark.requirement("ASSISTANT-001")
async def test_every_graph_has_a_system_assistant(client: LangGraphClient) -> None:
    echo = await client.assistants.get(ECHO)

    assert system_assistant_id("echo") == ECHO
    assert list(echo) == MEMBERS
    assert changing(echo) == {
        "graph_id": "echo",
        "config": {},
        "context": {},
        "metadata": {"created_by": "system"},
        "name": "echo",
        "version": 1,
        "description": None,
    }
    assert echo["created_at"] == echo["updated_at"]
    assert str(echo["created_at"]).endswith("+00:00")


@pytest.mark.requirement("ASSISTANT-003")
async def test_a_graph_id_stands_for_its_assistant(client: LangGraphClient) -> None:
    assert await client.assistants.get("echo") == await client.assistants.get(ECHO)


@pytest.mark.requirement("ASSISTANT-003")
async def test_a_graph_id_stands_for_it_where_it_is_changed_and_deleted(
    client: LangGraphClient,
) -> None:
    before = await client.assistants.get("noargs")
    changed = await client.assistants.update("noargs", name="renamed")
    assert changed["assistant_id"] == before["assistant_id"]
    assert (changed["name"], changed["version"]) == ("renamed", 2)

    await client.assistants.delete("noargs")
    for gone in ("noargs", before["assistant_id"]):
        with pytest.raises(NotFoundError):
            await client.assistants.get(gone)
    again = await client.assistants.create("noargs", assistant_id=before["assistant_id"])
    assert await client.assistants.get("noargs") == again


@pytest.mark.requirement("ASSISTANT-004")
async def test_create_stores_what_was_given(client: LangGraphClient) -> None:
    config: Any = {"configurable": {"user": "cfg"}, "recursion_limit": 9, "tags": ["at"]}
    made = await client.assistants.create(
        "show", config, metadata={"k": {"d": 1}}, name="Mine", description="what it is"
    )

    assert changing(made) == {
        "graph_id": "show",
        "config": config,
        "context": {"user": "cfg"},
        "metadata": {"k": {"d": 1}},
        "name": "Mine",
        "version": 1,
        "description": "what it is",
    }
    assert await client.assistants.get(made["assistant_id"]) == made


@pytest.mark.requirement("ASSISTANT-006")
async def test_context_and_configurable_mirror_each_other(client: LangGraphClient) -> None:
    made = await client.assistants.create("show", context={"user": "ctx", "level": 3})

    assert made["config"] == {"configurable": {"user": "ctx", "level": 3}}
    assert (made["context"], made["name"]) == ({"user": "ctx", "level": 3}, "Untitled")


@pytest.mark.requirement("ASSISTANT-007")
def test_context_and_configurable_at_once_are_400(http: httpx.Client) -> None:
    body = {
        "graph_id": "show",
        "context": {"user": "a"},
        "config": {"configurable": {"user": "b"}},
    }
    answer = http.post("/assistants", json=body)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Cannot specify both configurable and context.")


@pytest.mark.requirement("ASSISTANT-005")
async def test_an_id_that_is_taken_is_a_conflict_or_the_stored_one(
    client: LangGraphClient,
) -> None:
    chosen = str(uuid4())
    made = await client.assistants.create("echo", assistant_id=chosen, name="first")

    with pytest.raises(ConflictError, match=f"Assistant {chosen} already exists"):
        await client.assistants.create("echo", assistant_id=chosen)
    again = await client.assistants.create(
        "echo", assistant_id=chosen, if_exists="do_nothing", name="second"
    )
    assert again == made


def test_a_creation_that_names_itself_is_done_once(http: httpx.Client) -> None:
    name = {"Idempotency-Key": uuid4().hex}
    body = {"graph_id": "echo", "metadata": {"mark": uuid4().hex}}

    first, again = (http.post("/assistants", json=body, headers=name) for _ in range(2))
    other = http.post("/assistants", json={"graph_id": "show"}, headers=name)

    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 409
    assert http.post("/assistants/count", json={"metadata": body["metadata"]}).json() == 1


@pytest.mark.requirement("ASSISTANT-008")
async def test_an_update_is_a_new_version(client: LangGraphClient) -> None:
    made = await client.assistants.create("show", metadata={"a": 1, "n": {"x": 1}}, name="one")
    assistant_id = made["assistant_id"]

    second = await client.assistants.update(
        assistant_id, metadata={"b": 2, "n": {"y": 2}}, name="two", context={"user": "u"}
    )
    third = await client.assistants.update(assistant_id)

    assert changing(second) == {
        "graph_id": "show",
        "config": {"configurable": {"user": "u"}},
        "context": {"user": "u"},
        "metadata": {"a": 1, "b": 2, "n": {"y": 2}},
        "name": "two",
        "version": 2,
        "description": None,
    }
    assert changing(third) == {**changing(second), "version": 3}
    assert third["created_at"] == made["created_at"]
    assert str(third["updated_at"]) > str(made["updated_at"])
    assert await client.assistants.get(assistant_id) == third


@pytest.mark.requirement("ASSISTANT-009")
async def test_a_new_config_without_configurable_leaves_the_context(
    client: LangGraphClient,
) -> None:
    made = await client.assistants.create("show", context={"user": "u"})
    changed = await client.assistants.update(made["assistant_id"], config={"tags": ["t"]})

    assert (changed["config"], changed["context"]) == ({"tags": ["t"]}, {"user": "u"})


@pytest.mark.requirement("ASSISTANT-010")
async def test_a_deleted_assistant_is_gone(client: LangGraphClient) -> None:
    made = await client.assistants.create("echo")
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], made["assistant_id"], input={"text": "x"})

    await client.assistants.delete(made["assistant_id"])

    with pytest.raises(NotFoundError, match="Not Found"):
        await client.assistants.get(made["assistant_id"])
    with pytest.raises(NotFoundError, match=r"Assistant with ID .* not found"):
        await client.assistants.delete(made["assistant_id"])
    runs = await client.runs.list(thread["thread_id"])
    assert [run["assistant_id"] for run in runs] == [made["assistant_id"]]


@pytest.mark.requirement("ASSISTANT-010")
async def test_what_runs_of_a_deleted_assistant_is_cancelled(client: LangGraphClient) -> None:
    made = await client.assistants.create("slow")
    assistant_id = made["assistant_id"]
    thread_id, scheduled = [await thread_of(client) for _ in range(2)]

    async def start(assistant: str, thread: str, **more: Any) -> str:
        body: Any = {"input": {"seconds": 0.1 if assistant == "slow" else 300}, **more}
        return (await client.runs.create(thread, assistant, **body))["run_id"]

    running, waiting = [await start(assistant_id, thread_id) for _ in range(2)]
    other = await start("slow", thread_id)
    later = await start(assistant_id, scheduled, after_seconds=600)

    await client.assistants.delete(assistant_id)

    async with asyncio.timeout(SECONDS):
        await client.runs.join(thread_id, running)
        await client.runs.join(thread_id, other)
    stopped = [(thread_id, running), (thread_id, waiting), (scheduled, later)]
    assert [await status_of(client, *each) for each in stopped] == ["interrupted"] * 3
    assert await status_of(client, thread_id, other) == "success"
    assert (await client.threads.get(scheduled))["status"] == "idle"


@pytest.mark.requirement("ASSISTANT-011")
async def test_an_assistant_can_take_its_threads_with_it(client: LangGraphClient) -> None:
    made = await client.assistants.create("echo")
    mine, other = await client.threads.create(), await client.threads.create()
    await client.runs.wait(mine["thread_id"], made["assistant_id"], input={"text": "x"})
    await client.runs.wait(other["thread_id"], "echo", input={"text": "x"})

    await client.assistants.delete(made["assistant_id"], delete_threads=True)

    with pytest.raises(NotFoundError):
        await client.threads.get(mine["thread_id"])
    assert (await client.threads.get(other["thread_id"]))["status"] == "idle"


@pytest.mark.requirement("ASSISTANT-012")
async def test_search_finds_by_name_graph_and_metadata(client: LangGraphClient) -> None:
    mark = uuid4().hex
    names = [f"{mark}-B", f"{mark}-a", f"{mark}-C%"]
    for number, name in enumerate(names):
        await client.assistants.create(
            "show" if number else "echo", name=name, metadata={mark: {"n": number, "more": 0}}
        )

    async def found(**search: Any) -> list[str]:
        return [item["name"] for item in await client.assistants.search(**search)]

    assert await found(name=mark.upper()) == names[::-1]
    assert await found(name=mark, sort_by="name", sort_order="asc") == [
        names[1],
        names[0],
        names[2],
    ]
    assert await found(name=mark, graph_id="echo") == names[:1]
    assert await found(name="c%") == names[2:]
    assert await found(name=f"{mark}_") == []
    assert await found(metadata={mark: {"n": 1}}) == names[1:2]
    assert await found(name=mark, limit=1, offset=1) == names[1:2]
    assert await client.assistants.count(name=mark) == 3
    assert await client.assistants.count(metadata={mark: {"n": 2}}, graph_id="show") == 1


@pytest.mark.requirement("ASSISTANT-013")
@pytest.mark.parametrize(
    "sort_by", ["assistant_id", "graph_id", "name", "created_at", "updated_at"]
)
async def test_search_sorts_by_each_member_both_ways(client: LangGraphClient, sort_by: Any) -> None:
    mark = uuid4().hex
    made: list[Any] = [
        await client.assistants.create(graph_id, name=name, metadata={"mark": mark})
        for graph_id, name in (("show", "b"), ("ask", "C"), ("echo", "A"))
    ]
    made[1] = await client.assistants.update(made[1]["assistant_id"])
    wanted = sorted(made, key=lambda assistant: str(assistant[sort_by]).casefold())

    for order, rows in (("asc", wanted), ("desc", wanted[::-1])):
        search: Any = {"sort_by": sort_by, "sort_order": order}
        assert await client.assistants.search(metadata={"mark": mark}, **search) == rows


@pytest.mark.requirement("ASSISTANT-014")
@pytest.mark.parametrize("member", MEMBERS)
async def test_search_selects_any_member(client: LangGraphClient, member: Any) -> None:
    whole: Any = await client.assistants.get(ECHO)
    rows: Any = await client.assistants.search(graph_id="echo", name="echo", select=[member])
    assert rows == [{member: whole[member]}]


@pytest.mark.requirement("ASSISTANT-012")
@pytest.mark.parametrize(
    ("wanted", "is_there"),
    [
        ({"n": {"d": 1}}, True),
        ({"n": {"d": 1, "e": {"f": [1, 2]}}}, True),
        ({"n": {}}, True),
        ({"n": {"d": 2}}, False),
        ({"n": {"d": True}}, False),
        ({"n": {"e": {"f": [1]}}}, False),
        ({"n": None}, False),
        ({"nothing": None}, True),
        ({"other": None}, False),
    ],
)
async def test_metadata_is_searched_by_containment(
    client: LangGraphClient, wanted: dict[str, Any], is_there: bool
) -> None:
    mark = uuid4().hex
    metadata: Any = {"mark": mark, "n": {"d": 1, "e": {"f": [1, 2], "g": 3}}, "nothing": None}
    await client.assistants.create("echo", metadata=metadata)

    assert await client.assistants.count(metadata={"mark": mark, **wanted}) == int(is_there)


@pytest.mark.requirement("ASSISTANT-014")
async def test_search_selects_members(client: LangGraphClient) -> None:
    rows: Any = await client.assistants.search(
        graph_id="echo", name="echo", select=["name", "assistant_id"]
    )

    assert rows == [{"assistant_id": ECHO, "name": "echo"}]


@pytest.mark.requirement("HTTP-012")
def test_pages_say_how_many_there_are_in_all(http: httpx.Client) -> None:
    mark = uuid4().hex
    for _ in range(3):
        http.post("/assistants", json={"graph_id": "echo", "name": mark})

    def page(limit: int, offset: int) -> tuple[int, str, str | None]:
        body = {"name": mark, "limit": limit, "offset": offset}
        answer = http.post("/assistants/search", json=body)
        headers = answer.headers
        return (
            len(answer.json()),
            headers["x-pagination-total"],
            headers.get("x-pagination-next"),
        )

    assert page(2, 0) == (2, "3", "2")
    assert page(2, 2) == (1, "3", None)
    assert page(10, 0) == (3, "3", None)
    assert page(2, 10) == (0, "3", None)


@pytest.mark.requirement("HTTP-013")
async def test_the_sdk_pages_by_the_header(client: LangGraphClient) -> None:
    page = await client.assistants.search(limit=1, response_format="object")

    assert (len(page["assistants"]), page["next"]) == (1, "1")


@pytest.mark.requirement("HTTP-004", "HTTP-011")
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("POST", "/assistants", {"graph_id": "nope"}, 404, "Graph 'nope' not found. Expected"),
        ("POST", "/assistants", {}, 422, "graph_id: Field required"),
        ("POST", "/assistants", {"graph_id": "echo", "assistant_id": "x"}, 422, "assistant_id: "),
        ("POST", "/assistants/search", {"graph_id": "nope"}, 404, "Graph 'nope' not found."),
        ("POST", "/assistants/count", {"graph_id": "nope"}, 404, "Graph 'nope' not found."),
        ("POST", "/assistants/search", {"limit": 0}, 422, "limit: Input should be greater"),
        ("GET", "/assistants/nope", None, 422, "Invalid assistant ID: must be a UUID"),
        ("PATCH", f"/assistants/{ECHO[:-1]}1", {}, 404, f"Assistant {ECHO[:-1]}1 not found"),
        ("PATCH", f"/assistants/{ECHO}", {"graph_id": "nope"}, 404, "Graph 'nope' not found."),
        ("PATCH", f"/assistants/{ECHO}", {"description": None}, 422, "description: Input should"),
        ("PATCH", f"/assistants/{ECHO}", [], 422, "request body: Input should be an object"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(
    http: httpx.Client, method: str, path: str, body: Any, status: int, detail: str
) -> None:
    answer = http.request(method, path, json=body)

    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)


async def test_the_sdk_hears_why(client: LangGraphClient) -> None:
    with pytest.raises(APIStatusError, match="limit: Input should be less than or equal to 1000"):
        await client.assistants.search(limit=1001)
