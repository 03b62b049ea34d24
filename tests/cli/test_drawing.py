"""Drawings: every node and edge is there, boxes are whole, XML is XML, and nothing overlaps."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest

from lgserve.cli.drawing.layout import lay_out
from lgserve.cli.drawing.mermaid import draw_mermaid
from lgserve.cli.drawing.model import Picture, read_picture
from lgserve.cli.drawing.svg import draw_svg
from lgserve.cli.drawing.text import draw_text

SVG = "{http://www.w3.org/2000/svg}"


def picture(*edges: tuple[Any, ...], more: tuple[str, ...] = ()) -> Picture:
    """A graph of (source, target[, conditional[, label]])."""
    names = dict.fromkeys([name for edge in edges for name in edge[:2]] + list(more))
    return read_picture(
        {
            "nodes": [{"id": name, "type": "runnable"} for name in names],
            "edges": [
                {
                    "source": edge[0],
                    "target": edge[1],
                    "conditional": bool(edge[2:3] and edge[2]),
                    **({"data": edge[3]} if len(edge) > 3 else {}),
                }
                for edge in edges
            ],
        }
    )


AGENT = picture(
    ("__start__", "model"),
    ("model", "tools", True),
    ("model", "__end__", True),
    ("tools", "model"),
)
DIAMOND = picture(
    ("__start__", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "__end__"),
    ("a", "__end__", True, "skip"), ("d", "a", True, "again"), ("c", "c", True),
)  # fmt: skip


def test_an_agent_is_drawn_as_people_draw_it() -> None:
    assert draw_text(AGENT) == (
        "  ┌───────────┐\n"
        "  │ __start__ │\n"
        "  └───────────┘\n"
        "        │\n"
        "        ▼\n"
        "   ┌─────────┐\n"
        "   │  model  │\n"
        "   └─────────┘\n"
        "      ┆ ▲ ┆\n"
        "   ╭┄┄╯ │ ╰┄┄┄┄┄┄╮\n"
        "   ┆ ╭──╯        ┆\n"
        "   ▼ │           ▼\n"
        "┌───────┐   ┌─────────┐\n"
        "│ tools │   │ __end__ │\n"
        "└───────┘   └─────────┘\n"
    )


def test_plain_drawings_are_ascii() -> None:
    text = draw_text(DIAMOND, plain=True)
    assert text.isascii()
    assert "| __start__ |" in text
    assert "v" in text


def test_labels_of_edges_are_told_below_and_loops_at_the_node() -> None:
    text = draw_text(DIAMOND)
    assert "a ┄┄ skip ┄┄▶ __end__" in text
    assert "d ┄┄ again ┄┄▶ a" in text
    assert "│ c ↺ │" in text


def test_names_in_wide_characters_keep_the_boxes_straight() -> None:
    lines = draw_text(picture(("__start__", "検索"))).splitlines()
    box = next(line for line in lines if "検索" in line)
    under = lines[lines.index(box) + 1]
    assert len(box) + 2 == len(under)  # two characters of two columns


@pytest.mark.parametrize("seed", range(60))
def test_any_graph_is_drawn_whole(seed: int) -> None:
    """No box is cut by an edge or another box, and no edge is lost."""
    dice = random.Random(seed)
    names = ["__start__", *(f"node_{n}" for n in range(dice.randint(1, 9))), "__end__"]
    edges = [
        (dice.choice(names), dice.choice(names), dice.random() < 0.5)
        for _ in range(dice.randint(1, 18))
    ]
    drawn = picture(*edges, more=tuple(names))
    text = draw_text(drawn)
    loops = {edge.source for edge in drawn.edges if edge.source == edge.target}
    for name in names:
        label = f"{name} ↺" if name in loops else name
        assert re.search(rf"│ *{label} *│", text), text
    assert text.count("┌") == text.count("┐") == text.count("└") == text.count("┘") == len(names)
    straight = [edge for edge in drawn.edges if edge.source != edge.target]
    assert text.count("▼") + text.count("▲") == len(straight), text
    root = ET.fromstring(draw_svg(drawn, "it").encode())
    assert len(root.findall(f"{SVG}g")) == len(names)
    assert len(root.findall(f"{SVG}path")) == len(drawn.edges)


@pytest.mark.parametrize("seed", range(20))
def test_spots_of_a_layer_keep_their_distance(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"n{n}" for n in range(12)]
    drawn = picture(*((dice.choice(names), dice.choice(names)) for _ in range(20)))
    for layer in lay_out(drawn, lambda name: len(name) + dice.randint(2, 9), 3).layers:
        for one, following in pairwise(layer):
            assert following.x - (one.x + one.width) >= 3


def test_a_deep_graph_needs_no_recursion() -> None:
    chain = picture(*((f"n{n}", f"n{n + 1}") for n in range(3000)))
    assert draw_text(chain).count("▼") == 3000


def test_a_graph_of_nothing_is_drawn() -> None:
    nothing = read_picture({"nodes": [], "edges": []})
    assert draw_text(nothing) == "\n"
    ET.fromstring(draw_svg(nothing, "").encode())
    assert draw_mermaid(nothing).startswith("graph TD;")


def test_svg_takes_any_name() -> None:
    odd = picture(("<a & 'b'>", 'c"\x00\x1b[31m\ud800'))
    root = ET.fromstring(draw_svg(odd, "<&\"'>").encode())
    texts = [found.text for found in root.iter(f"{SVG}text")]
    assert texts[0] == "<a & 'b'>"
    assert root.find(f"{SVG}title") is not None
    assert "http" not in draw_svg(odd, "x").replace("http://www.w3.org/2000/svg", "")


def test_mermaid_has_subgraphs_labels_and_safe_ids() -> None:
    text = draw_mermaid(
        picture(
            ("__start__", "end"),
            ("end", "child:one"),
            ("child:one", "child:two", True, 'a "b"'),
            ("child:two", "a b"),
            ("a b", "a_b"),
        )
    )
    assert '\tend_("end");\n' in text
    assert '\tsubgraph sub_child["child"]\n\t\tchild_one("one");\n' in text
    assert '\tchild_one -.->|"a #34;b#34;"| child_two;\n' in text
    assert "\ta_b --> a_b_;\n" in text
    assert '__start__(["__start__"]):::first' in text


def test_edges_to_nowhere_are_left_out() -> None:
    drawn = read_picture({"nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "b"}]})
    assert drawn.edges == []
