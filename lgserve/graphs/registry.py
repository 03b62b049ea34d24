"""All graphs of the project, each loaded on its own: a broken one does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver

from lgserve.core.errors import GraphLoadError, GraphNotFoundError
from lgserve.graphs.factories import GraphFactory, GraphUse, to_factory, to_graph
from lgserve.graphs.loader import ExportLoader, GraphSource, is_graph
from lgserve.graphs.schemas import AnyGraph
from lgserve.graphs.tracebacks import GraphErrorInfo, describe_error


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """How loading one graph went."""

    graph_id: str
    description: str | None
    kind: Literal["graph", "factory", "broken"]
    #: what loading took; the first graph of a file pays for its imports
    seconds: float
    #: compiled with a checkpointer of its own, which the server's replaces
    own_checkpointer: bool = False
    #: the same of a store
    own_store: bool = False
    error: GraphErrorInfo | None = None


class _StaticGraph(AbstractAsyncContextManager[AnyGraph]):
    """A graph that is the same at each use: entering it is nothing at all."""

    __slots__ = ("graph",)

    def __init__(self, graph: AnyGraph) -> None:
        self.graph = graph

    async def __aenter__(self) -> AnyGraph:
        return self.graph

    async def __aexit__(self, *_error: object) -> None:
        return None


_Loaded: TypeAlias = _StaticGraph | GraphFactory


class GraphRegistry:
    """Loads the configured graphs, and opens one for each use."""

    def __init__(self) -> None:
        self._reports: dict[str, LoadReport] = {}
        self._loaded: dict[str, _Loaded] = {}
        self._errors: dict[str, GraphErrorInfo] = {}

    def load(
        self,
        sources: Iterable[GraphSource],
        root: Path,
        import_paths: Sequence[Path] = (),
    ) -> None:
        """Import every graph.

        Runs the user's modules: call it in the thread of the user loop.
        """
        loader = ExportLoader(root, import_paths)
        for source in sources:
            report = self._load_one(source, loader, root, import_paths)
            self._reports[source.graph_id] = report

    def _load_one(
        self, source: GraphSource, loader: ExportLoader, root: Path, import_paths: Sequence[Path]
    ) -> LoadReport:
        started = time.perf_counter()
        loaded: _Loaded | None = None
        error: GraphErrorInfo | None = None
        try:
            loaded = self._loaded[source.graph_id] = _load_export(source, loader)
        except (Exception, SystemExit) as exception:  # noqa: BLE001 - the boundary to user code
            error = self._errors[source.graph_id] = describe_error(exception, root, import_paths)
        seconds = time.perf_counter() - started
        return _report(source, loaded, error, seconds)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all configured graphs, those that failed to load included."""
        return tuple(self._reports)

    def reports(self) -> tuple[LoadReport, ...]:
        """Return how loading went, graph by graph, in the order of the config."""
        return tuple(self._reports.values())

    def errors(self) -> Mapping[str, GraphErrorInfo]:
        """Return why graphs failed to load, by graph id; empty when all is well."""
        return MappingProxyType(self._errors)

    def description(self, graph_id: str) -> str | None:
        """Return the description the config gives of the graph."""
        return self._report(graph_id).description

    def is_static(self, graph_id: str) -> bool:
        """Tell whether the graph is the same at each use, so that its schemas can be kept."""
        return self._report(graph_id).kind == "graph"

    def open(
        self,
        graph_id: str,
        config: Mapping[str, Any],
        *,
        access_context: str,
        store: Any,
        user: Any = None,
        context: Any = None,
    ) -> AbstractAsyncContextManager[AnyGraph]:
        """Enter the graph for one use; a factory runs now, and what it opened closes on exit.

        Raises:
            GraphNotFoundError: no such graph is configured.
            GraphLoadError: it is configured but does not load; the message says why.
        """
        loaded = self._loaded.get(graph_id)
        if isinstance(loaded, _StaticGraph):
            return loaded
        if loaded is None:
            raise self._refusal(graph_id)
        return loaded.use(
            GraphUse(
                config=config,
                access_context=access_context,
                store=store,
                user=user,
                context=context,
            )
        )

    def _report(self, graph_id: str) -> LoadReport:
        report = self._reports.get(graph_id)
        if report is None:
            raise self._refusal(graph_id)
        return report

    def _refusal(self, graph_id: str) -> GraphLoadError | GraphNotFoundError:
        if error := self._errors.get(graph_id):
            return GraphLoadError(f"Graph '{graph_id}' cannot be loaded: {error.summary}")
        known = sorted(self._reports)
        return GraphNotFoundError(f"Graph '{graph_id}' not found. Expected one of: {known}")


def _load_export(source: GraphSource, loader: ExportLoader) -> _Loaded:
    export = loader.load(source.path)
    if is_graph(export):
        return _StaticGraph(to_graph(source.graph_id, export))
    if not callable(export):
        kind = type(export).__name__
        raise GraphLoadError(f"'{source.path}' is neither a graph nor a graph factory but a {kind}")
    return to_factory(source.graph_id, export)


def _report(
    source: GraphSource, loaded: _Loaded | None, error: GraphErrorInfo | None, seconds: float
) -> LoadReport:
    graph = loaded.graph if isinstance(loaded, _StaticGraph) else None
    kind: Literal["graph", "factory"] = "graph" if graph is not None else "factory"
    return LoadReport(
        graph_id=source.graph_id,
        description=source.description,
        kind=kind if error is None else "broken",
        seconds=seconds,
        own_checkpointer=graph is not None and isinstance(graph.checkpointer, BaseCheckpointSaver),
        own_store=graph is not None and graph.store is not None,
        error=error,
    )
