"""A drawing as Mermaid text, for Markdown pages that draw it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from lgserve.cli.drawing.model import END, START, Edge, Picture

#: Words that Mermaid does not take as ids.
_RESERVED = ("end", "graph", "subgraph", "style", "class", "click", "default", "flowchart")
_STYLES = (
    "classDef default fill:#f2f0ff,line-height:1.2",
    "classDef first fill-opacity:0",
    "classDef last fill:#bfb6fc",
)


def draw_mermaid(picture: Picture) -> str:
    """Return the flowchart; nodes of subgraphs (`parent:child`) stand in a box."""
    names = _names(picture)
    lines = ["graph TD;"]
    boxes: dict[str, list[str]] = defaultdict(list)
    for node in picture.nodes:
        parent, _, own = node.id.rpartition(":")
        boxes[parent].append(f"{names[node.id]}{_shape(node.id, own)}")
    for parent, inside in boxes.items():
        lines += [f"\t{line};" for line in inside] if not parent else _box(parent, inside)
    lines += [f"\t{line};" for line in _edges(picture, names)]
    lines += [f"\t{line};" for line in _STYLES]
    return "\n".join(lines) + "\n"


def _box(parent: str, inside: list[str]) -> list[str]:
    name = re.sub(r"\W", "_", parent)
    head = f'\tsubgraph sub_{name}["{_quoted(parent)}"]'
    return [head, *(f"\t\t{line};" for line in inside), "\tend"]


def _shape(node_id: str, own: str) -> str:
    text = f'"{_quoted(own)}"'
    if node_id in (START, END):
        return f"([{text}]):::{'first' if node_id == START else 'last'}"
    return f"({text})"


def _edges(picture: Picture, names: dict[str, str]) -> Iterator[str]:
    for edge in picture.edges:
        yield f"{names[edge.source]} {_arrow(edge)} {names[edge.target]}"


def _arrow(edge: Edge) -> str:
    if not edge.label:
        return "-.->" if edge.conditional else "-->"
    text = f'|"{_quoted(edge.label)}"|'
    return f"-.->{text}" if edge.conditional else f"-->{text}"


def _names(picture: Picture) -> dict[str, str]:
    """Give every node an id that Mermaid takes: as its own as can be, and one of a kind."""
    names: dict[str, str] = {}
    for node in picture.nodes:
        name = re.sub(r"[^A-Za-z0-9_]", "_", node.id) or "_"
        if name.lower() in _RESERVED:
            name = f"{name}_"
        while name in names.values():
            name = f"{name}_"
        names[node.id] = name
    return names


def _quoted(text: str) -> str:
    """Write the characters that mean something to Mermaid or HTML by their numbers."""
    return re.sub(r'[#"<>&;`\\{}|\[\]]', lambda found: f"#{ord(found[0])};", text)
