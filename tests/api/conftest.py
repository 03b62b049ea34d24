"""One server for all tests of the API: in a thread of its own, on a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from lgserve.server import Server
from lgserve.settings import ServerFlags, load_settings
from tests.servers import project

_SECONDS = 30


@contextmanager
def served(
    folder: Path,
    name: str = "samples",
    config: Mapping[str, Any] | None = None,
    data: str = ":memory:",
) -> Iterator[str]:
    """Serve a project of the tests, from memory if no folder is named; yields the address.

    `config` is added to the project's.
    """
    file = project(folder, name)
    file.write_text(json.dumps({**json.loads(file.read_text()), **(config or {})}))
    flags = ServerFlags(config=file, data=data, grace_seconds=0)
    listener = socket.create_server(("127.0.0.1", 0))
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def serve() -> None:
        stop = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), stop))
        async with Server(load_settings(flags, folder), listener).started():
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="test-server")
    thread.start()
    try:
        assert ready.wait(_SECONDS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for loop, stop in stopping:
            loop.call_soon_threadsafe(stop.set)
        thread.join(_SECONDS)
        listener.close()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the sample graphs."""
    with served(tmp_path_factory.mktemp("samples")) as url:
        yield url


@pytest.fixture(scope="session")
def http(server_url: str) -> Iterator[httpx.Client]:
    """Raw HTTP to the server of the sample graphs."""
    with httpx.Client(base_url=server_url, timeout=_SECONDS) as client:
        yield client


@pytest.fixture
async def client(server_url: str) -> AsyncIterator[LangGraphClient]:
    """The SDK's client of the server of the sample graphs."""
    async with get_client(url=server_url) as client:
        yield client
