"""Where nodes stand: in layers from the start downward, each in an order with few crossings.

After Sugiyama: turn the edges that close a cycle, take the longest path for the layers, cut long
edges into pieces of one layer, order by the middle of the neighbours, then move towards them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lgserve.cli.drawing.model import START, Edge, Picture

_SWEEPS = 12


@dataclass(slots=True, kw_only=True)
class Spot:
    """A node, or the bend of a long edge; `node` is its id, None for a bend."""

    node: str | None
    layer: int
    width: int
    #: The left end.
    x: int = 0
    #: The neighbours above and below; as often as there are edges.
    above: list[Spot] = field(default_factory=list, repr=False)
    below: list[Spot] = field(default_factory=list, repr=False)

    @property
    def middle(self) -> float:
        """Where edges lead to."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """An edge through the layers, downward; `upward` if it leads from the last to the first."""

    edge: Edge
    spots: Sequence[Spot]
    upward: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Every layer from left to right, the edges, and those from a node to itself."""

    layers: Sequence[Sequence[Spot]]
    paths: Sequence[Path]
    loops: Sequence[Edge]
    width: int


def lay_out(picture: Picture, width_of: Callable[[str], int], gap: int) -> Layout:
    """Give every node its place; `width_of` tells how wide the label of a node is."""
    loops = [edge for edge in picture.edges if edge.source == edge.target]
    edges = [edge for edge in picture.edges if edge.source != edge.target]
    turned = _closing(picture, edges)
    depth = _depths(picture, edges, turned)
    spots = {
        node.id: Spot(node=node.id, layer=depth[node.id], width=width_of(node.id))
        for node in picture.nodes
    }
    layers: list[list[Spot]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for spot in spots.values():
        layers[spot.layer].append(spot)
    paths = [_path(edge, edge in turned, spots, layers) for edge in edges]
    for sweep in range(_SWEEPS):
        _order(layers, downward=sweep % 2 == 0)
    _place(layers, gap)
    width = max((layer[-1].x + layer[-1].width for layer in layers if layer), default=0)
    return Layout(layers=layers, paths=paths, loops=loops, width=width)


def _closing(picture: Picture, edges: Sequence[Edge]) -> set[Edge]:
    """Return the edges that close a cycle, found by walking from the start."""
    leaving: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        leaving[edge.source].append(edge)
    closing: set[Edge] = set()
    state: dict[str, str] = {}
    for first in sorted((node.id for node in picture.nodes), key=lambda name: name != START):
        if first not in state:
            _walk(first, leaving, state, closing)
    return closing


def _walk(
    first: str, leaving: dict[str, list[Edge]], state: dict[str, str], closing: set[Edge]
) -> None:
    """Go through all that can be reached, depth first; without recursion, as graphs may be deep."""
    state[first] = "open"
    stack = [(first, iter(leaving[first]))]
    while stack:
        name, rest = stack[-1]
        edge = next(rest, None)
        if edge is None:
            state[name] = "done"
            stack.pop()
        elif state.get(edge.target) == "open":
            closing.add(edge)
        elif edge.target not in state:
            state[edge.target] = "open"
            stack.append((edge.target, iter(leaving[edge.target])))


def _depths(picture: Picture, edges: Sequence[Edge], turned: set[Edge]) -> dict[str, int]:
    """Return the layer of every node: the longest way to it from a node that nothing leads to."""
    below: dict[str, list[str]] = defaultdict(list)
    waiting = {node.id: 0 for node in picture.nodes}
    for edge in edges:
        upper, lower = _ends(edge, upward=edge in turned)
        below[upper].append(lower)
        waiting[lower] += 1
    depth = {node.id: 0 for node in picture.nodes}
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:
        for lower in below[name]:
            depth[lower] = max(depth[lower], depth[name] + 1)
            waiting[lower] -= 1
            if not waiting[lower]:
                ready.append(lower)
    return depth


def _ends(edge: Edge, *, upward: bool) -> tuple[str, str]:
    return (edge.target, edge.source) if upward else (edge.source, edge.target)


def _path(edge: Edge, upward: bool, spots: dict[str, Spot], layers: list[list[Spot]]) -> Path:
    upper, lower = (spots[name] for name in _ends(edge, upward=upward))
    bends = [Spot(node=None, layer=n, width=1) for n in range(upper.layer + 1, lower.layer)]
    for bend in bends:
        layers[bend.layer].append(bend)
    chain = [upper, *bends, lower]
    for one, following in pairwise(chain):
        one.below.append(following)
        following.above.append(one)
    return Path(edge=edge, spots=chain, upward=upward)


def _order(layers: Sequence[list[Spot]], *, downward: bool) -> None:
    """Sort each layer by the middle of its neighbours in the one before."""
    for layer in layers if downward else reversed(layers):
        place = {id(spot): at for other in layers for at, spot in enumerate(other)}

        def middle(spot: Spot, place: dict[int, int] = place) -> float:
            near = spot.above if downward else spot.below
            own = place[id(spot)]
            return sum(place[id(one)] for one in near) / len(near) if near else own

        layer.sort(key=middle)


def _place(layers: Sequence[Sequence[Spot]], gap: int) -> None:
    """Set the layers side by side, then pull every spot towards its neighbours."""
    for layer in layers:
        x = 0
        for spot in layer:
            spot.x, x = x, x + spot.width + gap
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _pull(layer, gap, downward=sweep % 2 == 0)
    least = min((layer[0].x for layer in layers if layer), default=0)
    for layer in layers:
        for spot in layer:
            spot.x -= least


def _pull(layer: Sequence[Spot], gap: int, *, downward: bool) -> None:
    """Move the spots of a layer to where their neighbours are, without pushing one over another."""
    wanted = [_wanted(spot, downward=downward) for spot in layer]
    lefts = list(wanted)
    for at in range(1, len(layer)):
        lefts[at] = max(lefts[at], lefts[at - 1] + layer[at - 1].width + gap)
    rights = list(wanted)
    for at in range(len(layer) - 2, -1, -1):
        rights[at] = min(rights[at], rights[at + 1] - layer[at].width - gap)
    for spot, left, right in zip(layer, lefts, rights, strict=True):
        spot.x = (left + right) // 2
    for at in range(1, len(layer)):  # what rounding has taken
        before = layer[at - 1]
        layer[at].x = max(layer[at].x, before.x + before.width + gap)


def _wanted(spot: Spot, *, downward: bool) -> int:
    near = (spot.above if downward else spot.below) or spot.above or spot.below
    if not near:
        return spot.x
    return round(sum(one.middle for one in near) / len(near) - spot.width / 2)
