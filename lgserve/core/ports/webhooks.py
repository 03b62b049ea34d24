"""The outbox of webhooks, and who hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from lgserve.core.models import Page, Run, Scope, Settlement
from lgserve.core.webhooks import WebhookAttempt, WebhookDelivery, WebhookFilter, WebhookMessage


class Webhooks(Protocol):
    """The outbox: what is to be delivered, and what became of it.

    What is claimed and not recorded is due again when its lease is over: its owner died.
    """

    def run_ended(self, run: Run, end: Settlement) -> None:
        """Add what the run's webhook is to be told, if it has one."""
        ...

    def add(self, message: WebhookMessage) -> None:
        """Add what is to be delivered, from now on."""
        ...

    def find(self, webhook_id: str, scope: Scope) -> WebhookDelivery | None:
        """Return the delivery, or None if there is none in the scope."""
        ...

    def search(self, wanted: WebhookFilter, page: Page, scope: Scope) -> list[WebhookDelivery]:
        """Return a page of matching deliveries by their creation; their payloads are `{}`."""
        ...

    def count(self, wanted: WebhookFilter, scope: Scope) -> int:
        """Return how many match."""
        ...

    def attempts(self, webhook_id: str) -> list[WebhookAttempt]:
        """Return the latest tries of a delivery, oldest first."""
        ...

    def claim(
        self, owner: str, limit: int, per_origin: int, busy: Mapping[str, int], lease: timedelta
    ) -> list[WebhookDelivery]:
        """Claim what is due, `limit` in all; of an origin `per_origin`, what is `busy` included.

        Claiming counts a try. Origins take turns: the one whose oldest waits longest is first.
        """
        ...

    def next_due(self, without: Mapping[str, int]) -> datetime | None:
        """Return when something is due next, of other origins than these; None: nothing is."""
        ...

    def release(self, webhook_id: str, owner: str) -> None:
        """Give back what was claimed and not tried to its end; it is due at once."""
        ...

    def release_all_except(self, owner: str) -> int:
        """Give back what others than `owner` have claimed; return how much."""
        ...

    def record(
        self,
        webhook_id: str,
        owner: str,
        attempt: WebhookAttempt,
        *,
        delivered: bool,
        again_at: str | None,
    ) -> None:
        """Note how a try of `owner` went: delivered, to be tried again, or given up."""
        ...

    def redeliver(self, webhook_id: str) -> None:
        """Have it tried now, and for as long as a new one; one that is under way goes on."""
        ...

    def delete_before(self, moment: str) -> int:
        """Remove deliveries that ended before the moment; return how many."""
        ...


class WebhookAlarm(Protocol):
    """What delivers webhooks from this process."""

    def webhooks_due(self) -> None:
        """Hear that something may be due: it only hurries, the table decides; from any thread."""
        ...
