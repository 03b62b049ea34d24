"""How people are told of graphs: those that load, and why others do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lgserve import logs

#: Colours a text with a terminal's code, where colours are wanted.
Paint = Callable[[str, str], str]
#: A graph of a `StartupReport`.
Report = Mapping[str, Any]

#: How the lines of frames begin in the text of a problem.
_FRAME = ('File "', "    ")
_MOST_IN_LINE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why some graphs do not load: what was raised, where, and the user's lines on the way."""

    graphs: tuple[str, ...]
    headline: str
    place: str
    details: tuple[str, ...]
    hint: str | None


def problems_of(told: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Return what is wrong with graphs, as `/info` tells it; graphs of one file share theirs."""
    names: dict[str, list[str]] = {}
    for name, problem in told.items():
        names.setdefault(str(problem["text"]), []).append(name)
    return [_problem(tuple(graphs), told[graphs[0]]) for graphs in names.values()]


def _problem(graphs: tuple[str, ...], told: Mapping[str, Any]) -> Problem:
    lines = str(told["text"]).splitlines()
    first = next((n for n, line in enumerate(lines) if not line.startswith(_FRAME)), 0)
    frames = told["frames"]
    return Problem(
        graphs=graphs,
        headline=lines[first],
        place=f"{frames[-1]['file']}:{frames[-1]['line']}" if frames else "",
        details=(*lines[:first], *lines[first + 1 :]),
        hint=told["hint"] and str(told["hint"]).removeprefix("Try: "),
    )


def graph_text(graph: Report, paint: Paint) -> str:
    """Name a graph with the time its loading took, or with a cross."""
    if graph["error"]:
        return f"{graph['graph_id']} {paint('✗', '31')}"
    return f"{graph['graph_id']} {paint('✓', '32')} {logs.duration(graph['seconds'])}"


def side_by_side(graphs: Iterable[Report], paint: Paint, width: int) -> list[str]:
    """Write graphs side by side, as many a line as fit."""
    lines: list[list[str]] = [[]]
    used = 0
    for graph in graphs:
        size = len(graph["graph_id"]) + 12
        if lines[-1] and used + size > width:
            lines.append([])
            used = 0
        lines[-1].append(graph_text(graph, paint))
        used += size
    return ["   ".join(line) for line in lines]


def in_line(graphs: Sequence[Report], touched: Callable[[Report], bool], paint: Paint) -> str:
    """Write the graphs that something was done to, or else all, on a line; the rest is counted."""
    chosen = [graph for graph in graphs if touched(graph)] or graphs
    more = len(graphs) - len(chosen[:_MOST_IN_LINE])
    parts = [graph_text(graph, paint) for graph in chosen[:_MOST_IN_LINE]]
    return "   ".join([*parts, *([f"and {more} more"] if more else [])])


def broken(graphs: Sequence[Report]) -> dict[str, Mapping[str, Any]]:
    """Return what is wrong with the graphs that do not load."""
    return {graph["graph_id"]: graph["problem"] for graph in graphs if graph["error"]}


def broken_lines(
    graphs: Sequence[Report], known: Mapping[str, Mapping[str, Any]], paint: Paint
) -> list[str]:
    """Write why graphs do not load, unless that is known, and what to do."""
    told = {name: why for name, why in broken(graphs).items() if known.get(name) != why}
    lines: list[str] = []
    for problem in problems_of(told):
        cross = paint("✗", "31")
        lines.append(f"{cross} {', '.join(problem.graphs)}: {logs.printable(problem.headline)}")
        lines += [f"  {line}" for line in detail_lines(problem)]
    if told:
        names = ", ".join(f'"{name}"' for name in told)
        rest = " · other graphs are served" if any(not graph["error"] for graph in graphs) else ""
        lines.append(f"hint: correct it, or remove {names} from graphs{rest}")
    return lines


def detail_lines(problem: Problem) -> list[str]:
    """Write the user's lines on the way to a problem, and what may help."""
    hint = [f"hint: {problem.hint}"] if problem.hint else []
    return [logs.printable(line) for line in (*problem.details, *hint)]
