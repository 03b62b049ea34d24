"""Fixtures of the brokers' conformance tests: each runs on every broker and every storage."""

from collections.abc import AsyncIterator

import pytest

from lgserve.core.ports import RunStreams
from tests.conformance.brokers.backends import BROKERS, OpenStreams
from tests.conformance.storages import Tables


@pytest.fixture(params=sorted(BROKERS))
async def open_streams(
    request: pytest.FixtureRequest, tables: Tables
) -> AsyncIterator[OpenStreams]:
    """What makes the streams of one more process, as it were, over the same storage."""
    async with BROKERS[request.param](tables) as open_one:
        yield open_one


@pytest.fixture
async def streams(open_streams: OpenStreams) -> RunStreams:
    return open_streams()
