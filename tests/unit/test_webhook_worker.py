"""The worker on a test's clock: an hour of trouble takes no hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lgserve.core.clock import to_iso
from lgserve.core.ids import new_id
from lgserve.core.models import EVERYTHING, Json
from lgserve.core.webhooks import WebhookDelivery, WebhookMessage, WebhookPolicy
from lgserve.engine.janitor import Janitor
from lgserve.engine.webhook_sending import SendOptions, WebhookSender
from lgserve.engine.webhooks import DeliveryOptions, WebhookWorker
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage
from tests.clocks import ManualClock
from tests.receivers import Receiver, receiver

LOOSE = WebhookPolicy(allow_loopback=True)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
async def storage(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStorage]:
    database = SqliteDatabase(tmp_path)
    database.open()
    yield SqliteStorage(database, clock, timedelta(seconds=30))
    database.close()


def message(url: str, **more: Any) -> WebhookMessage:
    return WebhookMessage(
        webhook_id=new_id(),
        run_id=new_id(),
        thread_id=new_id(),
        metadata=Json(b"{}"),
        url=url,
        origin=url,
        payload=Json(b'{"a":1}'),
        **more,
    )


def worker_of(storage: SqliteStorage, clock: ManualClock, **options: Any) -> WebhookWorker:
    worker = WebhookWorker(
        storage=storage,
        sender=WebhookSender(SendOptions(policy=LOOSE), clock),
        clock=clock,
        options=DeliveryOptions(owner=new_id(), **options),
        lot=lambda: 0.5,
    )
    storage.webhook_written = worker.webhooks_due
    return worker


async def stands(storage: SqliteStorage, webhook_id: str) -> WebhookDelivery:
    found = await storage.read(lambda tx: tx.webhooks.find(webhook_id, EVERYTHING))
    assert found is not None
    return found


async def until_tried(storage: SqliteStorage, webhook_id: str, tries: int) -> WebhookDelivery:
    async with asyncio.timeout(20):
        while True:
            found, noted = await storage.read(
                lambda tx: (
                    tx.webhooks.find(webhook_id, EVERYTHING),
                    tx.webhooks.attempts(webhook_id),
                )
            )
            if found is not None and noted and noted[-1].number >= tries:
                return found
            await asyncio.sleep(0.005)


@pytest.fixture
def hook() -> Any:
    with receiver() as found:
        yield found


async def test_it_arrives_once_the_receiver_recovers_from_an_hour_of_503(
    storage: SqliteStorage, clock: ManualClock, hook: Receiver
) -> None:
    hook.statuses = [503]
    sent = message(hook.url)
    worker = worker_of(storage, clock)
    await worker.start()
    await storage.write(lambda tx: tx.webhooks.add(sent))
    began, tries = clock.moment, 0
    while True:
        tries += 1
        found = await until_tried(storage, sent.webhook_id, tries)
        if found.status != "pending":
            break
        assert found.next_attempt_at is not None
        clock.moment = datetime.fromisoformat(found.next_attempt_at)
        if clock.moment - began > timedelta(hours=1):
            hook.statuses = [200]
        worker.webhooks_due()
    await worker.stop()

    assert found.status == "delivered"
    assert clock.moment - began < timedelta(hours=1, minutes=15)
    assert len(hook.received) == found.attempts
    assert 12 <= found.attempts <= 16
    assert {came.id for came in hook.received} == {sent.webhook_id}


async def test_it_is_given_up_after_a_day_and_can_be_asked_for_again(
    storage: SqliteStorage, clock: ManualClock, hook: Receiver
) -> None:
    hook.statuses = [500]
    sent = message(hook.url)
    worker = worker_of(storage, clock)
    await worker.start()
    await storage.write(lambda tx: tx.webhooks.add(sent))
    found = await until_tried(storage, sent.webhook_id, 1)
    clock.moment += timedelta(hours=23, minutes=59, seconds=59)
    worker.webhooks_due()
    found = await until_tried(storage, sent.webhook_id, 2)
    assert (found.status, found.next_attempt_at) == ("failed", None)

    hook.statuses = [200]
    clock.moment += timedelta(days=1)
    await storage.write(lambda tx: tx.webhooks.redeliver(sent.webhook_id))
    found = await until_tried(storage, sent.webhook_id, 3)
    await worker.stop()
    assert (found.status, found.attempts, found.tries) == ("delivered", 3, 1)


async def test_what_a_dead_process_had_claimed_is_sent_by_the_next(
    storage: SqliteStorage, clock: ManualClock, hook: Receiver
) -> None:
    sent = message(hook.url)
    await storage.write(lambda tx: tx.webhooks.add(sent))
    lease = timedelta(minutes=1)
    claimed = await storage.write(lambda tx: tx.webhooks.claim("dead", 9, 9, {}, lease))
    assert [each.message for each in claimed] == [sent]
    assert await storage.write(lambda tx: tx.webhooks.claim("other", 9, 9, {}, lease)) == []

    worker = worker_of(storage, clock)
    await worker.start()
    found = await until_tried(storage, sent.webhook_id, 2)
    await worker.stop()
    assert found.status == "delivered"


async def test_a_claim_whose_lease_is_over_is_due_again_and_its_owner_notes_nothing_more(
    storage: SqliteStorage, clock: ManualClock
) -> None:
    sent = message("http://a")
    await storage.write(lambda tx: tx.webhooks.add(sent))
    lease = timedelta(minutes=1)
    await storage.write(lambda tx: tx.webhooks.claim("slow", 9, 9, {}, lease))
    clock.moment += lease
    again = await storage.write(lambda tx: tx.webhooks.claim("quick", 9, 9, {}, lease))
    assert [each.attempts for each in again] == [2]
    await storage.write(lambda tx: tx.webhooks.release(sent.webhook_id, "slow"))
    assert await storage.write(lambda tx: tx.webhooks.claim("slow", 9, 9, {}, lease)) == []


async def test_origins_take_turns(storage: SqliteStorage, clock: ManualClock) -> None:
    def fill(tx: Any) -> None:
        for _ in range(50):
            tx.webhooks.add(message("http://dead"))
        tx.webhooks.add(message("http://a"))
        tx.webhooks.add(message("http://b"))

    await storage.write(fill)
    lease = timedelta(minutes=1)
    claimed = await storage.write(lambda tx: tx.webhooks.claim("me", 64, 4, {}, lease))
    origins = [each.message.origin for each in claimed]
    assert sorted(origins) == ["http://a", "http://b", *["http://dead"] * 4]
    full = {"http://dead": 4}
    assert await storage.write(lambda tx: tx.webhooks.claim("me", 64, 4, full, lease)) == []
    due = await storage.read(lambda tx: tx.webhooks.next_due(full))
    assert due == clock.moment + lease
    assert await storage.read(lambda tx: tx.webhooks.next_due({})) == clock.moment


async def test_a_stop_gives_back_what_is_under_way(
    storage: SqliteStorage, clock: ManualClock, hook: Receiver
) -> None:
    import threading

    answer = threading.Event()
    hook.before = lambda: answer.wait(10)
    sent = message(hook.url)
    worker = worker_of(storage, clock)
    await worker.start()
    await storage.write(lambda tx: tx.webhooks.add(sent))
    await asyncio.to_thread(hook.wait_for, 1)
    await worker.stop()
    answer.set()
    found = await stands(storage, sent.webhook_id)
    assert (found.status, found.next_attempt_at) == ("pending", to_iso(clock.moment))


async def test_messages_of_other_kinds_are_sent_as_they_are_with_headers_of_their_own(
    storage: SqliteStorage, clock: ManualClock, hook: Receiver
) -> None:
    sent = message(hook.url, kind="push", headers={"X-Token": "t"})
    worker = worker_of(storage, clock)
    await worker.start()
    await storage.write(lambda tx: tx.webhooks.add(sent))
    await until_tried(storage, sent.webhook_id, 1)
    await worker.stop()
    assert (hook.received[0].body, hook.received[0].headers["x-token"]) == (b'{"a":1}', "t")


async def test_the_log_is_swept_of_what_ended_long_ago(
    storage: SqliteStorage, clock: ManualClock, hook: Receiver
) -> None:
    old, waiting = message(hook.url), message("http://127.0.0.1:9")
    worker = worker_of(storage, clock)
    await worker.start()
    await storage.write(lambda tx: tx.webhooks.add(old))
    await until_tried(storage, old.webhook_id, 1)
    await worker.stop()
    await storage.write(lambda tx: tx.webhooks.add(waiting))
    clock.moment += timedelta(days=8)
    nothing: Any = None
    janitor = Janitor(storage, nothing, clock, 1.0, threads=nothing, thread_interval_seconds=1.0)
    await janitor.sweep_webhooks()
    assert await storage.read(lambda tx: tx.webhooks.find(old.webhook_id, EVERYTHING)) is None
    assert (await stands(storage, waiting.webhook_id)).status == "pending"
