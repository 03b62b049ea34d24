"""Operations on the store."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api import shapes as s
from lgserve.api import store_bodies
from lgserve.api.operations.table import (
    DONE,
    Operation,
    Route,
    json_answer,
)

OPERATIONS: Mapping[Route, Operation] = {
    ("PUT", "/store/items"): Operation(
        name="put_item", summary="Store or update an item.", tag="Store",
        body=store_bodies.StorePutBody, answers=json_answer(s.Item, "The item."),
    ),
    ("DELETE", "/store/items"): Operation(
        name="delete_item", summary="Delete an item.", tag="Store",
        body=store_bodies.StoreDeleteBody, body_required=False,
        parameters=("namespace", "item_key"), answers=DONE,
        about="The item is named in the query or in the body; it need not be there.",
    ),
    ("GET", "/store/items"): Operation(
        name="get_item", summary="Retrieve a single item.", tag="Store",
        parameters=("namespace", "item_key", "prefix", "item_limit", "offset", "refresh_ttl"),
        answers=json_answer(
            s.Item | s.ItemsResponse | None, "The item, or null; with a prefix, a list of items."
        ),
        errors=(400, 422),
    ),
    ("POST", "/store/items/search"): Operation(
        name="search_items", summary="Search or list items within a namespace prefix.",
        tag="Store", body=store_bodies.StoreSearchBody,
        answers=json_answer(s.SearchItemsResponse, "The items found."),
    ),
    ("POST", "/store/namespaces"): Operation(
        name="list_namespaces", summary="List namespaces with optional match conditions.",
        tag="Store", body=store_bodies.StoreNamespacesBody,
        answers=json_answer(s.ListNamespaceResponse, "The namespaces."),
    ),
    ("GET", "/store/namespaces"): Operation(
        name="list_namespaces_by_query", summary="List namespaces.", tag="Store",
        parameters=("prefix_labels", "suffix_labels", "max_depth", "item_limit", "offset"),
        answers=json_answer(s.ListNamespaceResponse, "The namespaces."), errors=(400, 422),
    ),
}  # fmt: skip
