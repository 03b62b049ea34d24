"""Where the `graphs` commands find graphs: at a server, or with --local in the project's files."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias

import typer

from lgserve.cli.context import Session
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.lookup import search_assistants

Row = dict[str, Any]

Graph: TypeAlias = Annotated[str, typer.Argument(metavar="GRAPH", help="The name of the graph.")]
Local: TypeAlias = Annotated[
    bool, typer.Option("--local", help="Import the project's graphs here, without a server.")
]
Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", help="With --local: config file or its folder.")
]


class Graphs(Protocol):
    """What is known of graphs."""

    def rows(self) -> list[Row]:
        """Describe every graph, also those that are broken."""
        ...

    def row(self, graph: str) -> Row:
        """Describe one graph."""
        ...

    def drawing(self, graph: str, xray: int) -> Row:
        """Return the nodes and edges of a graph."""
        ...

    def schemas(self, graph: str) -> Row:
        """Return the JSON schemas of a graph."""
        ...


def open_graphs(session: Session, *, local: bool, config: Path | None) -> Graphs:
    """Return the graphs of the server, or of the project in this folder."""
    if not local:
        if config is not None:
            raise usage_error("--config needs --local", "a server has its own config")
        return ServerGraphs(session)
    from lgserve.cli.local_graphs import LocalGraphs  # imports LangGraph

    return LocalGraphs(config)


def no_such_graph(name: str, known: list[str]) -> CliError:
    """Return the error for a graph that is not there."""
    near = get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"graphs: {', '.join(known) or 'none'}"
    return CliError(
        f'no graph "{name}"', code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND, hint=hint
    )


def broken_graph(name: str, text: str, hint: str | None) -> CliError:
    """Return the error for a graph that does not import; the text has only the user's lines."""
    return CliError(
        f'graph "{name}" does not import',
        code="E_GRAPH",
        exit_code=ExitCode.PROJECT,
        details=text,
        hint=hint,
    )


class ServerGraphs:
    """Asks a server; it need not be ours."""

    def __init__(self, session: Session) -> None:
        self._client = session.client
        self._found: list[Row] | None = None

    def rows(self) -> list[Row]:
        """Describe every graph: each has an assistant that the server made for it."""
        if self._found is None:
            self._found = self._read()
        return self._found

    def row(self, graph: str) -> Row:
        """Describe one graph."""
        rows = self.rows()
        found = next((row for row in rows if row["graph"] == graph), None)
        if found is None:
            raise no_such_graph(graph, [str(row["graph"]) for row in rows])
        return found

    def drawing(self, graph: str, xray: int) -> Row:
        """Return the nodes and edges of a graph."""
        return self._ask(graph, "graph", {"xray": xray or None})

    def schemas(self, graph: str) -> Row:
        """Return the JSON schemas of a graph."""
        return self._ask(graph, "schemas", {})

    def _ask(self, graph: str, what: str, query: Row) -> Row:
        row = self.row(graph)
        if row["error"] is not None:
            raise broken_graph(graph, str(row.get("details") or row["error"]), row.get("hint"))
        return dict(self._client.get(f"/assistants/{row['assistant_id']}/{what}", query))

    def _read(self) -> list[Row]:
        try:
            info = self._client.facts("/info")
        except CliError as exc:
            if exc.exit_code is ExitCode.UNREACHABLE:
                exc.hint = f"{exc.hint} · without a server: --local"
            raise
        errors = info.get("graph_errors") or {}
        assistants = list(search_assistants(self._client, {}))
        own = {row["graph_id"]: row for row in reversed(assistants) if _is_own(row)}
        names = info.get("graphs") or sorted({row["graph_id"] for row in assistants})
        rows = [
            _server_row(name, own.get(name), errors.get(name), _count(assistants, name))
            for name in dict.fromkeys([*names, *errors])
        ]
        known = info.get("graphs")  # a server that does not say has them all
        return [
            row | {"status": "not loaded"}
            if known is not None and row["error"] is None and row["graph"] not in known
            else row
            for row in rows
        ]


def _is_own(assistant: Row) -> bool:
    return bool((assistant.get("metadata") or {}).get("created_by") == "system")


def _count(assistants: list[Row], graph: str) -> int:
    return sum(row["graph_id"] == graph for row in assistants)


def _server_row(name: str, assistant: Row | None, error: Any, assistants: int) -> Row:
    told = error if isinstance(error, dict) else {"message": error, "text": error}
    row = {
        "graph": name,
        "status": "ok" if error is None else "error",
        "assistants": assistants,
        # Of a graph whose assistant was deleted, the name will do.
        "assistant_id": name if assistant is None else assistant["assistant_id"],
        "description": (assistant or {}).get("description"),
        "error": None if error is None else _one_line(told),
    }
    return row if error is None else {**row, "details": told.get("text"), "hint": told.get("hint")}


def _one_line(told: Row) -> str:
    kind = told.get("exception")
    message = str(told.get("message") or "").partition("\n")[0]
    return f"{kind}: {message}" if kind and kind != "GraphLoadError" else message
