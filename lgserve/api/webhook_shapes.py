"""What answers about webhooks look like; see `lgserve.api.shapes`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from lgserve.api.shapes import Object
from lgserve.core.webhooks import DeliveryStatus


class WebhookDelivery(TypedDict):
    """What a run told an address, and how its delivery stands."""

    webhook_id: UUID
    kind: str
    run_id: UUID
    thread_id: UUID
    url: str
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    status_code: int | None
    error: str | None


class WebhookTry(TypedDict):
    """One try: what the receiver answered, or why it did not."""

    number: int
    began_at: datetime
    seconds: float
    status_code: int | None
    error: str | None
    response: str | None


class WebhookDeliveryDetails(WebhookDelivery):
    """A delivery with its tries and what is delivered."""

    tries: list[WebhookTry]
    payload: Object
