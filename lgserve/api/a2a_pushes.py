"""Who is told of A2A's tasks: set, found, listed and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lgserve.api import a2a_params as read
from lgserve.api.http import services_of
from lgserve.core.a2a import NO_PUSHES, NO_TASK, A2aPush, A2aTask, Object
from lgserve.core.a2a_legacy import legacy_push
from lgserve.core.a2a_views import push_view
from lgserve.core.errors import A2aError
from lgserve.services.a2a_requests import read_push

if TYPE_CHECKING:
    from aiohttp import web

    from lgserve.api.a2a_asked import Asked


async def admitted(a2a: Asked, push: A2aPush) -> A2aPush:
    """Return a push whose address may be called."""
    gate = services_of(a2a.request).webhooks.gate
    _check_pushes(a2a)
    return replace(push, url=await gate.admitted(push.url))


def _check_pushes(a2a: Asked) -> None:
    if not services_of(a2a.request).webhooks.gate.enabled:
        raise A2aError(NO_PUSHES, "Push Notification is not supported")


async def set_push(a2a: Asked) -> web.StreamResponse:
    """Have somebody told of a task."""
    params, version = a2a.call.params, a2a.call.version
    given = read.push_config(params) if version == "0.3" else params
    push = await admitted(a2a, read_push(given, version))
    task = await a2a.named_task("update", "taskId")
    push = await a2a.service.add_push(task, push)
    return a2a.answer(_push(a2a, push_view(task.task_id, push)))


def _push(a2a: Asked, view: Object) -> Object:
    return legacy_push(view) if a2a.call.version == "0.3" else view


async def _pushes(a2a: Asked) -> tuple[A2aTask, list[Object]]:
    _check_pushes(a2a)
    names = ("id",) if a2a.call.version == "0.3" else ("taskId",)
    task = await a2a.named_task("read", *names)
    pushes = await a2a.service.pushes(task)
    return task, [_push(a2a, push_view(task.task_id, push)) for push in pushes]


async def get_push(a2a: Asked) -> web.StreamResponse:
    """Return who is told, by name."""
    task, found = await _pushes(a2a)
    wanted = read.push_id(a2a.call.params, a2a.call.version)
    shown = [each for each in found if wanted in (None, _id_of(each))]
    if not shown:
        raise A2aError(
            NO_TASK, f"Push notification config not found: {wanted or ''}", taskId=task.task_id
        )
    return a2a.answer(shown[0])


def _id_of(push: Mapping[str, Any]) -> Any:
    return push["id"] if "id" in push else push["pushNotificationConfig"]["id"]


async def list_pushes(a2a: Asked) -> web.StreamResponse:
    """Return all who are told of a task."""
    _, found = await _pushes(a2a)
    legacy = a2a.call.version == "0.3"
    return a2a.answer(found if legacy else {"configs": found, "nextPageToken": ""})


async def delete_push(a2a: Asked) -> web.StreamResponse:
    """Tell somebody no more."""
    _check_pushes(a2a)
    legacy = a2a.call.version == "0.3"
    config_id = read.push_id(a2a.call.params, a2a.call.version, required=True)
    task = await a2a.named_task("update", "id" if legacy else "taskId")
    await a2a.service.delete_push(task, config_id or "")
    return a2a.answer(None if legacy else {})
