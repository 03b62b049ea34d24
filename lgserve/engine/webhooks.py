"""Delivers what is in the outbox: again and again if need be, and no receiver holds up another.

Woken by what writes to the outbox and by the clock; the table decides. What was claimed by a
process that died is due again: each message arrives at least once, always with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lgserve.core.clock import to_iso
from lgserve.core.webhooks import WebhookAttempt, WebhookDelivery, retry_delay, shown_url
from lgserve.engine.tasks import TaskSet
from lgserve.engine.webhook_sending import SendResult, WebhookSender
from lgserve.metrics import WEBHOOK_DELIVERIES

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, Storage

_log = logging.getLogger("lgserve")

#: Seconds until the outbox is read again after the database refused.
_RETRY_SECONDS = 1.0
#: The clock may be set; so the outbox is looked at now and then.
_LONGEST_SLEEP = 3600.0
#: Seconds that what is under way gets when the server stops.
_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """How much is delivered at once, and for how long a claim holds."""

    owner: str
    at_once: int = 64
    per_origin: int = 8
    lease_seconds: float = 60.0


class WebhookWorker:
    """See `lgserve.core.ports.WebhookAlarm`; lives on the API's loop."""

    def __init__(
        self,
        *,
        storage: Storage,
        sender: WebhookSender,
        clock: Clock,
        options: DeliveryOptions,
        lot: Callable[[], float] = random.random,
    ) -> None:
        self._storage = storage
        self._sender = sender
        self._clock = clock
        self._options = options
        self._lot = lot
        self._busy: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._dispatching = TaskSet()
        self._sending = TaskSet()

    def webhooks_due(self) -> None:
        """Look at the outbox."""
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the server has stopped; the next one finds it
            _log.debug("a webhook waits for the next start")

    async def start(self, *, alone: bool = True) -> None:
        """Deliver from now on; first what a dead process had begun, unless others live."""
        owner = self._options.owner
        if alone:
            await self._storage.write(lambda tx: tx.webhooks.release_all_except(owner))
        self._sender.open()
        self._dispatching.start(self._dispatch(), "webhooks")

    async def stop(self) -> None:
        """Let go: what is under way is given back."""
        await self._dispatching.stop()
        await self._sending.wait(_GRACE_SECONDS)
        await self._sending.stop()
        await self._sender.close()

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._claim()
                wait = await self._until_due()
            except Exception as exc:  # noqa: BLE001 - the database may refuse in many ways, for a while
                _log.error("webhooks cannot be read: %r", exc)
                wait = _RETRY_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim(self) -> None:
        """Claim what is due and start to send it; all of it in one write, so none is missed."""
        options = self._options
        room = options.at_once - self._busy.total()
        if room <= 0:
            return
        busy, lease = dict(self._busy), timedelta(seconds=options.lease_seconds)
        claimed = await self._storage.write(
            lambda tx: tx.webhooks.claim(options.owner, room, options.per_origin, busy, lease)
        )
        for delivery in claimed:
            self._busy[delivery.message.origin] += 1
            self._sending.start(self._deliver(delivery), f"webhook {delivery.message.webhook_id}")

    async def _until_due(self) -> float:
        """Return for how long nothing becomes due that there is room for, in seconds."""
        if self._busy.total() >= self._options.at_once:
            return _LONGEST_SLEEP  # the end of a try wakes
        full = {o: n for o, n in self._busy.items() if n >= self._options.per_origin}
        due = await self._storage.lookup(lambda tx: tx.webhooks.next_due(full))
        if due is None:
            return _LONGEST_SLEEP
        return min(_LONGEST_SLEEP, max(0.001, (due - self._clock.now()).total_seconds()))

    async def _deliver(self, delivery: WebhookDelivery) -> None:
        """Try once and note what came of it; broken off, it is given back.

        If that cannot be written, it is due again when the claim is over.
        """
        origin = delivery.message.origin
        began, measured_from = self._clock.now(), time.monotonic()
        try:
            result = await self._sent(delivery)
            await self._record(delivery, result, began, time.monotonic() - measured_from)
        except asyncio.CancelledError:
            await self._release(delivery.message.webhook_id)
            raise
        finally:
            self._busy[origin] -= 1
            if self._busy[origin] <= 0:
                del self._busy[origin]
            self._wake.set()

    async def _sent(self, delivery: WebhookDelivery) -> SendResult:
        try:
            return await self._sender.send(delivery)
        except Exception as exc:  # noqa: BLE001 - one message must not end the others, nor be lost
            _log.exception("webhook %s cannot be sent", delivery.message.webhook_id)
            return SendResult(passing=True, error=f"{type(exc).__name__}: {exc}"[:300])

    async def _record(
        self, delivery: WebhookDelivery, result: SendResult, began: datetime, seconds: float
    ) -> None:
        again_at = self._again_at(delivery, result)
        attempt = WebhookAttempt(
            number=delivery.attempts,
            began_at=to_iso(began),
            seconds=round(seconds, 6),
            status_code=result.status_code,
            error=result.error,
            response=result.response,
        )
        await self._storage.write(
            lambda tx: tx.webhooks.record(
                delivery.message.webhook_id,
                self._options.owner,
                attempt,
                delivered=result.delivered,
                again_at=again_at,
            )
        )
        _tell(delivery, result, again_at)

    def _again_at(self, delivery: WebhookDelivery, result: SendResult) -> str | None:
        """Return when to try again; None: never."""
        if result.delivered or not result.passing:
            return None
        wait = max(retry_delay(delivery.tries, self._lot()), result.retry_after_seconds or 0.0)
        moment = to_iso(self._clock.now() + timedelta(seconds=wait))
        return moment if moment <= delivery.retry_until else None

    async def _release(self, webhook_id: str) -> None:
        owner = self._options.owner
        await asyncio.shield(
            asyncio.ensure_future(
                self._storage.write(lambda tx: tx.webhooks.release(webhook_id, owner))
            )
        )


def _tell(delivery: WebhookDelivery, result: SendResult, again_at: str | None) -> None:
    """Count a try, and say so if there will be no other and it came to nothing."""
    outcome = "delivered" if result.delivered else "retried" if again_at else "failed"
    WEBHOOK_DELIVERIES.labels(outcome).inc()
    if outcome == "failed":
        _log.warning(
            "webhook %s of run %s was not delivered to %s: %s",
            delivery.message.webhook_id,
            delivery.message.run_id,
            shown_url(delivery.message.url),
            result.error,
        )
