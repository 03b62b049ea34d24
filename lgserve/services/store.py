"""The store over the API: items under namespaces, each scope its own.

The arguments of each operation are named as authorization handlers know them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from lgserve.core.errors import BadRequestError, InvalidRequestError
from lgserve.core.items import (
    DeleteItem,
    GetItem,
    ItemStore,
    ListNamespaces,
    Namespace,
    PutItem,
    SearchItems,
    StoreItem,
)
from lgserve.core.models import Scope


class ConfiguredTtl:
    """What stands in place of a time to live that was not given."""


CONFIGURED_TTL = ConfiguredTtl()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreService:
    """The operations on store items."""

    items: ItemStore
    #: Minutes that an item lives that says nothing about it; None: for good.
    default_ttl: float | None = None
    refresh_on_read: bool = True

    @property
    def semantic(self) -> bool:
        """Whether searches can be for a meaning."""
        return self.items.semantic

    async def put(
        self,
        *,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        index: Literal[False] | Sequence[str] | None = None,
        ttl: float | ConfiguredTtl | None = CONFIGURED_TTL,
        scope: Scope,
    ) -> StoreItem:
        """Store an item in place of the one that is there; only its `created_at` stays."""
        place = _checked(namespace)
        if not place:
            raise BadRequestError("Namespace cannot be empty.")
        if place[0] == "langgraph":
            raise BadRequestError(f'Root label for namespace cannot be "langgraph". Got: {place}')
        op = PutItem(
            namespace=place,
            key=key,
            value=value,
            metadata=metadata or {},
            index=index,
            ttl_minutes=self.default_ttl if isinstance(ttl, ConfiguredTtl) else ttl,
        )
        return cast("StoreItem", (await self.items.run([op], scope))[0])

    async def get(
        self,
        *,
        namespace: Sequence[str],
        key: str,
        refresh_ttl: bool | None = None,
        scope: Scope,
    ) -> StoreItem | None:
        """Return an item, None if there is none."""
        op = GetItem(
            namespace=_checked(namespace), key=key, refresh_ttl=self._refreshes(refresh_ttl)
        )
        return cast("StoreItem | None", (await self.items.run([op], scope))[0])

    async def delete(self, *, namespace: Sequence[str], key: str, scope: Scope) -> None:
        """Remove an item, if it is there."""
        await self.items.run([DeleteItem(namespace=_checked(namespace), key=key)], scope)

    async def search(
        self,
        *,
        namespace: Sequence[str] = (),
        exact: bool = False,
        key_prefix: str = "",
        filter: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        query: str | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
        scope: Scope,
    ) -> list[StoreItem]:
        """Return items in and below a namespace (with `exact`: in it) that match all of this."""
        op = SearchItems(
            prefix=_checked(namespace),
            exact=exact,
            key_prefix=key_prefix,
            filter=filter or {},
            metadata=metadata or {},
            query=query or None,
            limit=limit,
            offset=offset,
            refresh_ttl=self._refreshes(refresh_ttl),
        )
        return cast("list[StoreItem]", (await self.items.run([op], scope))[0])

    async def list_namespaces(
        self,
        *,
        namespace: Sequence[str] = (),
        suffix: Sequence[str] = (),
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
        scope: Scope,
    ) -> list[Namespace]:
        """Return the namespaces with items that begin and end so; `*` is any label."""
        prefix, suffix = _checked(namespace), _checked(suffix)
        op = ListNamespaces(
            prefixes=[prefix] if prefix else [],
            suffixes=[suffix] if suffix else [],
            max_depth=max_depth,
            limit=limit,
            offset=offset,
        )
        return cast("list[Namespace]", (await self.items.run([op], scope))[0])

    def _refreshes(self, wanted: bool | None) -> bool:  # noqa: FBT001 - three answers
        return self.refresh_on_read if wanted is None else wanted


def _checked(namespace: Sequence[str]) -> Namespace:
    for index, label in enumerate(namespace):
        if wrong := wrong_label(label):
            raise InvalidRequestError(f"namespace[{index}]: {wrong}")
    return tuple(namespace)


def wrong_label(label: str) -> str | None:
    """Return what is wrong with a namespace's label, if anything is."""
    if "\x00" in label:
        return "a label must not hold NUL characters"
    if not label or "." in label:
        return f"Namespace label '{label}' must be a non-empty string without periods"
    return None
