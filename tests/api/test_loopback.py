"""Graphs that call the server they run on: `get_client()` without a URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk._shared.utilities import _registered_transports
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.api.owners import API_KEYS
from tests.api.sdk import SECONDS, state_of, status_of, thread_of, wait

ONE_SLOT = {"lgserve": {"n_jobs_per_worker": 1}}


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose graphs call it, with one slot for runs."""
    with served(tmp_path_factory.mktemp("calling"), "calling", ONE_SLOT) as url:
        yield url


@pytest.fixture
async def client(calling: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=calling) as client:
        yield client


async def do(client: LangGraphClient, deed: str, given: Any = None, **options: Any) -> Any:
    body = {"do": deed, "given": given}
    return (await wait(client, None, "front", input=body, **options))["found"]


@pytest.mark.requirement("CONFIG-010")
async def test_a_node_makes_threads_runs_and_items(client: LangGraphClient) -> None:
    log = ["first:in", "second:unasked"]

    assert await do(client, "whole_round") == [{"made": "inside"}, log, log, {"v": 1}, None]
    assert (await client.store.get_item(("calling",), "key"))["value"] == {"v": 1}


async def test_a_stream_is_not_held_back(client: LangGraphClient) -> None:
    parts = await do(client, "stream")
    first, begun, update, last = parts

    assert [name for name, _ in parts] == ["metadata", "custom", "updates", "updates"]
    assert update[1] - begun[1] > 0.4 > begun[1] - first[1]
    assert last[1] >= update[1]


@pytest.mark.requirement("CONFIG-010")
async def test_a_sync_node_calls_too(client: LangGraphClient) -> None:
    found = (await wait(client, None, "sync_front", input={}))["found"]

    log = ["first:sync", "second:unasked"]
    assert found == [log, ["metadata", "values", "values", "values"], {"made": "inside"}, None]


async def test_an_async_node_cannot_block_all_runs_with_the_sync_client(
    client: LangGraphClient,
) -> None:
    assert "use get_client() there" in await do(client, "block")


async def test_runs_that_wait_for_runs_do_not_hold_the_only_slot(client: LangGraphClient) -> None:
    assert await do(client, "nest", 5) == [5, 4, 3, 2, 1, 0]
    assert await do(client, "many", 30) == [f"first:{number}" for number in range(30)]


async def test_afterwards_there_is_one_slot_again(client: LangGraphClient) -> None:
    await do(client, "nest", 3)
    runs = []
    for _ in range(2):
        thread_id = await thread_of(client)
        run = await client.runs.create(thread_id, "back", input={"seconds": 300})
        runs.append((thread_id, run["run_id"]))
    async with asyncio.timeout(SECONDS):
        while await status_of(client, *runs[0]) != "running":
            pass

    assert await status_of(client, *runs[1]) == "pending"
    for thread_id, run_id in reversed(runs):
        await client.runs.cancel(thread_id, run_id, wait=True)


async def test_a_run_is_not_let_wait_for_itself(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    found = (await wait(client, thread_id, "front", input={"do": "wait_for_self"}))["found"]

    assert (found[0], "409 Conflict" in found[1]) == ("HTTPStatusError", True)
    with pytest.raises(Exception, match="ConflictError"):
        await wait(client, thread_id, "with_remote", input={"text": "x"})


async def test_a_run_may_queue_its_own_follower(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "front", input={"do": "follow_self"})
    async with asyncio.timeout(SECONDS):
        followed: Any = await client.runs.join(thread_id, values["found"])

    assert followed["found"] == [0]


async def test_a_remote_graph_asks_and_is_answered(client: LangGraphClient) -> None:
    assert await do(client, "answer") == ["really?", ["first:r", "second:yes"]]


async def test_leaving_a_stream_is_a_disconnect(client: LangGraphClient) -> None:
    thread_id = await do(client, "leave_early")
    (run,) = await client.runs.list(thread_id)
    async with asyncio.timeout(SECONDS):
        await client.runs.join(thread_id, run["run_id"])

    assert await status_of(client, thread_id, run["run_id"]) == "interrupted"


async def test_cancelling_a_run_breaks_off_its_calls(client: LangGraphClient) -> None:
    outer, inner = await thread_of(client), await thread_of(client)
    run = await client.runs.create(outer, "front", input={"do": "unanswered", "given": inner})
    async with asyncio.timeout(SECONDS):
        while not (found := await client.runs.list(inner)) or found[0]["status"] != "running":
            pass
        await client.runs.cancel(outer, run["run_id"], wait=True)
        await client.runs.join(inner, found[0]["run_id"])

    assert await status_of(client, inner, found[0]["run_id"]) == "interrupted"
    assert (await state_of(client, outer))["next"] == ["act"]


async def test_clients_that_are_thrown_away_leave_nothing(client: LangGraphClient) -> None:
    for _ in range(3):
        await do(client, "whole_round")

    assert len(_registered_transports) <= 1


async def test_calls_find_the_server_below_its_prefix(tmp_path: Path) -> None:
    config = {"lgserve": {"mount_prefix": "/below"}}
    with served(tmp_path, "calling", config) as url:
        async with get_client(url=f"{url}/below") as client:
            found = await do(client, "whole_round")
            answered = await do(client, "answer")

    assert found[1] == ["first:in", "second:unasked"]
    assert answered[0] == "really?"


# ------------------------------------------------------------------ who calls


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose graphs call it, for the owners of keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGSMITH_API_KEY", "lsv2_for_traces")
        with served(tmp_path_factory.mktemp("guarded-calling"), "calling", API_KEYS) as url:
            yield url


@pytest.fixture
async def alice(guarded: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=guarded, api_key="key-of-alice") as client:
        yield client


@pytest.mark.requirement("AUTH-012")
async def test_a_call_is_made_as_the_user_of_the_run(alice: LangGraphClient) -> None:
    found = await do(alice, "whole_round")

    assert found[0] == {"made": "inside", "owner": "alice"}
    assert found[4] == "alice"
    sync = (await wait(alice, None, "sync_front", input={}))["found"]
    assert (sync[2], sync[3]) == ({"made": "inside", "owner": "alice"}, "alice")


async def test_credentials_that_are_given_count(alice: LangGraphClient) -> None:
    as_bob = await do(alice, "as_somebody", {"Authorization": "Bearer key-of-bob"})
    as_nobody = await do(alice, "as_somebody", {"Authorization": "Bearer wrong"})

    assert as_bob == {"owner": "bob"}
    assert as_nobody[0] == "AuthenticationError"


async def test_code_that_belongs_to_no_run_is_nobody(alice: LangGraphClient) -> None:
    found = await do(alice, "from_a_thread", {})
    with_credentials = await do(alice, "from_a_thread", {"Authorization": "Bearer key-of-bob"})

    assert found[0] == "AuthenticationError"
    assert with_credentials == {"owner": "bob"}


def test_a_ticket_cannot_be_guessed(guarded: str) -> None:
    for ticket in ("", "None", "x" * 32):
        answer = httpx.post(f"{guarded}/threads", json={}, headers={"x-lgserve-ticket": ticket})
        assert answer.status_code == 401


async def test_without_authentication_code_outside_of_a_run_calls_as_well(tmp_path: Path) -> None:
    with served(tmp_path, "calling") as url:
        async with get_client(url=url) as client:
            assert await do(client, "from_a_thread", {}) == {}
