"""`lgserve graphs show`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lgserve.cli.context import Session, open_session
from lgserve.cli.graph_sources import Config, Graph, Local, open_graphs
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, duration

_GRAPH = Noun(
    id_field="graph",
    columns=(),
    fields=("graph", "path", "description", "nodes", "edges", "input", "output", "state"),
)

#: More kinds than this are counted: a list of messages has a dozen.
_KINDS = 4

app = new_app("show", "Show one graph.")


@command(app, "show", shared=open_session)
def show_graph(session: Session, graph: Graph, local: Local = False, config: Config = None) -> None:
    """Show one graph: where it comes from, its nodes and edges, its input, output and state.

    Example: lgserve graphs show agent
    """
    graphs = open_graphs(session, local=local, config=config)
    row = graphs.row(graph)
    drawn, schemas = graphs.drawing(graph, 0), graphs.schemas(graph)
    item = {
        **row,
        "nodes": [node["id"] for node in drawn["nodes"]],
        "edges": drawn["edges"],
        **{part: _keys(schemas.get(f"{part}_schema")) for part in ("input", "output", "state")},
        "context": _keys(schemas.get("context_schema")),
    }
    session.out.item(_GRAPH, item, _lines(item))


def _keys(schema: Any) -> dict[str, str]:
    """Return the keys of a schema with their types."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return {name: _type(about) for name, about in (properties or {}).items()}


def _type(about: Any) -> str:
    if not isinstance(about, dict):
        return "any"
    if "$ref" in about:
        return str(about["$ref"]).rpartition("/")[2]
    if about.get("type") == "array":
        return f"array of {_type(about.get('items', {}))}"
    if several := about.get("anyOf") or about.get("oneOf"):
        kinds = list(dict.fromkeys(_type(one) for one in several))
        shown = kinds if len(kinds) <= _KINDS else [*kinds[:2], f"{len(kinds) - 2} others"]
        return " or ".join(shown)
    return str(about.get("type", "any"))


def _lines(item: dict[str, Any]) -> list[tuple[str, str]]:
    leading: dict[str, list[str]] = defaultdict(list)
    for edge in item["edges"]:
        leading[edge["source"]].append(
            f"{'┄▶' if edge.get('conditional') else '─▶'} {edge['target']}"
        )
    seconds = item.get("seconds")
    lines = [
        ("graph", str(item["graph"])),
        ("path", str(item.get("path") or "")),
        ("about", str(item.get("description") or "")),
        ("import", duration(seconds) if isinstance(seconds, float) else ""),
        ("assistant", str(item.get("assistant_id") or "")),
        *(("node", f"{name} {'  '.join(leading[name])}".rstrip()) for name in item["nodes"]),
        *((part, _typed(item[part])) for part in ("input", "output", "state", "context")),
    ]
    return [(label, text) for label, text in lines if text]


def _typed(keys: dict[str, str]) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in keys.items())
