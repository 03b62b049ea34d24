"""The bodies of requests to the store: in the SDK's form, and in a simple one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lgserve.api.fields import Body, Given, Number, Object, Offset, Texts, Whole
from lgserve.core.errors import InvalidRequestError

#: More than anybody looks at, and less than hurts.
MOST_ITEMS = 10_000


def _labels(value: Any) -> Any:
    """Take a namespace as the list of its labels, or as a text with dots between them."""
    if isinstance(value, str):
        return value.split(".") if value else []
    if isinstance(value, list):
        return value
    raise PydanticCustomError("namespace", "Input should be a string or an array of strings")


def _index(value: Any) -> Any:
    if value is None or value is False:
        return value
    if isinstance(value, list) and all(isinstance(path, str) for path in value):
        return value
    raise PydanticCustomError("index", "Input should be false or an array of paths")


Labels = Annotated[Texts, BeforeValidator(_labels, json_schema_input_type=str | Texts)]
ItemLimit = Annotated[Whole, Field(ge=1, le=MOST_ITEMS)]
Depth = Annotated[Whole, Field(ge=1)]


class StorePutBody(Body):
    """PUT /store/items."""

    namespace: Labels
    key: str
    value: Object
    metadata: Object | None = None
    index: Annotated[Literal[False] | list[str] | None, BeforeValidator(_index)] = None
    ttl: Number | None = None

    def arguments(self) -> dict[str, Any]:
        """Return what `StoreService.put` takes; a `ttl` that is null means for good."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {**fields, "namespace": tuple(self.namespace), "metadata": self.metadata or {}}


class StoreDeleteBody(Body):
    """DELETE /store/items."""

    namespace: Labels = Field(default_factory=list)
    key: str

    def arguments(self) -> dict[str, Any]:
        """Return what `StoreService.delete` takes."""
        return {"namespace": tuple(self.namespace), "key": self.key}


class StoreSearchBody(Body):
    """POST /store/items/search.

    `namespace_prefix` is the SDK's: the namespace and all below it. `namespace` is that one alone.
    """

    namespace_prefix: Labels | None = None
    namespace: Labels | None = None
    prefix: str | None = None
    filter: Object | None = None
    metadata: Object | None = None
    query: str | None = None
    limit: ItemLimit = 10
    offset: Offset = 0
    refresh_ttl: bool | None = None

    def arguments(self) -> dict[str, Any]:
        """Return what `StoreService.search` takes."""
        if self.namespace is not None and self.namespace_prefix is not None:
            raise InvalidRequestError("namespace: give it or namespace_prefix, not both")
        return {
            "namespace": tuple(self.namespace or self.namespace_prefix or ()),
            "exact": bool(self.namespace),
            "key_prefix": self.prefix or "",
            "filter": self.filter,
            "metadata": self.metadata,
            "query": self.query,
            "limit": self.limit,
            "offset": self.offset,
            "refresh_ttl": self.refresh_ttl,
        }


class StoreNamespacesBody(Body):
    """POST /store/namespaces."""

    prefix: Labels | None = None
    suffix: Labels | None = None
    max_depth: Given[Depth] = None
    limit: ItemLimit = 100
    offset: Offset = 0

    def arguments(self) -> dict[str, Any]:
        """Return what `StoreService.list_namespaces` takes."""
        return {
            "namespace": tuple(self.prefix or ()),
            "suffix": tuple(self.suffix or ()),
            "max_depth": self.max_depth,
            "limit": self.limit,
            "offset": self.offset,
        }
