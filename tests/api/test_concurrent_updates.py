"""Updates of one thread's state that come at once are all kept, runs in between or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError

from tests.servers import ServerProcess, serving

AT_ONCE = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("updates")) as server:
        yield server


@pytest.mark.requirement("STATE-016")
async def test_updates_that_come_at_once_are_all_kept(server: ServerProcess) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create(metadata={"graph_id": "echo"}))["thread_id"]
        updates = [
            client.threads.update_state(thread, {"log": [str(n)]}, as_node="b")
            for n in range(AT_ONCE)
        ]
        await asyncio.gather(*updates)
        values = (await client.threads.get_state(thread))["values"]
    assert sorted(values["log"], key=int) == [str(n) for n in range(AT_ONCE)]  # type: ignore[call-overload]


@pytest.mark.requirement("STATE-016")
async def test_no_acknowledged_update_is_lost_to_a_run(server: ServerProcess) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create(metadata={"graph_id": "echo"}))["thread_id"]

        async def update(n: int) -> str | None:
            try:
                await client.threads.update_state(thread, {"log": [f"u{n}"]}, as_node="b")
            except ConflictError:
                return None
            return f"u{n}"

        async def run(n: int) -> None:
            await client.runs.wait(thread, "echo", input={"text": str(n)})

        work = [update(n) if n % 2 else run(n) for n in range(AT_ONCE)]
        done = await asyncio.gather(*work)
        log = (await client.threads.get_state(thread))["values"]["log"]  # type: ignore[call-overload]
    kept = {name for name in done if name is not None}
    assert kept <= set(log)
    assert {f"a:{n}" for n in range(0, AT_ONCE, 2)} <= set(log)
