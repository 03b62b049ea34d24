"""A drawing as an SVG file: valid XML, with nothing in it that is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from lgserve.cli.drawing.layout import Layout, Path, Spot, lay_out
from lgserve.cli.drawing.model import END, START, Picture, width_of

_CHAR, _PADDING, _HEIGHT = 8, 28, 36
_LAYER, _GAP, _MARGIN = 92, 32, 24
#: Beside the last node, for an edge from it to itself.
_LOOP_ROOM = 40
_STYLE = (
    "rect{fill:#f2f0ff;stroke:#6c5ce7;stroke-width:1.2}"
    ".end{fill:#ffffff}.edge{fill:none;stroke:#444;stroke-width:1.4}"
    ".maybe{stroke-dasharray:5 4}text{font:13px ui-monospace,monospace;text-anchor:middle;"
    "fill:#222}.label{font-size:11px;fill:#555;paint-order:stroke;stroke:#fff;stroke-width:4px}"
)


def draw_svg(picture: Picture, title: str) -> str:
    """Return the document; conditional edges are dashed."""
    layout = lay_out(picture, lambda name: width_of(name) * _CHAR + _PADDING, _GAP)
    width = max(layout.width, 120) + 2 * _MARGIN + (_LOOP_ROOM if layout.loops else 0)
    height = max(len(layout.layers) - 1, 0) * _LAYER + _HEIGHT + 2 * _MARGIN
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
        ' markerHeight="8" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"'
        ' fill="#444"/></marker></defs>',
        *_edges(layout),
        *_loops(layout),
        *_nodes(picture, layout),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _nodes(picture: Picture, layout: Layout) -> Iterator[str]:
    labels = {node.id: node.label for node in picture.nodes}
    for spot in _spots(layout):
        if spot.node is None:
            continue
        x, y = spot.x + _MARGIN, _top(spot)
        kind = ' class="end"' if spot.node in (START, END) else ""
        label = (
            f'<text x="{_x(spot)}" y="{y + _HEIGHT / 2 + 4.5}">{escape(labels[spot.node])}</text>'
        )
        yield (
            f'<g><rect{kind} x="{x}" y="{y}" width="{spot.width}" height="{_HEIGHT}" rx="8"/>'
            f"{label}</g>"
        )


def _edges(layout: Layout) -> Iterator[str]:
    for number, path in enumerate(layout.paths):
        points = list(_points(path, _shift(layout, number)))
        kind = "edge maybe" if path.edge.conditional else "edge"
        marker = "marker-start" if path.upward else "marker-end"
        yield f'<path class="{kind}" d="{_curve(points)}" {marker}="url(#arrow)"/>'
        if path.edge.label:
            (x1, y1), (x2, y2) = points[0], points[1]
            yield (
                f'<text class="label" x="{(x1 + x2) / 2:g}" y="{(y1 + y2) / 2:g}">'
                f"{escape(path.edge.label)}</text>"
            )


def _shift(layout: Layout, number: int) -> float:
    """Keep edges apart that join the same two nodes."""
    ends = [{id(path.spots[0]), id(path.spots[-1])} for path in layout.paths]
    same = [at for at, pair in enumerate(ends) if pair == ends[number]]
    return (same.index(number) - (len(same) - 1) / 2) * 16


def _points(path: Path, shift: float) -> Iterator[tuple[float, float]]:
    last = len(path.spots) - 1
    for at, spot in enumerate(path.spots):
        x, y = _x(spot) + shift, _top(spot)
        if at > 0:
            yield x, y
        if at < last:
            yield x, y + _HEIGHT


def _curve(points: list[tuple[float, float]]) -> str:
    """Return a line that leaves and arrives straight, and bends smoothly between layers."""
    (x, y), *rest = points
    parts = [f"M{x:g} {y:g}"]
    for to_x, to_y in rest:
        half = (to_y - y) / 2
        parts.append(f"C{x:g} {y + half:g} {to_x:g} {to_y - half:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return "".join(parts)


def _loops(layout: Layout) -> Iterator[str]:
    spots = {spot.node: spot for spot in _spots(layout)}
    for edge in layout.loops:
        spot = spots[edge.source]
        x, y = spot.x + spot.width + _MARGIN, _top(spot)
        kind = "edge maybe" if edge.conditional else "edge"
        yield (
            f'<path class="{kind}" d="M{x} {y + 10}C{x + 34} {y} {x + 34} {y + _HEIGHT} {x}'
            f' {y + _HEIGHT - 10}" marker-end="url(#arrow)"/>'
        )
        if edge.label:
            yield f'<text class="label" x="{x + 30}" y="{y - 4}">{escape(edge.label)}</text>'


def _spots(layout: Layout) -> Iterator[Spot]:
    for layer in layout.layers:
        yield from layer


def _x(spot: Spot) -> float:
    return spot.middle + _MARGIN


def _top(spot: Spot) -> int:
    return spot.layer * _LAYER + _MARGIN
