"""The steps most tests with `langgraph_sdk` are made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError
from langgraph_sdk.schema import StreamPart

JsonObject = dict[str, Any]
SECONDS = 20


async def thread_of(client: LangGraphClient, graph_id: str | None = None) -> str:
    """Create a thread and return its id."""
    return (await client.threads.create(graph_id=graph_id))["thread_id"]


async def wait(
    client: LangGraphClient, thread_id: str | None, graph: str, **body: Any
) -> JsonObject:
    """Run a graph and return its values."""
    async with asyncio.timeout(SECONDS):
        values: Any = await client.runs.wait(thread_id, graph, **body)
    return cast(JsonObject, values)


async def thread_now(client: LangGraphClient, thread_id: str) -> JsonObject:
    return cast(JsonObject, await client.threads.get(thread_id))


async def state_of(client: LangGraphClient, thread_id: str, **options: Any) -> JsonObject:
    return cast(JsonObject, await client.threads.get_state(thread_id, **options))


async def history_of(client: LangGraphClient, thread_id: str) -> list[JsonObject]:
    return cast(list[JsonObject], await client.threads.get_history(thread_id, limit=100))


async def status_of(client: LangGraphClient, thread_id: str, run_id: str) -> str | None:
    """Return a run's status; None if there is no such run."""
    try:
        return (await client.runs.get(thread_id, run_id))["status"]
    except NotFoundError:
        return None


async def all_of(stream: AsyncIterator[Any]) -> list[Any]:
    """Read a stream to its end."""
    async with asyncio.timeout(SECONDS):
        return [part async for part in stream]


async def first_parts(stream: AsyncIterator[StreamPart], most: int) -> list[StreamPart]:
    """Read some parts of a stream, then leave."""
    found: list[StreamPart] = []
    async with (
        asyncio.timeout(SECONDS),
        aclosing(cast(AsyncGenerator[StreamPart], stream)) as parts,
    ):
        async for part in parts:
            found.append(part)
            if len(found) == most:
                break
    return found


async def start_long_run(client: LangGraphClient, thread_id: str, seconds: float = 300) -> str:
    """Start a run of `slow` that will not end by itself; return once its first step is done."""
    stream = client.runs.stream(thread_id, "slow", input={"seconds": seconds}, stream_mode="custom")
    metadata, tick = await first_parts(stream, 2)
    assert (metadata.event, tick.event) == ("metadata", "custom")
    return str(metadata.data["run_id"])


def names(parts: list[StreamPart]) -> list[str]:
    return [part.event for part in parts]


def told(parts: list[StreamPart]) -> list[tuple[str, Any]]:
    return [(part.event, part.data) for part in parts]
