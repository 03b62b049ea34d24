"""A graph as `/assistants/{id}/graph` tells it, read leniently: other servers tell it as well."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

START, END = "__start__", "__end__"
#: What XML and terminals cannot take.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: its id, and what is written in it."""

    id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An edge; a conditional one may not be taken, and its label says when it is."""

    source: str
    target: str
    label: str = ""
    conditional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is drawn."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]


def read_picture(drawn: Mapping[str, Any]) -> Picture:
    """Return the graph of an answer of the API; an edge to nowhere is left out."""
    nodes = {str(item["id"]): _node(item) for item in drawn.get("nodes") or ()}
    edges = [_edge(item) for item in drawn.get("edges") or ()]
    known = [edge for edge in edges if edge.source in nodes and edge.target in nodes]
    return Picture(nodes=list(nodes.values()), edges=list(dict.fromkeys(known)))


def _node(item: Mapping[str, Any]) -> Node:
    """Name a node as its id does: the names of classes in `data` are LangGraph's own affair."""
    return Node(id=str(item["id"]), label=clean(str(item["id"])))


def _edge(item: Mapping[str, Any]) -> Edge:
    data, target = item.get("data"), str(item["target"])
    label = "" if data is None or str(data) == target else clean(str(data))
    conditional = bool(item.get("conditional"))
    return Edge(source=str(item["source"]), target=target, label=label, conditional=conditional)


def clean(text: str) -> str:
    """Return a text in one line, without what XML and terminals cannot take."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(cells_of(char) for char in text)


def cells_of(char: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
