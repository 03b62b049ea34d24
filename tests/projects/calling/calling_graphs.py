"""Graphs that call the server they run on, with the SDK's clients without a URL."""

import asyncio
import operator
import threading
import time
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import interrupt
from langgraph_sdk import get_client, get_sync_client
from typing_extensions import TypedDict

#: Made while the module is imported, before the server is ready; used by many runs.
early = get_client()


class BackState(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]
    user: str | None
    ask: bool
    seconds: float


async def first(state: BackState, config: RunnableConfig) -> BackState:
    user = config["configurable"].get("langgraph_auth_user")
    get_stream_writer()("begun")
    await asyncio.sleep(state.get("seconds", 0))
    return {"log": [f"first:{state.get('text')}"], "user": user and user["identity"]}


def second(state: BackState) -> BackState:
    return {"log": [f"second:{interrupt('really?') if state.get('ask') else 'unasked'}"]}


def build(schema: type, **nodes: Any) -> Any:
    builder = StateGraph(schema)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile()


back = build(BackState, first=first, second=second)


class FrontState(TypedDict, total=False):
    do: str
    given: Any
    found: Any


async def whole_round(given: Any, config: RunnableConfig) -> Any:
    client = get_client()
    thread = await client.threads.create(metadata={"made": "inside"})
    values = await client.runs.wait(thread["thread_id"], "back", input={"text": "in"})
    state = await client.threads.get_state(thread["thread_id"])
    await client.store.put_item(("calling",), "key", {"v": 1})
    item = await client.store.get_item(("calling",), "key")
    return [thread["metadata"], values["log"], state["values"]["log"], item["value"], values["user"]]


async def stream(given: Any, config: RunnableConfig) -> Any:
    """Tell when each part came, beside when the run ended."""
    found = []
    parts = get_client().runs.stream(
        None, "back", input={"text": "s", "seconds": 0.5}, stream_mode=["custom", "updates"]
    )
    async for part in parts:
        found.append([part.event, time.monotonic()])
    return found


async def nest(given: Any, config: RunnableConfig) -> Any:
    if given == 0:
        return [0]
    values = await early.runs.wait(None, "front", input={"do": "nest", "given": given - 1})
    return [given, *values["found"]]


async def wait_for_self(given: Any, config: RunnableConfig) -> Any:
    thread_id = config["configurable"]["thread_id"]
    try:
        await get_client().runs.wait(thread_id, "back", input={})
    except Exception as exc:
        return [type(exc).__name__, str(exc)]


async def follow_self(given: Any, config: RunnableConfig) -> Any:
    thread_id = config["configurable"]["thread_id"]
    return (await get_client().runs.create(thread_id, "front", input={"do": "nest", "given": 0}))["run_id"]


async def answer(given: Any, config: RunnableConfig) -> Any:
    graph = RemoteGraph("back", client=get_client())
    thread = await early.threads.create()
    own: RunnableConfig = {"configurable": {"thread_id": thread["thread_id"]}}
    asked = await graph.ainvoke({"text": "r", "ask": True}, own)
    await early.runs.wait(thread["thread_id"], "back", command={"resume": "yes"})
    return [asked["__interrupt__"][0]["value"], (await graph.aget_state(own)).values["log"]]


async def leave_early(given: Any, config: RunnableConfig) -> Any:
    """Leave a stream after its first part: the run that was begun is cancelled."""
    thread = await early.threads.create()
    parts = early.runs.stream(
        thread["thread_id"], "back", input={"seconds": 300}, stream_mode="custom",
        on_disconnect="cancel",
    )
    async for part in parts:
        if part.event == "custom":
            break
    await parts.aclose()
    return thread["thread_id"]


async def as_somebody(given: Any, config: RunnableConfig) -> Any:
    try:
        thread = await get_client(headers=given).threads.create()
    except Exception as exc:
        return [type(exc).__name__, str(exc)]
    return thread["metadata"]


async def from_a_thread(given: Any, config: RunnableConfig) -> Any:
    """Call from a thread that knows nothing of the run, with a loop of its own."""
    found: list[Any] = []

    def work() -> None:
        found.append(asyncio.run(as_somebody(given, config)))

    thread = threading.Thread(target=work)
    thread.start()
    await asyncio.to_thread(thread.join)
    return found[0]


async def block(given: Any, config: RunnableConfig) -> Any:
    try:
        get_sync_client().threads.create()
    except RuntimeError as exc:
        return str(exc)


async def many(given: Any, config: RunnableConfig) -> Any:
    calls = (
        get_client().runs.wait(None, "back", input={"text": str(number), "seconds": 0.1})
        for number in range(given)
    )
    return [values["log"][0] for values in await asyncio.gather(*calls)]


async def unanswered(given: Any, config: RunnableConfig) -> Any:
    """Wait until this run is cancelled."""
    await early.runs.wait(given, "back", input={"seconds": 300}, on_disconnect="cancel")


DEEDS = {
    each.__name__: each
    for each in (
        whole_round, stream, nest, wait_for_self, follow_self, answer, leave_early, as_somebody,
        from_a_thread, block, many, unanswered,
    )
}


async def act(state: FrontState, config: RunnableConfig) -> FrontState:
    return {"found": await DEEDS[state["do"]](state.get("given"), config)}


def act_sync(state: FrontState) -> FrontState:
    with get_sync_client() as client:
        values = client.runs.wait(None, "back", input={"text": "sync"})
        parts = [part.event for part in client.runs.stream(None, "back", input={"text": "s"})]
        made = client.threads.create(metadata={"made": "inside"})
    return {"found": [values["log"], parts, made["metadata"], values["user"]]}


front = build(FrontState, act=act)
sync_front = build(FrontState, act=act_sync)
with_remote = build(BackState, remote=RemoteGraph("back", client=get_client()))
