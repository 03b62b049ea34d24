"""Fixtures of the conformance tests: each runs on every backend."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver

from tests.conformance.storage.backends import BACKENDS, Backend, Backends


@pytest.fixture(params=sorted(BACKENDS))
def open_backend(request: pytest.FixtureRequest) -> Backends:
    return BACKENDS[request.param]


@pytest.fixture
async def backend(open_backend: Backends) -> AsyncIterator[Backend]:
    async with open_backend() as opened:
        yield opened


@pytest.fixture
def saver(backend: Backend) -> BaseCheckpointSaver[Any]:
    return backend.saver
