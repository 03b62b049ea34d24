"""What an application does with `langgraph_sdk`: assistants, threads, runs, state."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, cast
from uuid import uuid4

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError
from langgraph_sdk.schema import RunCreateMetadata

from tests.api.sdk import JsonObject, all_of, history_of, state_of, status_of, thread_of, wait


@pytest.mark.requirement("CLIENT-001")
async def test_a_run_leaves_its_values_its_status_and_its_state_on_the_thread(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "echo", input={"text": "hi"}, metadata={"m": 1})
    thread = await client.threads.get(thread_id)
    state = await state_of(client, thread_id)
    (run,) = await client.runs.list(thread_id)

    assert values == {"text": "hi", "log": ["a:hi", "b"], "n": 2}
    assert (thread["values"], thread["status"], thread["interrupts"]) == (values, "idle", {})
    assert thread["metadata"]["graph_id"] == "echo"  # type: ignore[index]
    assert (state["values"], state["next"], state["tasks"]) == (values, [], [])
    assert state["metadata"]["run_id"] == run["run_id"]
    assert (run["status"], run["metadata"]["m"]) == ("success", 1)  # type: ignore[index]
    assert await client.runs.get(thread_id, run["run_id"]) == run


@pytest.mark.requirement("RUN-020")
async def test_runs_on_one_thread_go_on_from_where_the_last_one_ended(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    for text in ("1", "2", "3"):
        await wait(client, thread_id, "echo", input={"text": text})
    values = (await state_of(client, thread_id))["values"]

    assert values == {"text": "3", "log": ["a:1", "b", "a:2", "b", "a:3", "b"], "n": 6}
    assert len(await client.runs.list(thread_id)) == 3


async def test_a_background_run_is_joined(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    run = await client.runs.create(thread_id, "echo", input={"text": "bg"})
    joined = await client.runs.join(thread_id, run["run_id"])
    again = await client.runs.join(thread_id, run["run_id"])

    assert run["status"] == "pending"
    assert joined == again == {"text": "bg", "log": ["a:bg", "b"], "n": 2}
    assert await status_of(client, thread_id, run["run_id"]) == "success"


async def test_who_creates_a_run_is_told_its_ids_at_once(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    told: list[RunCreateMetadata] = []
    run = await client.runs.create(thread_id, "echo", input={}, on_run_created=told.append)
    await client.runs.wait(thread_id, "echo", input={}, on_run_created=told.append)
    stream = client.runs.stream(thread_id, "echo", input={}, on_run_created=told.append)
    first, *_ = await all_of(stream)
    await client.runs.wait(None, "echo", input={}, on_run_created=told.append)
    listed = [one["run_id"] for one in await client.runs.list(thread_id)]

    assert [one["thread_id"] for one in told] == [
        thread_id,
        thread_id,
        thread_id,
        told[3]["thread_id"],
    ]
    assert [one["run_id"] for one in told[:3]] == listed[::-1]
    assert told[0]["run_id"] == run["run_id"]
    assert first.data["run_id"] == told[2]["run_id"]


@pytest.mark.requirement("RUN-011")
async def test_a_thread_is_made_for_a_run_that_asks_for_it(client: LangGraphClient) -> None:
    thread_id = str(uuid4())
    with pytest.raises(NotFoundError):
        await client.runs.create(thread_id, "echo", input={"text": "x"})
    values = await wait(
        client, thread_id, "echo", input={"text": "x"}, if_not_exists="create", metadata={"m": 1}
    )
    thread = await client.threads.get(thread_id)

    assert values["n"] == 2
    assert thread["values"] == values
    metadata = cast(JsonObject, thread["metadata"])
    assert (metadata["graph_id"], metadata["m"]) == ("echo", 1)


@pytest.mark.requirement("RUN-010")
async def test_a_failing_run_raises_in_its_waiter(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    with pytest.raises(Exception, match=r"^ValueError: boom: x$"):
        await client.runs.wait(thread_id, "boom", input={"text": "x"})
    thread = await client.threads.get(thread_id)
    state = await state_of(client, thread_id)

    assert thread["status"] == "error"
    assert state["values"]["log"] == ["ok"]
    assert state["next"] == ["err"]
    assert state["tasks"][0]["error"] == "ValueError('boom: x')"


@pytest.mark.requirement("RUN-010")
async def test_a_waiter_may_ask_for_the_error_instead_of_an_exception(
    client: LangGraphClient,
) -> None:
    body = await wait(client, None, "boom", input={"text": "x"}, raise_error=False)

    assert body == {"__error__": {"error": "ValueError", "message": "boom: x"}}


@pytest.mark.requirement("STATUS-002")
async def test_a_good_run_heals_a_thread_in_error(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "boom", input={"text": "x"}, raise_error=False)
    values = await wait(client, thread_id, "boom", input={"text": "fine"})
    thread = cast(JsonObject, await client.threads.get(thread_id))

    assert values["log"] == ["ok", "ok", "survived"]
    assert (thread["status"], thread.get("error")) == ("idle", None)


@pytest.mark.requirement("RUN-020")
async def test_a_failed_step_is_tried_again_by_a_run_without_input(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "boom", input={"text": "x"}, raise_error=False)
    await client.threads.update_state(thread_id, {"text": "fine"})
    state = await state_of(client, thread_id)

    assert state["next"] == ["err"]
    assert (await wait(client, thread_id, "boom"))["log"] == ["ok", "survived"]


@pytest.mark.requirement("RUN-012")
async def test_a_stateless_run_leaves_nothing_behind(client: LangGraphClient) -> None:
    values = await wait(client, None, "echo", input={"text": "s"})
    run = await client.runs.create(None, "echo", input={"text": "s"})
    thread_id = run["thread_id"]
    assert values == {"text": "s", "log": ["a:s", "b"], "n": 2}
    async with asyncio.timeout(10):
        while await status_of(client, thread_id, run["run_id"]) is not None:
            pass

    with pytest.raises(NotFoundError):
        await client.threads.get(thread_id)


@pytest.mark.requirement("RUN-012")
async def test_a_stateless_run_may_keep_its_thread(client: LangGraphClient) -> None:
    run = await client.runs.create(
        None, "echo", input={"text": "s"}, on_completion="keep", metadata={"kept": True}
    )
    values = await client.runs.join(run["thread_id"], run["run_id"])
    thread = await client.threads.get(run["thread_id"])

    assert thread["values"] == values == {"text": "s", "log": ["a:s", "b"], "n": 2}
    assert len(await history_of(client, run["thread_id"])) == 4


@pytest.mark.requirement("CONFIG-006")
async def test_an_assistant_configures_the_runs_that_use_it(client: LangGraphClient) -> None:
    assistant = await client.assistants.create(
        "show",
        config={
            "configurable": {"from": "assistant", "both": "assistant"},
            "tags": ["assistant"],
            "recursion_limit": 7,
        },
        metadata={"team": "a", "level": "assistant"},
        name="Configured",
    )
    assistant_id = assistant["assistant_id"]
    thread = await client.threads.create(metadata={"level": "thread", "of": "thread"})
    values = await wait(
        client,
        thread["thread_id"],
        assistant_id,
        input={},
        config={
            "configurable": {"both": "run"},
            "tags": ["run"],
            "metadata": {"level": "config", "c": 1},
        },
        metadata={"m": 1, "c": 2},
    )
    seen = values["seen"]

    assert seen["configurable"]["from"] == "assistant"
    assert seen["configurable"]["both"] == "run"
    assert (seen["tags"], seen["recursion_limit"]) == (["run"], 7)
    wanted = {"team": "a", "level": "config", "of": "thread", "c": 2, "m": 1}
    assert wanted.items() <= seen["metadata"].items()
    assert seen["metadata"]["assistant_id"] == assistant_id
    await client.assistants.delete(assistant_id)
    with pytest.raises(NotFoundError):
        await client.assistants.get(assistant_id)
    with pytest.raises(NotFoundError):
        await client.runs.create(thread["thread_id"], assistant_id, input={})


@pytest.mark.requirement("CONFIG-006")
async def test_a_new_version_of_an_assistant_is_what_runs_use(client: LangGraphClient) -> None:
    made = await client.assistants.create("show", context={"user": "one"})
    assistant_id = made["assistant_id"]
    first = await wait(client, None, assistant_id, input={})
    changed = await client.assistants.update(assistant_id, context={"user": "two"}, name="Two")
    second = await wait(client, None, assistant_id, input={})
    third = await wait(client, None, assistant_id, input={}, context={"level": 9})
    found = await client.assistants.search(graph_id="show", metadata={}, limit=100)

    assert (changed["version"], changed["name"]) == (2, "Two")
    assert first["seen"]["context"] == {"user": "one", "level": 1}
    assert second["seen"]["context"] == {"user": "two", "level": 1}
    assert third["seen"]["context"] == {"user": "two", "level": 9}
    assert assistant_id in [one["assistant_id"] for one in cast(list[JsonObject], found)]


@pytest.mark.requirement("CONFIG-004")
async def test_configurable_and_context_are_two_names_of_one_thing(
    client: LangGraphClient,
) -> None:
    by_context = await wait(client, None, "show", input={}, context={"user": "ctx"})
    by_config = await wait(client, None, "show", input={}, config={"configurable": {"user": "ctx"}})

    for values in (by_context, by_config):
        assert values["seen"]["context"] == {"user": "ctx", "level": 1}
        assert values["seen"]["configurable"]["user"] == "ctx"


async def test_threads_are_made_found_changed_and_deleted(client: LangGraphClient) -> None:
    tag = str(uuid4())
    made = await client.threads.create(thread_id=str(uuid4()), metadata={"tag": tag, "n": 1})
    thread_id = made["thread_id"]
    same = await client.threads.create(thread_id=thread_id, if_exists="do_nothing")
    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=thread_id)
    changed = await client.threads.update(thread_id, metadata={"n": 2})
    found = await client.threads.search(metadata={"tag": tag}, status="idle")

    assert same == made
    assert changed["metadata"] == {"tag": tag, "n": 2}
    assert [one["thread_id"] for one in found] == [thread_id]
    assert await client.threads.count(metadata={"tag": tag}) == 1
    await client.threads.delete(thread_id)
    assert await client.threads.count(metadata={"tag": tag}) == 0
    with pytest.raises(NotFoundError):
        await client.threads.get(thread_id)


async def test_the_state_of_a_thread_can_be_written(client: LangGraphClient) -> None:
    thread_id = await thread_of(client, "echo")
    first = await client.threads.update_state(thread_id, {"text": "w"}, as_node="a")
    state = await state_of(client, thread_id)
    assert state["checkpoint"] == first["checkpoint"]
    assert (state["values"], state["next"]) == ({"text": "w", "log": []}, ["b"])
    assert (await client.threads.get(thread_id))["status"] == "interrupted"

    assert await wait(client, thread_id, "echo") == {"text": "w", "log": ["b"], "n": 1}
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_the_past_of_a_thread_is_read_step_by_step(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "echo", input={"text": "h"})
    history = await history_of(client, thread_id)

    assert [state["metadata"]["step"] for state in history] == [2, 1, 0, -1]
    assert [state["next"] for state in history] == [[], ["b"], ["a"], ["__start__"]]
    for newer, older in pairwise(history):
        assert newer["parent_checkpoint"] == older["checkpoint"]
    one = await state_of(client, thread_id, checkpoint=history[1]["checkpoint"])
    assert one["values"] == history[1]["values"] == {"text": "h", "log": ["a:h"], "n": 1}


@pytest.mark.requirement("FORK-001")
async def test_a_past_checkpoint_is_gone_on_from(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "echo", input={"text": "f"})
    history = await history_of(client, thread_id)
    before_b = history[1]["checkpoint"]
    again = await wait(client, thread_id, "echo", checkpoint=before_b)
    assert again == {"text": "f", "log": ["a:f", "b"], "n": 2}
    by_id = await wait(
        client, thread_id, "echo", input={"text": "g"}, checkpoint_id=before_b["checkpoint_id"]
    )
    assert by_id == {"text": "g", "log": ["a:f", "a:g", "b"], "n": 3}
    assert (await state_of(client, thread_id))["values"] == by_id


@pytest.mark.requirement("FORK-001")
async def test_a_past_checkpoint_is_changed_and_gone_on_from(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "echo", input={"text": "f"})
    before_b = (await history_of(client, thread_id))[1]["checkpoint"]
    fork = await client.threads.update_state(
        thread_id, {"log": ["changed"]}, checkpoint=before_b, as_node="a"
    )
    assert (await state_of(client, thread_id))["checkpoint"] == fork["checkpoint"]

    values = await wait(client, thread_id, "echo")
    assert values == {"text": "f", "log": ["a:f", "changed", "b"], "n": 2}


@pytest.mark.requirement("FORK-002")
async def test_an_unknown_checkpoint_is_refused(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "echo", input={"text": "f"})
    with pytest.raises(NotFoundError):
        await client.runs.create(thread_id, "echo", checkpoint_id=str(uuid4()))


@pytest.mark.requirement("RUN-015")
@pytest.mark.parametrize(("durability", "kept"), [("sync", 4), ("async", 4), ("exit", 1)])
async def test_durability_says_how_much_of_a_run_is_kept(
    client: LangGraphClient, durability: Any, kept: int
) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "echo", input={"text": "d"}, durability=durability)
    history = await history_of(client, thread_id)

    assert len(history) == kept
    assert history[0]["values"] == values


@pytest.mark.requirement("CONFIG-009")
async def test_the_store_of_the_server_is_there_for_graphs(client: LangGraphClient) -> None:
    assert await wait(client, None, "memo", input={"text": "m"}) == {
        "text": "m",
        "log": ["stored:m"],
    }
