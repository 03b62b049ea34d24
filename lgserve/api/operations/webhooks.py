"""Operations on webhooks."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api import webhook_shapes as s
from lgserve.api.operations.table import (
    JSON,
    PAGE_HEADERS,
    Answer,
    Operation,
    Route,
    json_answer,
)

_ONE = "/webhooks/{webhook_id}"
OPERATIONS: Mapping[Route, Operation] = {
    ("GET", "/webhooks"): Operation(
        name="list_webhook_deliveries", summary="List Webhook Deliveries", tag="Webhooks",
        parameters=(
            "webhook_limit", "offset", "webhook_run", "webhook_thread", "webhook_status",
        ),
        answers=json_answer(
            list[s.WebhookDelivery], "A page of deliveries, newest first.", *PAGE_HEADERS
        ),
        errors=(422,),
    ),
    ("GET", _ONE): Operation(
        name="get_webhook_delivery", summary="Get Webhook Delivery", tag="Webhooks",
        answers=json_answer(
            s.WebhookDeliveryDetails, "The delivery, with its payload and its tries."
        ),
        errors=(404, 422),
    ),
    ("POST", f"{_ONE}/redeliver"): Operation(
        name="redeliver_webhook", summary="Redeliver Webhook", tag="Webhooks",
        answers={
            202: Answer(
                about="The delivery, which is tried again now with the same id.",
                shape=s.WebhookDelivery, media=(JSON,),
            )
        },
        errors=(404, 422),
    ),
}  # fmt: skip
