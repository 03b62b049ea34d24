"""The bodies of requests to the store: in the SDK's form, and in a simple one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from lgserve.api.fields import LONGEST, Body, Given, Number, Object, Offset, Whole
from lgserve.core.errors import InvalidRequestError
from lgserve.services.store import wrong_label

#: More than anybody looks at, and less than hurts.
MOST_ITEMS = 10_000


def _labels(value: Any) -> Any:
    """Take a namespace as the list of its labels, or as a text with dots between them."""
    if isinstance(value, str):
        return value.split(".") if value else []
    if isinstance(value, list):
        return value
    raise PydanticCustomError("namespace", "Input should be a string or an array of strings")


def _label(value: str) -> str:
    if wrong := wrong_label(value):
        raise PydanticCustomError("label", "{wrong}", {"wrong": wrong})
    return value


def _index(value: Any) -> Any:
    if value is None or value is False:
        return value
    if isinstance(value, list) and all(isinstance(path, str) for path in value):
        return value
    raise PydanticCustomError("index", "Input should be false or an array of paths")


def _lifetime(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0:
        raise PydanticCustomError("ttl", "Input should be more than 0 minutes, or null for good")
    return value


def _operands(value: Any) -> Any:
    """Refuse a filter with an operand that its operator can do nothing with."""
    for condition in _conditions(value):
        for name, operand in condition.items():
            if name in _OPERANDS:
                fits, wanted = _OPERANDS[name]
                if not fits(operand):
                    raise PydanticCustomError("operand", f"{name} should have {wanted}")
    return value


def _conditions(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a filter in which operators may stand; operands are values."""
    if isinstance(value, list):
        for element in value:
            yield from _conditions(element)
    elif isinstance(value, dict):
        yield value
        if not any(name.startswith("$") for name in value):
            for member in value.values():
                yield from _conditions(member)


def _is_ordered(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


_ORDER = (_is_ordered, "a number or a string")
_LIST = (_is_list, "an array")
#: What each operator can be asked; the others take any value.
_OPERANDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "$gt": _ORDER,
    "$gte": _ORDER,
    "$lt": _ORDER,
    "$lte": _ORDER,
    "$in": _LIST,
    "$nin": _LIST,
    "$exists": (_is_truth, "true or false"),
}

_LABEL = r"[^.\x00]+"
_Label = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": f"^{_LABEL}$"}),
]
_Dotted = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": rf"^({_LABEL}(\.{_LABEL})*)?$"})
]
Labels = Annotated[
    list[_Label],
    Field(fail_fast=True),
    BeforeValidator(_labels, json_schema_input_type=_Dotted | list[_Label]),
]
ItemLimit = Annotated[Whole, Field(ge=1, le=MOST_ITEMS)]
Depth = Annotated[Whole, Field(ge=1)]
#: Minutes; what ends at once or before was never meant.
Lifetime = Annotated[
    Number,
    BeforeValidator(_lifetime),
    Field(gt=0),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST}),
]
Filter = Annotated[Object, AfterValidator(_operands)]


class StorePutBody(Body):
    """PUT /store/items."""

    namespace: Labels
    key: str
    value: Object
    metadata: Object | None = None
    index: Annotated[Literal[False] | list[str] | None, BeforeValidator(_index)] = None
    ttl: Lifetime | None = None

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
    filter: Filter | None = None
    metadata: Filter | None = None
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
