"""Webhooks over HTTP: the log of deliveries; and the addresses that runs and crons name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, get_args

from aiohttp import web

from lgserve.api.auth import permit
from lgserve.api.http import integer, json_response, page_headers, services_of
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import parse_uuid
from lgserve.core.models import Page
from lgserve.core.webhooks import (
    DeliveryStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookFilter,
    shown_url,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.core.models import Scope
    from lgserve.core.principals import Action
    from lgserve.services.run_requests import RunRequest

Row = dict[str, Any]

_MOST = 1000


def routes() -> list[web.RouteDef]:
    """Return the routes of webhooks."""
    one = "/webhooks/{webhook_id}"
    return [
        web.get("/webhooks", search),
        web.get(one, get),
        web.post(f"{one}/redeliver", redeliver),
    ]


async def search(request: web.Request) -> web.Response:
    """List deliveries, newest first."""
    limit = integer(request, "limit", 10, low=1, high=_MOST)
    page = Page(limit=limit, offset=integer(request, "offset", 0, low=0), sort_by="created_at")
    wanted = WebhookFilter(
        run_id=_id_in_query(request, "run"),
        thread_id=_id_in_query(request, "thread"),
        status=_status(request),
    )
    asked: Row = {"metadata": {}, "values": {}, "status": None}
    asked |= {"limit": limit, "offset": page.offset}
    scope = await permit(request, "threads", "search", asked)
    found, total = await services_of(request).webhooks.search(wanted, page, scope)
    rows = [delivery_view(delivery) for delivery in found]
    return json_response(rows, headers=page_headers(page, len(found), total))


async def get(request: web.Request) -> web.Response:
    """Return a delivery with its payload and its tries."""
    webhook_id, scope = await _permit(request, "read")
    delivery, attempts = await services_of(request).webhooks.get(webhook_id, scope)
    return json_response(whole_view(delivery, attempts))


async def redeliver(request: web.Request) -> web.Response:
    """Have a delivery tried again now; its id stays the same."""
    webhook_id, scope = await _permit(request, "update")
    delivery = await services_of(request).webhooks.redeliver(webhook_id, scope)
    return json_response(delivery_view(delivery), 202)


async def admitted(request: web.Request, wanted: RunRequest) -> RunRequest:
    """Return a run whose webhook may be called.

    Raises:
        InvalidRequestError: it may not.
    """
    if wanted.webhook is None:
        return wanted
    return replace(
        wanted, webhook=await services_of(request).webhooks.gate.admitted(wanted.webhook)
    )


async def with_webhook(request: web.Request, payload: Row) -> Row:
    """Return the payload of a cron whose webhook may be called.

    Raises:
        InvalidRequestError: it may not.
    """
    url = payload.get("webhook")
    if url is None:
        return payload
    return {**payload, "webhook": await services_of(request).webhooks.gate.admitted(url)}


def delivery_view(delivery: WebhookDelivery) -> Row:
    """Return how a delivery stands."""
    message = delivery.message
    return {
        "webhook_id": message.webhook_id,
        "kind": message.kind,
        "run_id": message.run_id,
        "thread_id": message.thread_id,
        "url": shown_url(message.url),
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "ended_at": delivery.ended_at,
        "status_code": delivery.status_code,
        "error": delivery.error,
    }


def whole_view(delivery: WebhookDelivery, attempts: Sequence[WebhookAttempt]) -> Row:
    """Return all that is known of a delivery."""
    tries = [
        {
            "number": each.number,
            "began_at": each.began_at,
            "seconds": each.seconds,
            "status_code": each.status_code,
            "error": each.error,
            "response": each.response,
        }
        for each in attempts
    ]
    return {**delivery_view(delivery), "tries": tries, "payload": delivery.message.payload}


async def _permit(request: web.Request, action: Action) -> tuple[str, Scope]:
    """Return the delivery in the path, and the scope in which its thread may be handled so."""
    webhook_id = parse_uuid(request.match_info["webhook_id"])
    if webhook_id is None:
        raise InvalidRequestError("Invalid webhook ID: must be a UUID")
    thread_id = await services_of(request).webhooks.thread_of(webhook_id)
    value = {"thread_id": thread_id, "metadata": {}}
    return webhook_id, await permit(request, "threads", action, value)


def _id_in_query(request: web.Request, noun: str) -> str | None:
    text = request.query.get(f"{noun}_id")
    if text is None:
        return None
    found = parse_uuid(text)
    if found is None:
        raise InvalidRequestError(f"Invalid {noun} ID: must be a UUID")
    return found


def _status(request: web.Request) -> DeliveryStatus | None:
    text = request.query.get("status")
    if text is not None and text not in get_args(DeliveryStatus):
        raise InvalidRequestError(f"Invalid status: one of {', '.join(get_args(DeliveryStatus))}")
    return cast("DeliveryStatus | None", text)
