"""A server of the graphs that tests of protocol v2 run, for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import served
from tests.api.protocol_tools import SECONDS


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("protocol"), "protocol") as url:
        yield url


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as http:
        yield http


@pytest.fixture
def thread_id() -> str:
    return str(uuid4())
