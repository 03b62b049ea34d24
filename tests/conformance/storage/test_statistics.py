"""Figures of a storage: as many as there are, whatever happened, and without a scan."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lgserve.core.clock import to_iso
from lgserve.core.models import Totals, Waiting
from lgserve.core.ports import Transaction
from tests.conformance.rows import assistant_at
from tests.conformance.storages import Tables


async def totals(tables: Tables) -> Totals:
    return await tables.storage.lookup(lambda tx: tx.statistics.totals())


async def waiting(tables: Tables) -> Waiting:
    return await tables.storage.read(lambda tx: tx.statistics.waiting())


async def test_an_empty_storage_names_every_status_with_nothing(tables: Tables) -> None:
    found = await totals(tables)

    assert found.assistants == 0
    assert found.threads == dict.fromkeys(("idle", "busy", "interrupted", "error"), 0)
    statuses = ("pending", "running", "success", "error", "timeout", "interrupted")
    assert found.runs == dict.fromkeys(statuses, 0)
    assert await waiting(tables) == Waiting()
    assert tables.storage.size() > 0


async def test_totals_follow_what_comes_changes_and_goes(tables: Tables) -> None:
    assistant = assistant_at(tables.clock.advance())
    await tables.storage.write(lambda tx: tx.assistants.insert(assistant))
    thread_id = await tables.thread()
    await tables.thread()
    await tables.run(thread_id)
    found = await totals(tables)
    assert (found.assistants, found.threads["idle"], found.threads["busy"]) == (1, 1, 1)
    assert (found.runs["pending"], found.runs["running"]) == (1, 0)

    await tables.claim()
    found = await totals(tables)
    assert (found.runs["pending"], found.runs["running"]) == (0, 1)

    await tables.storage.write(lambda tx: tx.threads.delete(thread_id))
    found = await totals(tables)
    assert (sum(found.threads.values()), sum(found.runs.values())) == (1, 0)


async def test_a_transaction_that_fails_counts_nothing(tables: Tables) -> None:
    assistant = assistant_at(tables.clock.advance())

    def work(tx: Transaction) -> None:
        tx.assistants.insert(assistant)
        raise LookupError

    with pytest.raises(LookupError):
        await tables.storage.write(work)
    assert (await totals(tables)).assistants == 0


async def test_runs_that_are_due_wait_and_blocked_ones_are_told_apart(tables: Tables) -> None:
    busy, free = await tables.thread(), await tables.thread()
    await tables.run(busy)
    await tables.claim()
    await tables.run(busy)
    tables.clock.advance(timedelta(seconds=10))
    await tables.run(free)
    later = to_iso(tables.clock.now() + timedelta(hours=1))
    await tables.run(free, due_at=later)
    tables.clock.advance(timedelta(seconds=5))
    found = await waiting(tables)

    assert found.longest is not None
    assert found.longest_unblocked is not None
    assert round(found.longest) == 15
    assert round(found.longest_unblocked) == 5
    assert found.median in (found.longest, found.longest_unblocked)
