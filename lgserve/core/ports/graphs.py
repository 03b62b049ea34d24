"""The project's graphs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Graphs(Protocol):
    """The project's graphs; every method runs on the user loop."""

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all configured graphs, those that failed to load included."""
        ...

    def description(self, graph_id: str) -> str | None:
        """Return the description the config gives of the graph.

        Raises:
            GraphNotFoundError: no such graph is configured.
        """
        ...

    def is_static(self, graph_id: str) -> bool:
        """Tell whether the graph is the same at each use: what it says of itself can be kept.

        Raises:
            GraphNotFoundError: no such graph is configured.
        """
        ...

    def open(
        self,
        graph_id: str,
        config: Mapping[str, Any],
        *,
        access_context: str,
        store: Any,
        user: Any = None,
        context: Any = None,
    ) -> AbstractAsyncContextManager[Any]:
        """Enter the graph (a `Pregel`) for one use; factories run now.

        Raises:
            GraphNotFoundError: no such graph is configured.
            GraphLoadError: it is configured but does not load; the message says why.
        """
        ...


class GraphViews(Protocol):
    """What an opened graph says of itself, as plain JSON values; called on the user loop."""

    def graph_schemas(self, graph_id: str, graph: Any) -> dict[str, Any]:
        """Return the JSON schemas of the graph; one that cannot be made is null."""
        ...

    def subgraph_schemas(
        self, graph: Any, namespace: str | None = None, *, recurse: bool = False
    ) -> dict[str, Any]:
        """Return the JSON schemas of the subgraphs by namespace; those of one if it is given."""
        ...

    async def draw(self, graph: Any, xray: int | bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - LangGraph's own parameter
        """Return the nodes and edges; `xray` shows the insides of subgraphs."""
        ...
