"""Webhooks: whether an address may be called, and the log of what was delivered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from lgserve.core.errors import InvalidRequestError, NotFoundError
from lgserve.core.models import EVERYTHING, Page, Scope
from lgserve.core.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookFilter,
    WebhookPolicy,
    check_url,
    forbidden_reason,
    literal_address,
)

if TYPE_CHECKING:
    from lgserve.core.ports import Storage, Transaction, WebhookAlarm

#: Seconds the name of a receiver may take to be looked up.
_LOOKUP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookGate:
    """Decides which addresses may be called."""

    policy: WebhookPolicy = field(default_factory=WebhookPolicy)
    enabled: bool = True
    #: Where a path alone leads, if it is allowed.
    own_url: str = ""

    async def admitted(self, url: str) -> str:
        """Return an address that may be called, whole.

        Raises:
            InvalidRequestError: it is none, or must not be called.
        """
        if not self.enabled:
            raise InvalidRequestError("webhook: webhooks are disabled on this server")
        if self.policy.allow_relative and url.startswith("/") and not url.startswith("//"):
            url = urljoin(self.own_url, url)
        target = check_url(url, self.policy)
        if literal_address(target.host) is None:
            await self._check_addresses(target.host, target.port)
        return url

    async def _check_addresses(self, host: str, port: int) -> None:
        """Refuse a name that leads, also, to where nothing may be called."""
        for address in await _addresses(host, port):
            if reason := forbidden_reason(address, self.policy):
                raise InvalidRequestError(f"Webhook host blocked: {reason}")


async def _addresses(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        found = []
    if not found:
        raise InvalidRequestError("Webhook host blocked: DNS resolution failed")
    return [str(each[4][0]) for each in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookService:
    """The operations on deliveries."""

    storage: Storage
    gate: WebhookGate
    alarm: WebhookAlarm

    async def thread_of(self, webhook_id: str) -> str:
        """Return the thread that a delivery is about, to ask who may see it."""
        found = await self.storage.lookup(lambda tx: tx.webhooks.find(webhook_id, EVERYTHING))
        if found is None:
            raise _not_found(webhook_id)
        return found.message.thread_id

    async def get(
        self, webhook_id: str, scope: Scope
    ) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]]:
        """Return a delivery and its tries."""

        def work(tx: Transaction) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]]:
            found = tx.webhooks.find(webhook_id, scope)
            if found is None:
                raise _not_found(webhook_id)
            return found, tx.webhooks.attempts(webhook_id)

        return await self.storage.read(work)

    async def search(
        self, wanted: WebhookFilter, page: Page, scope: Scope
    ) -> tuple[list[WebhookDelivery], int]:
        """Return a page of deliveries, and how many there are in all."""
        return await self.storage.read(
            lambda tx: (
                tx.webhooks.search(wanted, page, scope),
                tx.webhooks.count(wanted, scope),
            )
        )

    async def redeliver(self, webhook_id: str, scope: Scope) -> WebhookDelivery:
        """Have a delivery tried again now, whatever became of it; its id stays the same."""

        def work(tx: Transaction) -> WebhookDelivery:
            if tx.webhooks.find(webhook_id, scope) is None:
                raise _not_found(webhook_id)
            tx.webhooks.redeliver(webhook_id)
            found = tx.webhooks.find(webhook_id, scope)
            if found is None:
                raise _not_found(webhook_id)
            return found

        delivery = await self.storage.write(work)
        self.alarm.webhooks_due()
        return delivery


def _not_found(webhook_id: str) -> NotFoundError:
    return NotFoundError(f"Webhook delivery with ID {webhook_id} not found")
