"""The project's graphs, imported in this process; what they print meanwhile goes to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from lgserve.cli.errors import CliError
from lgserve.cli.graph_sources import Row, broken_graph, no_such_graph


class LocalGraphs:
    """Imports the graphs of the project, all at once, as the server does."""

    def __init__(self, config: Path | None) -> None:
        from lgserve.cli.project_graphs import import_project

        self._settings = _settings(config)
        with _talking_aside():
            self._registry = import_project(self._settings.project)

    def ids(self) -> list[str]:
        """Return the names of all graphs, in the order of the config."""
        return list(self._registry.ids())

    def named(self, graph: str) -> str:
        """Return the name of a graph, if there is such a one."""
        if graph not in self._registry.ids():
            raise no_such_graph(graph, self.ids())
        return graph

    def error(self, graph: str) -> CliError | None:
        """Return why a graph does not import, in the user's own lines."""
        found = self._registry.errors().get(self.named(graph))
        return None if found is None else broken_graph(graph, found.text, found.hint)

    def rows(self) -> list[Row]:
        """Describe every graph, also those that are broken."""
        return [self.row(graph) for graph in self.ids()]

    def row(self, graph: str) -> Row:
        """Describe one graph."""
        report = {item.graph_id: item for item in self._registry.reports()}[self.named(graph)]
        return {
            "graph": graph,
            "status": "ok" if report.error is None else "error",
            "kind": report.kind,
            "path": self._settings.project.graphs[graph].path,
            "seconds": round(report.seconds, 3),
            "description": report.description,
            "error": report.error.summary if report.error else None,
        }

    def drawing(self, graph: str, xray: int) -> Row:
        """Return the nodes and edges of a graph."""
        from lgserve.graphs.schemas import draw

        # LangGraph takes False for none; a depth otherwise.
        return self._look(graph, lambda opened: draw(opened, xray or False))

    def schemas(self, graph: str) -> Row:
        """Return the JSON schemas of a graph."""
        from lgserve.graphs.schemas import graph_schemas

        async def describe(opened: Any) -> Row:
            return graph_schemas(graph, opened)

        return self._look(graph, describe)

    def _look(self, graph: str, work: Callable[[Any], Coroutine[Any, Any, Row]]) -> Row:
        """Enter the graph, which runs its factory if it has one; its errors are the user's."""
        from lgserve.graphs.tracebacks import describe_error

        if error := self.error(graph):
            raise error
        with _talking_aside():
            try:
                return asyncio.run(self._enter(graph, work))
            except Exception as exc:
                project = self._settings.project
                told = describe_error(exc, project.root, project.import_paths)
                raise broken_graph(graph, told.text, told.hint) from exc

    async def _enter(self, graph: str, work: Callable[[Any], Coroutine[Any, Any, Row]]) -> Row:
        config = {"configurable": {"graph_id": graph}}
        entered = self._registry.open(graph, config, access_context="assistants.read", store=None)
        async with entered as opened:
            return await work(opened)


def _settings(config: Path | None) -> Any:
    from lgserve.cli.server_options import translate
    from lgserve.core.errors import LgserveError
    from lgserve.settings import ServerFlags, export_environment, load_settings

    try:
        settings = load_settings(ServerFlags(config=config))
    except LgserveError as exc:
        raise translate(exc) or exc from exc
    export_environment(settings.project)
    return settings


@contextlib.contextmanager
def _talking_aside() -> Iterator[None]:
    """Let what the user's code prints go to stderr: stdout is for data."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
