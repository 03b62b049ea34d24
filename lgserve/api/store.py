"""The store over HTTP.

A namespace is a list of labels, or one text with dots between them. In a query it is repeated, has
dots, or both.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lgserve.api.auth import permit
from lgserve.api.http import LARGEST, integer, json_response, read_body, services_of
from lgserve.api.store_bodies import (
    MOST_ITEMS,
    StoreDeleteBody,
    StoreNamespacesBody,
    StorePutBody,
    StoreSearchBody,
)
from lgserve.core.errors import BadRequestError, InvalidRequestError
from lgserve.core.items import StoreItem
from lgserve.core.models import Scope
from lgserve.core.principals import Action

#: What auth handlers see of each operation, and may change.
_SHOWN: dict[Action, tuple[str, ...]] = {
    "put": ("namespace", "key", "value", "index", "ttl", "metadata"),
    "get": ("namespace", "key", "refresh_ttl"),
    "delete": ("namespace", "key"),
    "search": ("namespace", "filter", "limit", "offset", "query", "refresh_ttl"),
    "list_namespaces": ("namespace", "suffix", "max_depth", "limit", "offset"),
}
_YES_OR_NO = {"1": True, "true": True, "0": False, "false": False}
#: How many items a listing has unless it says so.
_LISTED = 100


def routes() -> list[web.RouteDef]:
    """Return the routes of the store."""
    items, namespaces = "/store/items", "/store/namespaces"
    return [
        web.put(items, put),
        web.get(items, get),
        web.delete(items, delete),
        web.post(f"{items}/search", search),
        web.get(namespaces, namespaces_by_query),
        web.post(namespaces, namespaces_by_body),
    ]


async def put(request: web.Request) -> web.Response:
    """Store an item in place of the one that is there."""
    body = await read_body(request, StorePutBody)
    arguments = body.arguments()
    scope = await _permit(request, "put", arguments)
    if arguments["ttl"] is None and "ttl" not in body.model_fields_set:
        del arguments["ttl"]
    item = await services_of(request).store.put(**arguments, scope=scope)
    return json_response(item_view(item))


async def get(request: web.Request) -> web.Response:
    """Return the item that has a key, or null; or list those whose keys begin with a prefix."""
    if "key" not in request.query:
        return await _list(request)
    arguments: dict[str, Any] = {
        "namespace": _needed_namespace(request),
        "key": request.query["key"],
        "refresh_ttl": _yes_or_no(request, "refresh_ttl"),
    }
    scope = await _permit(request, "get", arguments)
    item = await services_of(request).store.get(**arguments, scope=scope)
    return json_response(None if item is None else item_view(item))


async def _list(request: web.Request) -> web.Response:
    if "prefix" not in request.query:
        raise BadRequestError("Key is required: give a key, or a prefix to list items")
    namespace = _namespace(request, "namespace")
    arguments: dict[str, Any] = {
        "namespace": namespace,
        "exact": bool(namespace),
        "key_prefix": request.query["prefix"],
        "filter": None,
        "limit": integer(request, "limit", _LISTED, low=1, high=MOST_ITEMS),
        "offset": integer(request, "offset", 0, low=0),
        "query": None,
        "refresh_ttl": _yes_or_no(request, "refresh_ttl"),
    }
    scope = await _permit(request, "search", arguments)
    found = await services_of(request).store.search(**arguments, scope=scope)
    return json_response({"items": [item_view(item) for item in found]})


async def delete(request: web.Request) -> web.Response:
    """Remove an item, named in the query or in the body; it need not be there."""
    arguments: dict[str, Any]
    if "key" in request.query:
        arguments = {"namespace": _needed_namespace(request), "key": request.query["key"]}
    elif request.can_read_body:
        arguments = (await read_body(request, StoreDeleteBody)).arguments()
    else:
        raise InvalidRequestError("key: Field required, in the query or in the body")
    scope = await _permit(request, "delete", arguments)
    await services_of(request).store.delete(**arguments, scope=scope)
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """Find items: the nearest to a query first, else the last updated."""
    arguments = (await read_body(request, StoreSearchBody)).arguments()
    scope = await _permit(request, "search", arguments)
    found = await services_of(request).store.search(**arguments, scope=scope)
    return json_response({"items": [{**item_view(item), "score": item.score} for item in found]})


async def namespaces_by_query(request: web.Request) -> web.Response:
    """List the namespaces in which there are items."""
    deepest = integer(request, "max_depth", LARGEST, low=1)
    return await _namespaces(
        request,
        {
            "namespace": _namespace(request, "prefix"),
            "suffix": _namespace(request, "suffix"),
            "max_depth": None if deepest == LARGEST else deepest,
            "limit": integer(request, "limit", _LISTED, low=1, high=MOST_ITEMS),
            "offset": integer(request, "offset", 0, low=0),
        },
    )


async def namespaces_by_body(request: web.Request) -> web.Response:
    """List the namespaces in which there are items."""
    body = await read_body(request, StoreNamespacesBody)
    return await _namespaces(request, body.arguments())


async def _namespaces(request: web.Request, arguments: dict[str, Any]) -> web.Response:
    scope = await _permit(request, "list_namespaces", arguments)
    found = await services_of(request).store.list_namespaces(**arguments, scope=scope)
    return json_response({"namespaces": found})


async def _permit(request: web.Request, action: Action, arguments: dict[str, Any]) -> Scope:
    """Return the scope of an operation; what a handler changes of its arguments is changed."""
    shown = _SHOWN[action]
    value = {name: arguments[name] for name in shown}
    scope = await permit(request, "store", action, value)
    arguments.update((name, value[name]) for name in shown if name in value)
    return scope


def item_view(item: StoreItem) -> dict[str, Any]:
    """Return an item as the API shows it."""
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": item.value,
        "metadata": item.metadata,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "expires_at": item.expires_at,
    }


def _namespace(request: web.Request, name: str) -> tuple[str, ...]:
    """Return the labels in a query; an empty text has none."""
    given = request.query.getall(name, ())
    return tuple(label for text in given if text for label in text.split("."))


def _needed_namespace(request: web.Request) -> tuple[str, ...]:
    """Return the namespace in a query that names an item."""
    namespace = _namespace(request, "namespace")
    if not namespace:
        raise InvalidRequestError("namespace is required: an item has a namespace and a key")
    return namespace


def _yes_or_no(request: web.Request, name: str) -> bool | None:
    """Return an answer in a query; None if it is left to the server."""
    text = request.query.get(name)
    if text is None:
        return None
    if text.lower() not in _YES_OR_NO:
        raise InvalidRequestError(f"Invalid {name} {text}: must be true or false")
    return _YES_OR_NO[text.lower()]
