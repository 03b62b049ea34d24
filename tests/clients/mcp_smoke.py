"""What a client of the `mcp` package does, 1.x or 2.x: run as `python mcp_smoke.py URL`."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from typing import Any

VALUES = {"text": "a", "count": 1, "log": ["a"]}


def _structured(result: Any) -> Any:
    return getattr(result, "structured_content", None) or getattr(result, "structuredContent", None)


def _failed(result: Any) -> bool:
    return bool(getattr(result, "is_error", None) or getattr(result, "isError", None))


async def check_tools(client: Any) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert {"typed", "chatty", "upper"} <= names, names
    assert _structured(await client.call_tool("typed", {"text": "a"})) == VALUES
    chatted = await client.call_tool("chatty", {"messages": "you", "topic": "t"})
    assert _structured(chatted)["messages"][-1]["content"] == "t: you"
    # Clients check results against the schema that the tool announces.
    for name in ("asking", "magic", "upper"):
        arguments = {"input": "abc"} if name == "upper" else {}
        assert not _failed(await client.call_tool(name, arguments)), name
    for name in ("lying", "secret", "test_error_handling"):
        assert _failed(await client.call_tool(name, {})), name
    seen: list[Any] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    await client.call_tool("test_tool_with_progress", {}, progress_callback=heard)
    assert seen == [(n, 100, f"{n} of 100") for n in (0, 50, 100)], seen


async def first_major(url: str) -> None:
    from mcp import ClientSession  # type: ignore[import-not-found]
    from mcp.client.streamable_http import (  # type: ignore[import-not-found]
        streamablehttp_client,
    )

    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as client:
        assert (await client.initialize()).protocolVersion == "2025-11-25"
        await client.send_ping()
        await check_tools(client)
    print("ok: 2025-11-25")


async def second_major(url: str) -> None:
    from mcp import Client, types

    for mode, spoken in (("auto", "2026-07-28"), ("legacy", "2025-11-25")):
        async with Client(url, mode=mode) as client:
            assert client.protocol_version == spoken, client.protocol_version
            await check_tools(client)
        print(f"ok: {spoken}")
    answers = [{"answer": "Ann"}, {"age": 7}]

    async def ask(_: Any, __: Any) -> Any:
        return types.ElicitResult(action="accept", content=answers.pop(0))

    async with Client(url, elicitation_callback=ask) as client:
        found = await client.call_tool("asking", {})
    assert _structured(found) == {"answer": "Ann", "second": "7"}
    print("ok: a user is asked")


if __name__ == "__main__":
    main = first_major if version("mcp").startswith("1.") else second_major
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
