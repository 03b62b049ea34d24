"""Crons over HTTP. The assistant of a cron is named by its id or by that of its graph."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lgserve.api.auth import permit
from lgserve.api.cron_bodies import CronCountBody, CronCreate, CronPatch, CronSearchBody
from lgserve.api.http import (
    checked,
    decode,
    integer,
    json_response,
    page_headers,
    read_body,
    read_raw,
    services_of,
    user_of,
    uuid_of,
)
from lgserve.api.idempotency import REPLAYED, once_of
from lgserve.api.views import run_view, shown
from lgserve.api.webhooks import with_webhook
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import new_id, parse_uuid
from lgserve.core.models import Cron, CronFilter, CronFiring, Page, Run, Scope
from lgserve.services.crons import CronScopes, NewCron
from lgserve.services.idempotency import AnsweredBeforeError
from lgserve.services.runs import as_pending

if TYPE_CHECKING:
    from lgserve.core.principals import Action

Row = dict[str, Any]

_MOST_FIRINGS = 1000
_MADE_AT = ("/runs/crons", "/threads/{thread_id}/runs/crons")
#: What auth handlers see of a change, besides its payload.
_CHANGES = ("schedule", "end_time", "enabled", "on_run_completed")


def routes() -> list[web.RouteDef]:
    """Return the routes of crons."""
    one = "/runs/crons/{cron_id}"
    return [
        *(web.post(path, create) for path in _MADE_AT),
        web.post("/runs/crons/search", search),
        web.post("/runs/crons/count", count),
        web.get(one, get),
        web.patch(one, update),
        web.delete(one, delete),
        web.get(f"{one}/firings", firings),
        web.post(f"{one}/trigger", trigger),
    ]


def absent_routes() -> list[web.RouteDef]:
    """Return what stands where crons are made, on a server without them."""
    return [web.route("*", path, absent) for path in _MADE_AT]


async def absent(_: web.Request) -> web.Response:
    """Answer as if there were no such route."""
    raise web.HTTPNotFound


async def create(request: web.Request) -> web.Response:
    """Create a cron, on a thread or with a new thread for each of its runs."""
    thread_id = uuid_of(request, "thread") if "thread_id" in request.match_info else None
    payload = await with_webhook(request, await _read_given(request, CronCreate))
    user = user_of(request)
    value: Row = {
        "payload": payload,
        "schedule": payload["schedule"],
        "cron_id": new_id(),
        "thread_id": thread_id,
        "user_id": "" if user is None else user.identity,
        "end_time": payload.get("end_time"),
        "metadata": dict(payload.get("metadata") or {}),
    }
    scope = await permit(request, "crons", "create", value)
    wanted = NewCron(
        cron_id=str(value["cron_id"]),
        thread_id=thread_id,
        payload=value["payload"],
        metadata=value["metadata"],
        schedule=value["schedule"],
        end_time=value["end_time"],
        user=user,
    )
    scopes = await _scopes(request, scope, thread_id, payload["assistant_id"])
    once = await once_of(request, cron_view)
    return json_response(cron_view(await services_of(request).crons.create(wanted, scopes, once)))


async def get(request: web.Request) -> web.Response:
    """Return a cron."""
    cron_id, scope = await _permit_one(request, "read")
    return json_response(cron_view(await services_of(request).crons.get(cron_id, scope)))


async def update(request: web.Request) -> web.Response:
    """Change a cron."""
    cron_id = _cron_id(request)
    patch = await with_webhook(request, await _read_given(request, CronPatch))
    value: Row = {"cron_id": cron_id, "payload": patch}
    value |= {name: patch.get(name) for name in _CHANGES}
    scope = await permit(request, "crons", "update", value)
    changed = {name: value[name] for name in _CHANGES if name in patch or value[name] is not None}
    scopes = await _scopes(request, scope, None, patch.get("assistant_id"))
    cron = await services_of(request).crons.update(cron_id, {**value["payload"], **changed}, scopes)
    return json_response(cron_view(cron))


async def delete(request: web.Request) -> web.Response:
    """Delete a cron and its history."""
    cron_id, scope = await _permit_one(request, "delete")
    await services_of(request).crons.delete(cron_id, scope)
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List crons."""
    body = await read_body(request, CronSearchBody)
    where, page, scope = await _permit_search(request, body, body.page())
    found, total = await services_of(request).crons.search(where, page, scope)
    rows = [_selected(cron_view(cron), body.select) for cron in found]
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count crons."""
    body = await read_body(request, CronCountBody)
    where, _, scope = await _permit_search(request, body, Page(limit=0, sort_by=""))
    return json_response(await services_of(request).crons.count(where, scope))


async def firings(request: web.Request) -> web.Response:
    """List what became of a cron's firings, newest first."""
    limit = integer(request, "limit", 10, low=1, high=_MOST_FIRINGS)
    offset = integer(request, "offset", 0, low=0)
    cron_id, scope = await _permit_one(request, "read")
    found, total = await services_of(request).crons.firings(
        cron_id, scope, limit=limit, offset=offset
    )
    page = Page(limit=limit, offset=offset, sort_by="due_at")
    rows = [firing_view(firing) for firing in found]
    return json_response(rows, headers=page_headers(page, len(rows), total))


async def trigger(request: web.Request) -> web.Response:
    """Create a run of a cron now, beside its schedule."""
    cron_id = _cron_id(request)
    value: Row = {"cron_id": cron_id, "payload": {}, **dict.fromkeys(_CHANGES)}
    scope = await permit(request, "crons", "update", value)
    services, once = services_of(request), await once_of(request, _created_view)
    try:
        creating = services.crons.trigger(cron_id, scope, once)
        run = await asyncio.shield(asyncio.ensure_future(creating))
    except AnsweredBeforeError as repeated:
        return json_response(repeated.answered.answer, headers=REPLAYED)
    location = f"/threads/{run.thread_id}/runs/{run.run_id}"
    return json_response(_created_view(run), headers={"Content-Location": location})


def cron_view(cron: Cron) -> Row:
    """Return a cron as it looks on the wire."""
    return {
        "cron_id": cron.cron_id,
        "assistant_id": cron.assistant_id,
        "thread_id": cron.thread_id,
        "user_id": cron.user_id,
        "end_time": cron.end_time,
        "schedule": cron.schedule,
        "timezone": cron.timezone,
        "payload": shown(cron.payload),
        "next_run_date": _short(cron.next_run_date),
        "metadata": cron.metadata,
        "on_run_completed": cron.on_run_completed,
        "enabled": cron.enabled,
        "created_at": cron.created_at,
        "updated_at": cron.updated_at,
    }


def firing_view(firing: CronFiring) -> Row:
    """Return what became of a firing as it looks on the wire."""
    return {
        "due_at": _short(firing.due_at),
        "fired_at": firing.fired_at,
        "outcome": firing.outcome,
        "manual": firing.manual,
        "run_id": firing.run_id,
        "thread_id": firing.thread_id,
        "run_status": firing.run_status,
        "error": firing.error,
    }


def _created_view(run: Run) -> Row:
    return run_view(as_pending(run))


def _short(moment: str | None) -> str | None:
    """Return a moment as the reference writes it: without a fraction if it has none."""
    return None if moment is None else datetime.fromisoformat(moment).isoformat()


def _selected(view: Row, select: list[Any]) -> Row:
    return {name: view[name] for name in view if name in select} if select else view


async def _read_given(request: web.Request, model: type[CronCreate | CronPatch]) -> Row:
    """Return the members of the body that are known, as they were sent."""
    given = decode(await read_raw(request))
    checked(given, model)
    return {name: value for name, value in given.items() if name in model.model_fields}


def _cron_id(request: web.Request) -> str:
    found = parse_uuid(request.match_info["cron_id"])
    if found is None:
        raise InvalidRequestError("Invalid cron ID: must be a UUID")
    return found


async def _permit_one(request: web.Request, action: Action) -> tuple[str, Scope]:
    cron_id = _cron_id(request)
    return cron_id, await permit(request, "crons", action, {"cron_id": cron_id})


async def _permit_search(
    request: web.Request, body: CronCountBody, page: Page
) -> tuple[CronFilter, Page, Scope]:
    """Return a search, or a count, as it is allowed."""
    named = body.assistant_id
    value: Row = {
        "assistant_id": named and services_of(request).assistants.resolve(named),
        "thread_id": body.thread_id,
        "metadata": dict(body.metadata or {}),
        "limit": page.limit,
        "offset": page.offset,
    }
    scope = await permit(request, "crons", "search", value)
    where = CronFilter(
        assistant_id=_text(value["assistant_id"]),
        thread_id=_text(value["thread_id"]),
        enabled=body.enabled,
        metadata=value["metadata"] or None,
    )
    return where, replace(page, limit=value["limit"], offset=value["offset"]), scope


def _text(value: Any) -> str | None:
    """Return an id, which auth handlers see as a UUID."""
    return None if value is None else str(value)


async def _scopes(
    request: web.Request, scope: Scope, thread_id: str | None, assistant: str | None
) -> CronScopes:
    """Return what a cron's user may see of its thread and its assistant: both must be readable."""
    thread, readable = scope, scope
    if thread_id is not None:
        thread = await permit(request, "threads", "read", {"thread_id": thread_id})
    if assistant is not None:
        services = services_of(request)
        assistant_id = services.crons.assistant_id(assistant)
        if not services.assistants.is_system(assistant_id):
            asked = {"assistant_id": assistant_id}
            readable = await permit(request, "assistants", "read", asked)
    return CronScopes(cron=scope, thread=thread, assistant=readable)
