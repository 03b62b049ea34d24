"""What is announced of a server once it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lgserve.graphs.registry import LoadReport


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphReport:
    """How loading one graph went; `error` is one line, `problem` is what `/info` tells of it."""

    graph_id: str
    seconds: float
    error: str | None
    problem: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupReport:
    """What is announced once the server answers."""

    url: str
    data: str
    seconds: float
    graphs: tuple[GraphReport, ...]
    recovered_runs: int
    #: Runs that execute: elsewhere, if this process takes over.
    running_runs: int
    #: The name under which runs are executed.
    owner: str


Announce = Callable[[StartupReport], None]


def graph_report(report: LoadReport) -> GraphReport:
    """Return how loading a graph went."""
    error = report.error
    return GraphReport(
        graph_id=report.graph_id,
        seconds=report.seconds,
        error=None if error is None else error.summary,
        problem=None if error is None else error.to_json(),
    )
