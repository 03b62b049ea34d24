"""Steps that tests of protocol v2 are made of, over raw HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx

JsonObject = dict[str, Any]
SECONDS = 20
ALL = [
    "values", "updates", "messages", "tools", "lifecycle", "input", "tasks", "checkpoints",
    "custom",
]  # fmt: skip


async def command(
    http: httpx.AsyncClient, thread_id: str, method: str, **params: Any
) -> JsonObject:
    """Send a command and return its answer."""
    body = {"id": 1, "method": method, "params": params}
    response = await http.post(f"/threads/{thread_id}/commands", json=body)
    assert response.status_code == 200, response.text
    answer: JsonObject = response.json()
    return answer


async def start(http: httpx.AsyncClient, thread_id: str, graph: str, input: Any) -> str:
    """Start a run and return its id."""
    answer = await command(http, thread_id, "run.start", assistant_id=graph, input=input)
    assert answer["type"] == "success", answer
    return str(answer["result"]["run_id"])


@asynccontextmanager
async def subscribed(
    http: httpx.AsyncClient, thread_id: str, **wanted: Any
) -> AsyncIterator[AsyncIterator[JsonObject]]:
    """Subscribe to a thread's events over SSE."""
    body = {"channels": ALL, **wanted}
    path = f"/threads/{thread_id}/stream/events"
    async with http.stream("POST", path, json=body) as response:
        assert response.status_code == 200
        yield _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[JsonObject]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


async def until(
    events: AsyncIterator[JsonObject], ended: Callable[[JsonObject], bool]
) -> list[JsonObject]:
    """Read events up to the one that fulfils a condition."""
    found: list[JsonObject] = []
    async with asyncio.timeout(SECONDS):
        async for event in events:
            found.append(event)
            if ended(event):
                return found
    raise AssertionError(f"the stream ended: {told(found)}")


async def read(
    http: httpx.AsyncClient, thread_id: str, runs: int = 1, **wanted: Any
) -> list[JsonObject]:
    """Read a thread's events up to the end of its n-th run."""
    channels = sorted({*wanted.pop("channels", ALL), "lifecycle"})
    ends = 0

    def ended(event: JsonObject) -> bool:
        nonlocal ends
        ends += is_end(event)
        return ends == runs

    async with subscribed(http, thread_id, channels=channels, **wanted) as events:
        return await until(events, ended)


def is_end(event: JsonObject) -> bool:
    """Tell whether a run has ended with this event."""
    root = event["method"] == "lifecycle" and not event["params"]["namespace"]
    return root and event["params"]["data"]["event"] != "running"


def data_of(events: Iterable[JsonObject], method: str) -> list[Any]:
    """Return what the root graph told by one method."""
    return [
        event["params"]["data"]
        for event in events
        if event["method"] == method and not event["params"]["namespace"]
    ]


def told(events: Iterable[JsonObject]) -> list[str]:
    """Return what the events are called; of lifecycles, what they tell."""
    return [
        f"{event['method']}:{event['params']['data']['event']}"
        if event["method"] == "lifecycle"
        else str(event["method"])
        for event in events
    ]
