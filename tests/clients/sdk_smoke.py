"""What every version of the Python SDK can do: run as a script, `python sdk_smoke.py URL VERSION`.

It uses no more than the oldest version knows, and no package but the SDK's own.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from importlib.metadata import version
from typing import Any

from langgraph_sdk import get_client, get_sync_client

ECHO = {"text": "s", "log": ["a:s", "b"], "n": 2}
INPUT = {"text": "s"}


async def assistants(client: Any) -> None:
    made = await client.assistants.create("echo", name="smoke", metadata={"mark": "smoke"})
    assistant_id = made["assistant_id"]
    assert (await client.assistants.get(assistant_id))["name"] == "smoke"
    changed = await client.assistants.update(assistant_id, name="changed")
    assert (changed["name"], changed["version"]) == ("changed", 2)
    found = await client.assistants.search(metadata={"mark": "smoke"}, limit=1)
    assert [each["assistant_id"] for each in found] == [assistant_id]
    versions = await client.assistants.get_versions(assistant_id)
    assert [each["version"] for each in versions] == [2, 1]
    assert (await client.assistants.set_latest(assistant_id, 1))["name"] == "smoke"
    assert (await client.assistants.get_schemas(assistant_id))["graph_id"] == "echo"
    assert (await client.assistants.get_graph(assistant_id))["nodes"]
    assert await client.assistants.get_subgraphs(assistant_id) == {}
    await client.assistants.delete(assistant_id)


async def threads(client: Any) -> None:
    mark = uuid.uuid4().hex
    made = await client.threads.create(metadata={"mark": mark}, graph_id="echo")
    thread_id = made["thread_id"]
    await client.runs.wait(thread_id, "echo", input=INPUT)
    await client.threads.update(thread_id, metadata={"more": 1})
    found = await client.threads.search(metadata={"mark": mark, "more": 1}, status="idle")
    assert [(each["thread_id"], each["values"]) for each in found] == [(thread_id, ECHO)]
    assert await client.threads.count(metadata={"mark": mark}) == 1
    copied = await client.threads.copy(thread_id)
    assert copied["thread_id"] != thread_id
    await client.threads.delete(copied["thread_id"])
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def state(client: Any) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "echo", input=INPUT)
    now = await client.threads.get_state(thread_id)
    assert (now["values"], now["next"]) == (ECHO, [])
    history = await client.threads.get_history(thread_id, limit=10)
    assert [each["next"] for each in history] == [[], ["b"], ["a"], ["__start__"]]
    older = await client.threads.get_history(thread_id, before=history[1]["checkpoint"])
    assert [each["next"] for each in older] == [["a"], ["__start__"]]
    then = await client.threads.get_state(thread_id, checkpoint=history[1]["checkpoint"])
    assert then["values"] == history[1]["values"]
    await client.threads.update_state(
        thread_id, {"log": ["written"]}, as_node="a", checkpoint=history[1]["checkpoint"]
    )
    values: Any = await client.runs.wait(thread_id, "echo", input=None)
    assert values["log"] == ["a:s", "written", "b"]


async def runs(client: Any) -> None:
    assert await client.runs.wait(None, "echo", input=INPUT) == ECHO
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, "echo", input=INPUT, metadata={"m": 1})
    assert await client.runs.join(thread_id, run["run_id"]) == ECHO
    assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "success"
    assert len(await client.runs.list(thread_id)) == 1
    slow = await client.runs.create(thread_id, "slow", input={"seconds": 300})
    await client.runs.cancel(thread_id, slow["run_id"], wait=True)
    assert (await client.runs.get(thread_id, slow["run_id"]))["status"] == "interrupted"
    await client.runs.delete(thread_id, slow["run_id"])
    batch = await client.runs.create_batch([{"assistant_id": "echo", "input": INPUT}])
    assert len(batch) == 1


async def streams(client: Any) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    created: list[Any] = []
    parts = [
        part
        async for part in client.runs.stream(
            thread_id,
            "parent",
            input={"text": "t"},
            stream_mode=["updates", "values"],
            stream_subgraphs=True,
            stream_resumable=True,
            on_run_created=created.append,
        )
    ]
    assert created[0]["thread_id"] == thread_id
    assert parts[0].event == "metadata"
    assert {part.event.partition(":")[0] for part in parts[1:]} == {
        "updates", "values", "updates|child", "values|child",
    }  # fmt: skip
    run_id = created[0]["run_id"]
    again = [part async for part in client.runs.join_stream(thread_id, run_id, last_event_id="-1")]
    assert [part.event for part in again] == [part.event for part in parts]
    tokens = [
        part.data[0]["content"]
        async for part in client.runs.stream(
            None,
            "chat",
            input={"messages": [{"role": "user", "content": "you"}]},
            stream_mode="messages-tuple",
        )
        if part.event == "messages"
    ]
    assert [token for token in tokens if token] == ["hello", " ", "you"]


async def interrupts(client: Any) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    asked = await client.runs.wait(thread_id, "ask", input={"q": "name?"})
    assert asked["__interrupt__"][0]["value"] == {"question": "name?"}
    thread = await client.threads.get(thread_id)
    assert thread["status"] == "interrupted"
    assert next(iter(thread["interrupts"].values()))[0]["value"] == {"question": "name?"}
    values = await client.runs.wait(thread_id, "ask", command={"resume": "Ann"})
    assert values["log"] == ["prepare", "human", "finish:Ann"]


async def store(client: Any) -> None:
    space = ["smoke", uuid.uuid4().hex]
    await client.store.put_item(space, key="one", value={"n": 1})
    assert (await client.store.get_item(space, key="one"))["value"] == {"n": 1}
    found = await client.store.search_items(space, filter={"n": 1})
    assert [each["key"] for each in found["items"]] == ["one"]
    spaces = await client.store.list_namespaces(prefix=["smoke"])
    assert space in spaces["namespaces"]
    await client.store.delete_item(space, key="one")


def without_a_loop(url: str) -> None:
    client: Any = get_sync_client(url=url)
    thread_id = client.threads.create()["thread_id"]
    assert client.runs.wait(thread_id, "echo", input=INPUT) == ECHO
    events = [part.event for part in client.runs.stream(thread_id, "echo", input=INPUT)]
    assert events == ["metadata", "values", "values", "values"]
    assert client.threads.get_state(thread_id)["values"]["n"] == 4


async def main(url: str) -> None:
    client = get_client(url=url)
    for check in (assistants, threads, state, runs, streams, interrupts, store):
        async with asyncio.timeout(30):
            await check(client)
        print(f"ok: {check.__name__}")
    without_a_loop(url)
    print("ok: without_a_loop")


if __name__ == "__main__":
    assert version("langgraph-sdk") == sys.argv[2], version("langgraph-sdk")
    asyncio.run(main(sys.argv[1]))
