"""Store items: what they are, what is asked of them, and what a store promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from lgserve.core.models import EMPTY_OBJECT, Json, Scope

if TYPE_CHECKING:
    from typing import Self

Namespace: TypeAlias = tuple[str, ...]
Vector: TypeAlias = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreItem:
    """A value under a namespace and a key; times are ISO-8601 UTC text as on the wire."""

    namespace: Namespace
    key: str
    value: Json
    metadata: Json = EMPTY_OBJECT
    created_at: str
    updated_at: str
    #: None for an item that is kept for good.
    expires_at: str | None = None
    #: How near it is to what a search asked for; None if nothing was asked, or it has no vectors.
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetItem:
    """Read one item."""

    namespace: Namespace
    key: str
    #: Whether a time to live begins anew.
    refresh_ttl: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PutItem:
    """Store an item in place of the one that is there; only its `created_at` stays."""

    namespace: Namespace
    key: str
    value: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: The paths that semantic search looks at; False: none; None: those of the config.
    index: Literal[False] | Sequence[str] | None = None
    ttl_minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteItem:
    """Remove one item, if it is there."""

    namespace: Namespace
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchItems:
    """Find items: all that is given must hold. The nearest to `query` first, else the newest."""

    prefix: Namespace = ()
    #: Leave out the namespaces below the prefix.
    exact: bool = False
    key_prefix: str = ""
    filter: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    query: str | None = None
    limit: int = 10
    offset: int = 0
    refresh_ttl: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNamespaces:
    """List namespaces in which there are items; `*` in a path stands for any label."""

    prefixes: Sequence[Namespace] = ()
    suffixes: Sequence[Namespace] = ()
    #: Cut longer ones here.
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


ItemOp: TypeAlias = GetItem | PutItem | DeleteItem | SearchItems | ListNamespaces
#: Of a put or a get the item, of a search a list of items, of a listing a list of namespaces.
ItemResult: TypeAlias = StoreItem | list[StoreItem] | list[Namespace] | None


class ItemStore(Protocol):
    """Keeps store items; what has expired is not seen, whether or not it was swept."""

    @property
    def semantic(self) -> bool:
        """Whether `query` has a meaning here."""
        ...

    async def run(self, ops: Sequence[ItemOp], scope: Scope) -> list[ItemResult]:
        """Carry out operations as one: reads see the state before the writes among them.

        Raises:
            BadRequestError: a filter has an unknown operator.
            EmbeddingError: the project's embedding function failed.
        """
        ...

    def for_scope(self, scope: Scope) -> Self:
        """Return the same store as a graph may see it that runs for this scope."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors by the user's code: documents first, then queries.

    Raises:
        EmbeddingError: the code failed, or its vectors are not what the config says.
    """

    @property
    def dims(self) -> int:
        """How many numbers a vector has."""
        ...

    @property
    def fields(self) -> Sequence[str]:
        """The paths whose texts are embedded of items that name none; `$` is the whole value."""
        ...

    async def embed(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        """Embed, from any event loop."""
        ...

    def embed_blocking(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        """Embed, from any thread."""
        ...
