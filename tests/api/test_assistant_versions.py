"""Versions of assistants: listed, searched, and made current again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError

MEMBERS = [
    "assistant_id",
    "version",
    "graph_id",
    "config",
    "context",
    "metadata",
    "created_at",
    "name",
    "description",
]


async def three_versions(client: LangGraphClient) -> tuple[str, list[dict[str, Any]]]:
    """Create an assistant and change it twice; return its id and what it was, newest first."""
    made = await client.assistants.create(
        "show",
        {"configurable": {"user": "one"}, "tags": ["t"]},
        metadata={"step": 1, "kept": {"a": 1, "b": 2}},
        name="first",
        description="what it was",
    )
    assistant_id = made["assistant_id"]
    second = await client.assistants.update(
        assistant_id, context={"user": "two"}, metadata={"step": 2}, name="second"
    )
    third = await client.assistants.update(
        assistant_id, graph_id="echo", config={"recursion_limit": 7}, description="what it is"
    )
    return assistant_id, [dict(each) for each in (third, second, made)]


def as_version(assistant: dict[str, Any]) -> dict[str, Any]:
    """Return what a list of versions shows of an assistant as it was."""
    return {name: assistant[name] for name in MEMBERS} | {"created_at": assistant["updated_at"]}


@pytest.mark.requirement("ASSISTANT-015")
async def test_versions_are_listed_newest_first(client: LangGraphClient) -> None:
    assistant_id, was = await three_versions(client)

    versions: Any = await client.assistants.get_versions(assistant_id)

    assert versions == [as_version(each) for each in was]
    assert [version["version"] for version in versions] == [3, 2, 1]
    assert list(versions[0]) == MEMBERS


@pytest.mark.requirement("ASSISTANT-015")
async def test_versions_are_searched_and_paged(client: LangGraphClient) -> None:
    assistant_id, _ = await three_versions(client)

    async def numbers(**search: Any) -> list[int]:
        found: Any = await client.assistants.get_versions(assistant_id, **search)
        return [version["version"] for version in found]

    assert await numbers(metadata={"step": 2}) == [3, 2]
    assert await numbers(metadata={"kept": {"b": 2}}) == [3, 2, 1]
    assert await numbers(metadata={"step": 2}, limit=1, offset=1) == [2]
    assert await numbers(limit=2) == [3, 2]
    assert await numbers(limit=2, offset=2) == [1]
    # Nothing found is not the same as no assistant.
    assert await numbers(metadata={"step": 9}) == []
    assert await numbers(offset=3) == []


@pytest.mark.requirement("ASSISTANT-016")
async def test_an_assistant_becomes_again_all_that_it_was(client: LangGraphClient) -> None:
    assistant_id, was = await three_versions(client)
    first = was[-1]

    restored = await client.assistants.set_latest(assistant_id, 1)

    assert dict(restored) == {**first, "updated_at": restored["updated_at"]}
    assert restored["context"] == {"user": "one"}
    assert str(restored["updated_at"]) > str(was[0]["updated_at"])
    assert await client.assistants.get(assistant_id) == restored
    found = await client.assistants.search(metadata={"step": 1}, name="first")
    assert restored in found


@pytest.mark.requirement("ASSISTANT-016")
async def test_what_is_restored_is_what_runs(client: LangGraphClient) -> None:
    assistant_id, _ = await three_versions(client)
    await client.assistants.set_latest(assistant_id, 1)

    values: Any = await client.runs.wait(None, assistant_id, input={})

    assert values["seen"]["context"] == {"user": "one", "level": 1}


async def test_restoring_makes_no_version_and_changes_none(client: LangGraphClient) -> None:
    assistant_id, was = await three_versions(client)
    for version in (2, 2, 3, 1):
        current = await client.assistants.set_latest(assistant_id, version)
        assert current["version"] == version

    versions: Any = await client.assistants.get_versions(assistant_id)
    assert versions == [as_version(each) for each in was]


async def test_a_change_after_restoring_is_numbered_after_the_highest(
    client: LangGraphClient,
) -> None:
    assistant_id, _ = await three_versions(client)
    await client.assistants.set_latest(assistant_id, 1)

    changed = await client.assistants.update(assistant_id, name="fourth")

    assert (changed["version"], changed["name"]) == (4, "fourth")
    assert (changed["graph_id"], changed["context"]) == ("show", {"user": "one"})
    versions = await client.assistants.get_versions(assistant_id)
    assert [each["version"] for each in versions] == [4, 3, 2, 1]


@pytest.mark.requirement("ASSISTANT-003")
def test_a_graph_id_stands_for_its_assistant_here_too(http: httpx.Client) -> None:
    versions = http.post("/assistants/cm/versions", json={})
    assert [(each["name"], each["version"]) for each in versions.json()] == [("cm", 1)]

    second = http.patch("/assistants/cm", json={"metadata": {"more": True}}).json()
    assert second["version"] == 2
    first = http.post("/assistants/cm/latest", json={"version": 1}).json()
    assert first["metadata"] == {"created_by": "system"}
    assert http.get("/assistants/cm").json() == first


def test_the_sync_client_sees_the_same(server_url: str) -> None:
    with get_sync_client(url=server_url) as client:
        made = client.assistants.create("echo", name="one")
        client.assistants.update(made["assistant_id"], name="two")
        restored = client.assistants.set_latest(made["assistant_id"], 1)
        versions = client.assistants.get_versions(made["assistant_id"], limit=1)

    assert restored["name"] == "one"
    assert [version["name"] for version in versions] == ["two"]


@pytest.mark.requirement("ASSISTANT-017")
@pytest.mark.parametrize("version", [99, 0, -1, 2**63, 10**30, 1e300])
def test_a_version_that_does_not_exist_is_not_found(http: httpx.Client, version: float) -> None:
    assistant_id = http.post("/assistants", json={"graph_id": "echo"}).json()["assistant_id"]

    answer = http.post(f"/assistants/{assistant_id}/latest", json={"version": version})

    assert answer.status_code == 404
    assert answer.json() == {
        "detail": f"Version {int(version)} not found for assistant {assistant_id}"
    }


def test_a_version_may_be_written_as_a_float(http: httpx.Client) -> None:
    answer = http.post("/assistants/cm/latest", content=b'{"version": 1.0}')
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


@pytest.mark.parametrize(
    ("operation", "body", "detail"),
    [
        ("latest", {}, "version: Field required"),
        ("latest", {"version": None}, "version: Input should be an integer (got null)"),
        ("latest", {"version": "1"}, 'version: Input should be an integer (got "1")'),
        ("latest", {"version": 1.5}, "version: Input should be"),
        ("latest", {"version": True}, "version: Input should be an integer (got true)"),
        ("latest", [], "request body: Input should be an object"),
        ("latest", None, "Invalid JSON in request body"),
        ("versions", None, "Invalid JSON in request body"),
        ("versions", {"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ("versions", {"limit": 1001}, "limit: Input should be less than or equal to 1000"),
        ("versions", {"offset": -1}, "offset: Input should be greater than or equal to 0"),
        ("versions", {"metadata": None}, "metadata: Input should not be null"),
        ("versions", {"metadata": []}, "metadata: Input should be an object"),
    ],
)
def test_wrong_requests_name_the_field(
    http: httpx.Client, operation: str, body: Any, detail: str
) -> None:
    answer = http.post(f"/assistants/echo/{operation}", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.requirement("ASSISTANT-024")
async def test_an_assistant_that_does_not_exist_is_not_found(client: LangGraphClient) -> None:
    nobody = str(uuid4())

    with pytest.raises(NotFoundError, match=f"Assistant {nobody} not found"):
        await client.assistants.get_versions(nobody)
    with pytest.raises(NotFoundError, match=f"Assistant {nobody} not found"):
        await client.assistants.set_latest(nobody, 1)


def test_neither_a_uuid_nor_a_graph_is_no_assistant(http: httpx.Client) -> None:
    for operation, body in (("versions", {}), ("latest", {"version": 1})):
        answer = http.post(f"/assistants/nope/{operation}", json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("Invalid assistant ID: must be a UUID")


def test_versions_are_posted_for(http: httpx.Client) -> None:
    for operation in ("versions", "latest"):
        answer = http.get(f"/assistants/echo/{operation}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
