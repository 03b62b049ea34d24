"""The steps most tests of runs' logs are made of."""

from __future__ import annotations

import asyncio

import pytest

from lgserve.core.models import EMPTY_OBJECT, Run, RunResult
from lgserve.core.ports import Follower, RunLog, RunStreams
from tests.conformance.rows import frame
from tests.conformance.storages import Tables

RESULT = RunResult(body=EMPTY_OBJECT, status="success")
BOTH = pytest.mark.parametrize("resumable", [False, True])


async def running(tables: Tables, *, resumable: bool) -> Run:
    return await tables.run(await tables.thread(), "me", resumable=resumable)


def append(log: RunLog, first: int, last: int) -> None:
    for n in range(first, last + 1):
        log.append("custom", frame(n))


async def end(tables: Tables, streams: RunStreams, run: Run) -> None:
    """End a run as the engine does: the row first, then its log."""
    await tables.finish(run)
    await streams.close(run.run_id, RESULT)


async def read(follower: Follower, most: int | None = None) -> list[int]:
    """Read to the end, or until there are `most` events; check that they are what was appended."""
    found: list[int] = []
    async with asyncio.timeout(10):
        async for batch in follower:
            assert all(event.name == "custom" for event in batch)
            assert [event.frame for event in batch] == [frame(event.seq) for event in batch]
            found += [event.seq for event in batch]
            if most is not None and len(found) >= most:
                break
    return found


def upto(last: int, first: int = 1) -> list[int]:
    return list(range(first, last + 1))
