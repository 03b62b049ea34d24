"""`lgserve graphs draw`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from lgserve.cli.context import Session, open_session
from lgserve.cli.errors import usage_error
from lgserve.cli.files import write_file
from lgserve.cli.graph_sources import Config, Graph, Local, open_graphs
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import write

Drawing = Literal["ascii", "mermaid", "svg"]
_BY_SUFFIX: dict[str, Drawing] = {
    ".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "mermaid", ".txt": "ascii",
}  # fmt: skip

app = new_app("draw", "Draw one graph.")


@command(app, "draw", shared=open_session)
def draw_graph(
    session: Session,
    graph: Graph,
    kind: Annotated[
        Drawing | None,
        typer.Option("--format", help="ascii, mermaid or svg; by FILE's name, else ascii."),
    ] = None,
    xray: Annotated[int, typer.Option("--xray", min=0, help="Open subgraphs, to this depth.")] = 0,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Write to this file.")] = None,
    local: Local = False,
    config: Config = None,
) -> None:
    """Draw one graph: in characters, as Mermaid text or as SVG; nothing leaves this machine.

    With -o json and no --format, writes its nodes and edges.

    Examples: lgserve graphs draw agent; lgserve graphs draw agent --xray 1 -f agent.svg
    """
    drawn = open_graphs(session, local=local, config=config).drawing(graph, xray)
    data = session.out.format != "table"
    if data and kind is None and file is None:
        session.out.value(drawn)
        return
    chosen = kind or (_BY_SUFFIX.get(file.suffix.lower()) if file else None) or "ascii"
    text = _draw(drawn, graph, chosen, plain=file is None and not data and not _knows_lines())
    if file is not None:
        write_file(file, text)
        session.out.note(f"wrote {file}")
    elif data:
        session.out.value({"graph": graph, "format": chosen, "drawing": text})
    else:
        write(text)


def _draw(drawn: dict[str, Any], graph: str, kind: Drawing, *, plain: bool) -> str:
    """Draw it; each way is imported only when it is wanted."""
    from lgserve.cli.drawing.model import read_picture

    picture = read_picture(drawn)
    if kind == "mermaid":
        from lgserve.cli.drawing.mermaid import draw_mermaid

        return draw_mermaid(picture)
    if kind == "svg":
        from lgserve.cli.drawing.svg import draw_svg

        return draw_svg(picture, graph)
    if kind not in get_args(Drawing):
        raise usage_error(f"{kind!r} is no format", f"formats: {', '.join(get_args(Drawing))}")
    from lgserve.cli.drawing.text import draw_text

    return draw_text(picture, plain=plain)


def _knows_lines() -> bool:
    """Tell whether stdout takes the characters of boxes."""
    try:
        "┌▼┆↺".encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
