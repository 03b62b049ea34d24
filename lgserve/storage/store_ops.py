"""LangGraph's store operations and results, in our words and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)

from lgserve import jsonio
from lgserve.core.items import (
    DeleteItem,
    GetItem,
    ItemOp,
    ItemResult,
    ListNamespaces,
    PutItem,
    SearchItems,
    StoreItem,
)


def to_item_op(op: Op) -> ItemOp:
    """Return an operation of LangGraph's in our words.

    Raises:
        InvalidNamespaceError: a label is empty, no text, or has a period.
    """
    validate_op_namespace(op)
    if isinstance(op, GetOp):
        return GetItem(namespace=tuple(op.namespace), key=op.key, refresh_ttl=op.refresh_ttl)
    if isinstance(op, PutOp):
        return _write(op)
    if isinstance(op, SearchOp):
        return SearchItems(
            prefix=tuple(op.namespace_prefix),
            filter=op.filter or {},
            query=op.query,
            limit=op.limit,
            offset=op.offset,
            refresh_ttl=op.refresh_ttl,
        )
    return _listing(op)


def _write(op: PutOp) -> PutItem | DeleteItem:
    namespace = tuple(op.namespace)
    if op.value is None:
        return DeleteItem(namespace=namespace, key=op.key)
    return PutItem(
        namespace=namespace, key=op.key, value=op.value, index=op.index, ttl_minutes=op.ttl
    )


def _listing(op: ListNamespacesOp) -> ListNamespaces:
    conditions = op.match_conditions or ()
    return ListNamespaces(
        prefixes=[tuple(each.path) for each in conditions if each.match_type == "prefix"],
        suffixes=[tuple(each.path) for each in conditions if each.match_type == "suffix"],
        max_depth=op.max_depth,
        limit=op.limit,
        offset=op.offset,
    )


def to_result(op: Op, result: ItemResult) -> Result:
    """Return what LangGraph expects of an operation."""
    if isinstance(op, PutOp):
        return None
    if isinstance(result, list):
        return [
            SearchItem(**_members(found), score=found.score)
            if isinstance(found, StoreItem)
            else found
            for found in result
        ]  # type: ignore[return-value]
    return None if result is None else Item(**_members(result))


def _members(item: StoreItem) -> dict[str, Any]:
    """Return what `Item` and `SearchItem` are made of."""
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": jsonio.loads(item.value),
        "created_at": datetime.fromisoformat(item.created_at),
        "updated_at": datetime.fromisoformat(item.updated_at),
    }
