"""`lgserve store stats`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from lgserve.cli.arguments import dotted, parse_namespace
from lgserve.cli.context import Session, open_session
from lgserve.cli.lazy import new_app
from lgserve.cli.options import command
from lgserve.cli.output import Noun, size
from lgserve.cli.store_items import bytes_of, search_items, switched_off

_SHOWN_ROOTS = 20
_STATS = Noun(
    id_field="items",
    columns=(),
    fields=("items", "bytes", "namespaces", "expiring", "oldest", "newest", "by_namespace"),
)

app = new_app("stats", "Count items and bytes.")


@command(app, "stats", shared=open_session, translate=switched_off)
def show_stats(
    session: Session,
    namespace: Annotated[
        str, typer.Argument(metavar="[NAMESPACE]", help="Such as users.42; without it, all items.")
    ] = "",
) -> None:
    """Count items and bytes, by reading every item."""
    prefix = parse_namespace(namespace)
    items = 0
    total = expiring = 0
    below: Counter[str] = Counter()
    namespaces: set[tuple[str, ...]] = set()
    moments: list[str] = []
    for item in search_items(session.client, {"namespace_prefix": prefix}):
        items += 1
        total += bytes_of(item["value"])
        expiring += item.get("expires_at") is not None
        namespaces.add(tuple(item["namespace"]))
        below[dotted(item["namespace"][: len(prefix) + 1])] += 1
        moments = (
            [min(*moments, item["updated_at"]), max(*moments, item["updated_at"])]
            if moments
            else [item["updated_at"]] * 2
        )
    stats = {
        "items": items,
        "bytes": total,
        "namespaces": len(namespaces),
        "expiring": expiring,
        "oldest": moments[0] if moments else None,
        "newest": moments[1] if moments else None,
        "by_namespace": dict(below.most_common()),
    }
    session.out.item(_STATS, stats, _lines(session, stats))


def _lines(session: Session, stats: dict[str, Any]) -> list[tuple[str, str]]:
    rows = list(stats["by_namespace"].items())
    lines = [
        ("items", str(stats["items"])),
        ("values", size(stats["bytes"])),
        ("namespaces", str(stats["namespaces"])),
        ("expiring", str(stats["expiring"])),
        ("oldest", session.out.time(stats["oldest"])),
        ("newest", session.out.time(stats["newest"])),
        *((name, f"{count} items") for name, count in rows[:_SHOWN_ROOTS]),
    ]
    if len(rows) > _SHOWN_ROOTS:
        lines.append(("…", f"and {len(rows) - _SHOWN_ROOTS} more"))
    return [(label, text) for label, text in lines if text]
