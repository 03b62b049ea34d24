"""Fixtures of the conformance tests: each runs on every backend."""

from collections.abc import AsyncIterator

import pytest

from lgserve.core.ports import Storage
from tests.clocks import ManualClock
from tests.conformance.storages import STORAGES, OpenTables, Tables


@pytest.fixture(scope="session", params=sorted(STORAGES))
def open_tables(request: pytest.FixtureRequest) -> OpenTables:
    return STORAGES[request.param]


@pytest.fixture
async def tables(open_tables: OpenTables) -> AsyncIterator[Tables]:
    async with open_tables(ManualClock()) as opened:
        yield opened


@pytest.fixture
def storage(tables: Tables) -> Storage:
    return tables.storage
