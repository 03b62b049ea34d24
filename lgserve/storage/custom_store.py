"""A store of the project's own (`store.path`) in place of the server's: for graphs and the API.

It has no scopes. Where each user has items of their own, a user's namespaces are below a label that
only the server adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import BadRequestError
from lgserve.core.items import (
    DeleteItem,
    GetItem,
    ItemOp,
    ItemResult,
    Namespace,
    PutItem,
    SearchItems,
    StoreItem,
)
from lgserve.core.models import EVERYTHING, Scope

if TYPE_CHECKING:
    from lgserve.core.ports import UserLoop

#: More than a search by the API's own conditions looks at.
_MOST_SEARCHED = 10_000


class CustomStore(BaseStore):
    """The project's store as one scope sees it; see `lgserve.core.items.ItemStore`."""

    def __init__(self, user_loop: UserLoop, scope: Scope = EVERYTHING) -> None:
        self._user_loop = user_loop
        self._scope = scope
        self._inner: list[BaseStore] = []

    def use(self, store: BaseStore) -> None:
        """Take the project's store, once it is there."""
        self._inner[:] = [store]

    @property
    def supports_ttl(self) -> bool:  # type: ignore[override]
        """Whether items may have a time to live."""
        return bool(self._inner and self._inner[0].supports_ttl)

    @property
    def semantic(self) -> bool:
        """Whether `query` has a meaning here."""
        return bool(self._inner and getattr(self._inner[0], "index_config", None))

    def for_scope(self, scope: Scope) -> CustomStore:
        """Return the same store as a graph may see it that runs for this scope."""
        seen = CustomStore(self._user_loop, scope)
        seen._inner = self._inner  # the same store, whenever it comes
        return seen

    async def sweep(self) -> int:
        """Leave it to the project what happens to items that have expired."""
        return 0

    # ------------------------------------------------------------ for graphs

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out LangGraph's operations."""
        label = _label(self._scope)
        results = self._store.batch([_below(op, label) for op in ops])
        return [_above(result, label) for result in results]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out LangGraph's operations."""
        return await self._abatch(ops, self._scope)

    async def _abatch(self, ops: Iterable[Op], scope: Scope) -> list[Result]:
        label = _label(scope)
        results = await self._store.abatch([_below(op, label) for op in ops])
        return [_above(result, label) for result in results]

    @property
    def _store(self) -> BaseStore:
        if not self._inner:
            raise RuntimeError("the project's store is not there yet")
        return self._inner[0]

    # ------------------------------------------------------------ for the API

    async def run(self, ops: Sequence[ItemOp], scope: Scope) -> list[ItemResult]:
        """Carry out operations; one after the other, if the store does so."""

        async def work() -> list[Result]:
            results = await self._abatch([_to_op(op) for op in ops], scope)
            puts = [at for at, op in enumerate(ops) if isinstance(op, PutItem)]
            stored = await self._abatch([_get(ops[at]) for at in puts], scope) if puts else []
            for at, item in zip(puts, stored, strict=True):
                results[at] = item
            return results

        try:
            results = await self._user_loop.run(work)
        except (ValueError, NotImplementedError) as exc:
            raise BadRequestError(str(exc)) from exc
        return [_to_result(op, result) for op, result in zip(ops, results, strict=True)]


def _label(scope: Mapping[str, Any]) -> Namespace:
    """Return what a scope's namespaces are below."""
    return tuple(f"{name}={value}" for name, value in sorted(scope.items()))


def _below(op: Op, label: Namespace) -> Op:
    if not label:
        return op
    if isinstance(op, SearchOp):
        return op._replace(namespace_prefix=(*label, *op.namespace_prefix))
    if isinstance(op, GetOp | PutOp):
        return op._replace(namespace=(*label, *op.namespace))
    given = list(op.match_conditions or ())
    prefixes = [each for each in given if each.match_type == "prefix"]
    rest = [each for each in given if each.match_type != "prefix"]
    below = [each._replace(path=cast("Any", (*label, *each.path))) for each in prefixes] or [
        MatchCondition(match_type="prefix", path=cast("Any", label))
    ]
    depth = None if op.max_depth is None else op.max_depth + len(label)
    return op._replace(match_conditions=(*below, *rest), max_depth=depth)


def _above(result: Result, label: Namespace) -> Result:
    """Return a result as the scope sees it."""
    if not label or result is None:
        return result
    if isinstance(result, Item):
        return cast("Item", _without(result, label))
    return [
        _without(each, label) if isinstance(each, Item) else tuple(each[len(label) :])
        for each in result
    ]


def _without(item: Any, label: Namespace) -> Any:
    members = {
        "value": item.value,
        "key": item.key,
        "namespace": tuple(item.namespace[len(label) :]),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    return (
        SearchItem(**members, score=item.score) if isinstance(item, SearchItem) else Item(**members)
    )


def _to_op(op: ItemOp) -> Op:
    if isinstance(op, GetItem):
        return GetOp(namespace=op.namespace, key=op.key, refresh_ttl=op.refresh_ttl)
    if isinstance(op, PutItem):
        index: Any = op.index if op.index is None or op.index is False else list(op.index)
        value = dict(op.value)
        return PutOp(
            namespace=op.namespace, key=op.key, value=value, index=index, ttl=op.ttl_minutes
        )
    if isinstance(op, DeleteItem):
        return PutOp(namespace=op.namespace, key=op.key, value=None)
    if isinstance(op, SearchItems):
        return _search(op)
    conditions = [
        MatchCondition(match_type=kind, path=cast("Any", path))  # type: ignore[arg-type]
        for kind, paths in (("prefix", op.prefixes), ("suffix", op.suffixes))
        for path in paths
    ]
    return ListNamespacesOp(
        match_conditions=tuple(conditions) or None,
        max_depth=op.max_depth,
        limit=op.limit,
        offset=op.offset,
    )


def _get(op: ItemOp) -> GetOp:
    """Return the operation that reads what was put: a put says nothing of it."""
    assert isinstance(op, PutItem)  # noqa: S101 - as chosen
    return GetOp(namespace=op.namespace, key=op.key, refresh_ttl=False)


def _search(op: SearchItems) -> SearchOp:
    narrowed = op.exact or op.key_prefix
    return SearchOp(
        namespace_prefix=op.prefix,
        filter=dict(op.filter) or None,
        limit=_MOST_SEARCHED if narrowed else op.limit,
        offset=0 if narrowed else op.offset,
        query=op.query,
        refresh_ttl=op.refresh_ttl,
    )


def _to_result(op: ItemOp, result: Result) -> ItemResult:
    if isinstance(op, SearchItems):
        found = [_item(each) for each in cast("list[Any]", result or [])]
        if not (op.exact or op.key_prefix):
            return found
        chosen = [
            each
            for each in found
            if each.key.startswith(op.key_prefix) and (not op.exact or each.namespace == op.prefix)
        ]
        return chosen[op.offset : op.offset + op.limit]
    if isinstance(result, list):
        return [tuple(cast("Any", each)) for each in result]
    return None if result is None else _item(result)


def _item(item: Any) -> StoreItem:
    return StoreItem(
        namespace=tuple(item.namespace),
        key=item.key,
        value=jsonio.dumps_wire(item.value),
        created_at=to_iso(item.created_at),
        updated_at=to_iso(item.updated_at),
        score=getattr(item, "score", None),
    )
