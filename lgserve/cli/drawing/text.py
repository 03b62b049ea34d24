"""A drawing in characters: boxes in layers, edges at right angles, `┆` where one is conditional."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lgserve.cli.drawing.layout import Layout, Path, Spot, lay_out
from lgserve.cli.drawing.model import Picture, cells_of, width_of

_GAP = 3
#: Rows of a box.
_BOX = 3
#: The four directions of a line, added up: which sides of its cell a character touches.
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_CHARACTERS = {
    _UP: "│", _DOWN: "│", _UP | _DOWN: "│", _LEFT: "─", _RIGHT: "─", _LEFT | _RIGHT: "─",
    _DOWN | _RIGHT: "╭", _DOWN | _LEFT: "╮", _UP | _RIGHT: "╰", _UP | _LEFT: "╯",
    _UP | _DOWN | _RIGHT: "├", _UP | _DOWN | _LEFT: "┤", _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _LEFT | _RIGHT: "┴", _UP | _DOWN | _LEFT | _RIGHT: "┼",
}  # fmt: skip
_DOTTED = {"│": "┆", "─": "┄"}
_PLAIN = str.maketrans("┌┐└┘─│╭╮╰╯├┤┬┴┼┆┄▼▲↺▶", "++++-|+++++++++:.v^@>")


@dataclass(slots=True, kw_only=True)
class _Line:
    """A piece of an edge between two layers: from a column above to one below, over a row."""

    path: Path
    top: int
    bottom: int
    first: bool
    last: bool
    row: int = 0


class _Canvas:
    """A sheet of cells that grows; lines that cross join."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], str] = {}
        self._sides: dict[tuple[int, int], int] = defaultdict(int)
        self._solid: set[tuple[int, int]] = set()

    def put(self, x: int, y: int, text: str) -> None:
        """Write a text; a wide character takes two cells."""
        for char in text:
            self._cells[x, y] = char
            if cells_of(char) == 2:
                self._cells[x + 1, y] = ""
            x += cells_of(char)

    def join(self, x: int, y: int, sides: int, *, dotted: bool) -> None:
        """Let a line touch sides of a cell."""
        self._sides[x, y] |= sides
        if not dotted:
            self._solid.add((x, y))

    def text(self) -> str:
        """Return all of it, without blanks at the ends of lines."""
        cells = {**{at: self._line(at) for at in self._sides}, **self._cells}
        rows: dict[int, dict[int, str]] = defaultdict(dict)
        for (x, y), char in cells.items():
            rows[y][x] = char
        lines = []
        for y in range(max(rows, default=-1) + 1):
            row = rows[y]
            end = max(row, default=-1) + 1
            lines.append("".join(row.get(x, " ") for x in range(end)).rstrip())
        return "\n".join(lines)

    def _line(self, at: tuple[int, int]) -> str:
        char = _CHARACTERS[self._sides[at]]
        return char if at in self._solid else _DOTTED.get(char, char)


def draw_text(picture: Picture, *, plain: bool = False) -> str:
    """Return the drawing; `plain` has nothing but ASCII in it, as far as the names allow."""
    loops = {edge.source for edge in picture.edges if edge.source == edge.target}
    labels = {node.id: node.label + (" ↺" if node.id in loops else "") for node in picture.nodes}
    ports = _ports(picture)
    # Odd widths have a column in the middle, where a single edge leaves straight.
    layout = lay_out(
        picture, lambda name: max(width_of(labels[name]) + 4, 2 * ports[name] + 3) | 1, _GAP
    )
    canvas, y = _Canvas(), 0
    channels = _channels(layout)
    dotted = {id(s) for path in layout.paths if path.edge.conditional for s in path.spots}
    for number, layer in enumerate(layout.layers):
        for spot in layer:
            _draw_spot(canvas, spot, y, labels, dotted)
        y += _BOX
        y += _draw_channel(canvas, channels[number], y) if number < len(layout.layers) - 1 else 0
    text = "\n".join([canvas.text(), *_legend(picture)]) + "\n"
    return text.translate(_PLAIN) if plain else text


def _ports(picture: Picture) -> dict[str, int]:
    """Return how many edges at most one side of a node may have."""
    count: dict[str, int] = defaultdict(int)
    for edge in picture.edges:
        if edge.source != edge.target:
            count[edge.source] += 1
            count[edge.target] += 1
    return count


def _draw_spot(
    canvas: _Canvas, spot: Spot, y: int, labels: dict[str, str], dotted: set[int]
) -> None:
    if spot.node is None:
        for row in range(_BOX):
            canvas.join(spot.x, y + row, _UP | _DOWN, dotted=id(spot) in dotted)
        return
    label = labels[spot.node]
    inside = spot.width - 2
    blanks = inside - width_of(label)
    canvas.put(spot.x, y, f"┌{'─' * inside}┐")
    canvas.put(spot.x, y + 1, f"│{' ' * (blanks // 2)}{label}{' ' * (blanks - blanks // 2)}│")
    canvas.put(spot.x, y + 2, f"└{'─' * inside}┘")


def _channels(layout: Layout) -> list[list[_Line]]:
    """Return the pieces of edges between each two layers, with their columns and rows."""
    pieces: list[list[tuple[Path, Spot, Spot]]] = [[] for _ in layout.layers]
    for path in layout.paths:
        for upper, lower in pairwise(path.spots):
            pieces[upper.layer].append((path, upper, lower))
    tops: dict[tuple[int, int], int] = {}
    bottoms: dict[tuple[int, int], int] = {}
    for found in pieces:
        _columns(found, tops, below=True)
        _columns(found, bottoms, below=False)
    channels = []
    for number, found in enumerate(pieces):
        lines = [
            _Line(
                path=path,
                top=tops[id(path), number],
                bottom=bottoms[id(path), number],
                first=upper is path.spots[0],
                last=lower is path.spots[-1],
            )
            for path, upper, lower in found
        ]
        _rows(lines)
        channels.append(lines)
    return channels


def _columns(
    pieces: Sequence[tuple[Path, Spot, Spot]], columns: dict[tuple[int, int], int], *, below: bool
) -> None:
    """Give every edge a column of its own at a node, in the order of where it leads."""
    by_spot: dict[int, list[tuple[float, int, Path, Spot, int]]] = defaultdict(list)
    for number, (path, upper, lower) in enumerate(pieces):
        own, other = (upper, lower) if below else (lower, upper)
        by_spot[id(own)].append((other.middle, number, path, own, upper.layer))
    for leading in by_spot.values():
        leading.sort(key=lambda item: item[:2])
        own = leading[0][3]
        left = own.x + (own.width - 2 * len(leading) + 1) // 2
        for at, (_, _, path, _, layer) in enumerate(leading):
            columns[id(path), layer] = own.x if own.node is None else left + 2 * at


def _rows(lines: list[_Line]) -> None:
    """Give every edge that moves sideways a row in which it meets no other.

    An edge that goes down in the column where another one came from has to turn above it.
    """
    moving = sorted((line for line in lines if line.top != line.bottom), key=_span)
    rows: list[list[_Line]] = []
    for line in _by_columns(moving):
        low, high = sorted((line.top, line.bottom))
        least = max(
            (other.row + 1 for other in moving if other.row and other.top == line.bottom), default=1
        )
        line.row = next(
            (
                number
                for number, row in enumerate(rows, 1)
                if number >= least and all(_apart(other, low, high) for other in row)
            ),
            max(len(rows) + 1, least),
        )
        while len(rows) < line.row:
            rows.append([])
        rows[line.row - 1].append(line)


def _by_columns(lines: Sequence[_Line]) -> Iterator[_Line]:
    """Yield first what must turn higher; where that goes in a circle, the order does not matter."""
    left = list(lines)
    while left:
        chosen = next(
            (
                line
                for line in left
                if not any(other.top == line.bottom for other in left if other is not line)
            ),
            left[0],
        )
        left.remove(chosen)
        yield chosen


def _span(line: _Line) -> tuple[int, int]:
    return abs(line.top - line.bottom), line.top


def _apart(line: _Line, low: int, high: int) -> bool:
    one, other = sorted((line.top, line.bottom))
    return other < low or high < one


def _draw_channel(canvas: _Canvas, lines: Sequence[_Line], y: int) -> int:
    """Draw the edges between two layers, and return how many rows they take."""
    rows = max((line.row for line in lines), default=0)
    height = rows + 2
    for line in lines:
        dotted = line.path.edge.conditional
        turn = y + (line.row or 1)
        for at in range(y, turn):
            canvas.join(line.top, at, _UP | _DOWN, dotted=dotted)
        _draw_turn(canvas, line, turn, dotted=dotted)
        for at in range(turn + 1, y + height):
            canvas.join(line.bottom, at, _UP | _DOWN, dotted=dotted)
        if line.last and not line.path.upward:
            canvas.put(line.bottom, y + height - 1, "▼")
        if line.first and line.path.upward:
            canvas.put(line.top, y, "▲")
    return height


def _draw_turn(canvas: _Canvas, line: _Line, y: int, *, dotted: bool) -> None:
    if line.top == line.bottom:
        canvas.join(line.top, y, _UP | _DOWN, dotted=dotted)
        return
    right = line.bottom > line.top
    canvas.join(line.top, y, _UP | (_RIGHT if right else _LEFT), dotted=dotted)
    canvas.join(line.bottom, y, _DOWN | (_LEFT if right else _RIGHT), dotted=dotted)
    for x in range(min(line.top, line.bottom) + 1, max(line.top, line.bottom)):
        canvas.join(x, y, _LEFT | _RIGHT, dotted=dotted)


def _legend(picture: Picture) -> Iterator[str]:
    """Say what is not drawn: when conditional edges with a name are taken."""
    named = [edge for edge in picture.edges if edge.label]
    names = {node.id: node.label for node in picture.nodes}
    if named:
        yield ""
    for edge in named:
        line = "┄" if edge.conditional else "─"
        yield f"{names[edge.source]} {line}{line} {edge.label} {line}{line}▶ {names[edge.target]}"
