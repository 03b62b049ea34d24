"""Webhooks, wired: the gate for addresses, the log of deliveries, and what delivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgserve.engine.webhook_sending import SendOptions, WebhookSender
from lgserve.engine.webhooks import DeliveryOptions, WebhookWorker
from lgserve.services.webhooks import WebhookGate, WebhookService

if TYPE_CHECKING:
    from lgserve.core.ports import Clock
    from lgserve.storage.sqlite import SqliteStorage
    from lgserve.webhook_settings import WebhookSettings

#: Beyond the time a receiver may take: a process that is silent for so long is dead.
_LEASE_MARGIN_SECONDS = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookParts:
    """The parts; `worker` delivers once it is started."""

    service: WebhookService
    worker: WebhookWorker


def wire_webhooks(
    settings: WebhookSettings,
    storage: SqliteStorage,
    clock: Clock,
    *,
    owner: str,
    own_url: str,
    enabled: bool,
) -> WebhookParts:
    """Give each part what it needs; nothing starts here."""
    options = SendOptions(
        policy=settings.policy,
        headers=settings.headers,
        allowed_fields=settings.allowed_fields,
        secrets=settings.secrets,
        timeout_seconds=settings.timeout_seconds,
    )
    lease = settings.timeout_seconds + _LEASE_MARGIN_SECONDS
    worker = WebhookWorker(
        storage=storage,
        sender=WebhookSender(options, clock),
        clock=clock,
        options=DeliveryOptions(owner=owner, lease_seconds=lease),
    )
    storage.webhook_written = worker.webhooks_due
    gate = WebhookGate(policy=settings.policy, enabled=enabled, own_url=own_url)
    return WebhookParts(
        service=WebhookService(storage=storage, gate=gate, alarm=worker), worker=worker
    )
