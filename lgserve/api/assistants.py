"""Assistants over HTTP. An assistant is named by its id or by that of its graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from lgserve.api.auth import assistant_id_of, permit, permit_assistant, permit_search
from lgserve.api.bodies import (
    AssistantCountBody,
    AssistantCreateBody,
    AssistantLatestBody,
    AssistantPatchBody,
    AssistantSearchBody,
    AssistantVersionsBody,
)
from lgserve.api.http import (
    flag,
    json_response,
    page_headers,
    read_body,
    services_of,
    user_of,
)
from lgserve.api.idempotency import once_of
from lgserve.api.views import assistant_list_view, assistant_version_view, assistant_view
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import new_random_id
from lgserve.core.models import Scope

#: What auth handlers see of an assistant, and what they may change of a new one.
_MEMBERS = ("graph_id", "config", "context", "metadata", "name")
_CHANGEABLE = ("config", "context", "metadata", "name")
#: Those that are objects, empty where nothing is said of them.
_OBJECTS = ("config", "metadata")
_XRAY_FLAGS = {"": False, "false": False, "False": False, "true": True, "True": True}
#: No graph is as deep as a number of so many digits.
_DIGITS = 10


def routes() -> list[web.RouteDef]:
    """Return the routes of assistants."""
    one = "/assistants/{assistant_id}"
    return [
        web.post("/assistants", create),
        web.post("/assistants/search", search),
        web.post("/assistants/count", count),
        web.get(one, get),
        web.patch(one, update),
        web.delete(one, delete),
        web.post(f"{one}/versions", versions),
        web.post(f"{one}/latest", set_latest),
        web.get(f"{one}/graph", draw),
        web.get(f"{one}/schemas", schemas),
        web.get(f"{one}/subgraphs", subgraphs),
        web.get(f"{one}/subgraphs/{{namespace}}", subgraphs),
    ]


async def create(request: web.Request) -> web.Response:
    """Create an assistant."""
    body = await read_body(request, AssistantCreateBody)
    wanted = body.arguments()
    wanted["assistant_id"] = wanted["assistant_id"] or new_random_id()
    wanted["name"] = wanted["name"] or "Untitled"
    value = {name: wanted[name] for name in ("assistant_id", *_MEMBERS, "if_exists")}
    scope = await permit(request, "assistants", "create", value)
    changed = {name: value[name] for name in _CHANGEABLE}
    once = await once_of(request, assistant_view)
    assistant = await services_of(request).assistants.create(
        **{**wanted, **changed}, scope=scope, once=once
    )
    return json_response(assistant_view(assistant))


async def get(request: web.Request) -> web.Response:
    """Return an assistant."""
    assistant_id = _id(request)
    scope = await permit_assistant(request, "read")
    assistant = await services_of(request).assistants.get(assistant_id, scope)
    return json_response(assistant_view(assistant))


async def update(request: web.Request) -> web.Response:
    """Change an assistant, which makes a new version of it."""
    body = await read_body(request, AssistantPatchBody)
    assistant_id, patch = _id(request), body.to_patch()
    value = {name: getattr(patch, name) for name in _MEMBERS}
    value |= {name: dict(value[name] or {}) for name in _OBJECTS}
    value["assistant_id"] = assistant_id_of(request)
    scope = await permit(request, "assistants", "update", value)
    left_out = [name for name in _OBJECTS if getattr(patch, name) is None and not value[name]]
    value |= dict.fromkeys(left_out)
    patch = replace(patch, **{name: value[name] for name in _CHANGEABLE})
    assistant = await services_of(request).assistants.update(assistant_id, patch, scope)
    return json_response(assistant_view(assistant))


async def delete(request: web.Request) -> web.Response:
    """Delete an assistant and cancel its runs, with `delete_threads` delete its threads too."""
    assistant_id = _id(request)
    assistants = services_of(request).assistants
    scope = await permit_assistant(request, "delete")
    threads: dict[str, Scope] = {}
    if flag(request, "delete_threads"):
        for thread_id in await assistants.threads_of(assistant_id):
            wanted = {"thread_id": thread_id}
            threads[thread_id] = await permit(request, "threads", "delete", wanted)
    runs = await permit(request, "threads", "update", _cancel_all())
    await assistants.delete(assistant_id, scope, runs=runs, threads=threads)
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List assistants."""
    body = await read_body(request, AssistantSearchBody)
    where, page, scope = await permit_search(request, "assistants", body.where(), body.page())
    found, total = await services_of(request).assistants.search(where, page, scope)
    rows = assistant_list_view(found, body.select)
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count assistants."""
    body = await read_body(request, AssistantCountBody)
    where, _, scope = await permit_search(request, "assistants", body.where())
    return json_response(await services_of(request).assistants.count(where, scope))


async def versions(request: web.Request) -> web.Response:
    """List the versions of an assistant."""
    body = await read_body(request, AssistantVersionsBody)
    assistant_id = _id(request)
    scope = await permit_assistant(request, "read")
    found = await services_of(request).assistants.versions(
        assistant_id, body.metadata, body.page(), scope
    )
    return json_response([assistant_version_view(version) for version in found])


async def set_latest(request: web.Request) -> web.Response:
    """Make an assistant what it was at a version."""
    body = await read_body(request, AssistantLatestBody)
    assistant_id = _id(request)
    value: dict[str, Any] = {"assistant_id": assistant_id_of(request), "version": body.version}
    scope = await permit(request, "assistants", "update", value)
    assistant = await services_of(request).assistants.set_latest(
        assistant_id, value["version"], scope
    )
    return json_response(assistant_view(assistant))


async def draw(request: web.Request) -> web.Response:
    """Return the graph of an assistant: its nodes and edges."""
    assistant_id, xray = _id(request), _xray(request)
    scope = await permit_assistant(request, "read")
    drawn = await services_of(request).introspection.draw(
        assistant_id, xray, scope, user_of(request)
    )
    return json_response(drawn)


async def schemas(request: web.Request) -> web.Response:
    """Return the JSON schemas of an assistant's graph."""
    assistant_id = _id(request)
    scope = await permit_assistant(request, "read")
    found = await services_of(request).introspection.schemas(assistant_id, scope, user_of(request))
    return json_response(found)


async def subgraphs(request: web.Request) -> web.Response:
    """Return the JSON schemas of the subgraphs of an assistant's graph, or of one of them."""
    assistant_id = _id(request)
    scope = await permit_assistant(request, "read")
    found = await services_of(request).introspection.subgraphs(
        assistant_id,
        request.match_info.get("namespace"),
        scope,
        recurse=flag(request, "recurse"),
        user=user_of(request),
    )
    return json_response(found)


def _id(request: web.Request) -> str:
    """Return the assistant in the path as it is named, which has to make sense."""
    named = request.match_info["assistant_id"]
    services_of(request).assistants.resolve(named)
    return named


def _xray(request: web.Request) -> int | bool:
    """Return how deep to look into subgraphs: not at all, to a depth, or to the ground."""
    text = request.query.get("xray", "")
    if text in _XRAY_FLAGS:
        return _XRAY_FLAGS[text]
    is_depth = text.isascii() and text.isdigit() and text.strip("0")
    if not is_depth:
        raise InvalidRequestError("Invalid xray value")
    return int(text) if len(text) < _DIGITS else True


def _cancel_all() -> dict[str, Any]:
    """Return the cancelling of all runs as auth handlers see it."""
    everything = {"run_ids": None, "status": None}
    return {"thread_id": None, "action": "interrupt", "metadata": everything}
