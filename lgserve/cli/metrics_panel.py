"""The live panel of `lgserve metrics --watch`; only this module needs Rich."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lgserve.cli.metrics_view import Selection, Tick, seconds_text, short, summed, value_text
from lgserve.cli.output import duration, size
from lgserve.cli.prometheus_text import Series, write_label_set

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 60
_SPARK = 24
#: So many columns have room for two tables side by side.
_WIDE = 100
_NAME = 44
#: Labels that tell more than they take room; series are added up over the others.
_TELLING = ("status", "type", "kind")

_Rows = dict[str, list[Series]]


class Panel:
    """Draws ticks one over the other, and remembers how fast each row moved."""

    def __init__(self, url: str, interval: float, selection: Selection, console: Console) -> None:
        self._url = url
        self._interval = interval
        self._selection = selection
        self._console = console
        self._speeds: dict[str, deque[float]] = {}

    def live(self) -> Live:
        """Return what keeps the panel on the screen."""
        return Live(console=self._console, auto_refresh=False, transient=False)

    def draw(self, tick: Tick) -> RenderableType:
        """Draw a tick, so that it fits the terminal."""
        rows = self._rows(tick.series)
        moving = {name: items for name, items in rows.items() if _is_counter(items[0])}
        still = {name: items for name, items in rows.items() if name not in moving}
        for name, items in moving.items():
            kept = self._speeds.setdefault(name, deque(maxlen=_HISTORY))
            if (speed := summed(tick, items)) is not None:
                kept.append(max(speed, 0.0))
        timings = self._timings(tick)
        wide = self._console.width >= _WIDE
        below = (len(timings) + 1 if timings else 0) + (0 if wide else len(still) + 1)
        shown = self._fitting(moving, self._console.height - below - 4)
        tables = [self._counters(tick, shown), _gauges(still)]
        parts: list[RenderableType] = [self._head(tick)]
        parts += [_beside(tables)] if wide else tables
        if timings:
            parts.append(_timing_table(timings))
        return Group(*parts)

    def lost(self, attempts: int) -> RenderableType:
        """Draw what is shown while the server does not answer."""
        return Text(f"{self._url}   reconnecting ({attempts})", style="yellow")

    def _head(self, tick: Tick) -> Text:
        clock = time.strftime("%H:%M:%S", time.localtime(tick.moment))
        every = duration(self._interval)
        head = Text(f"lgserve {self._url.partition('://')[2]}", style="bold")
        return head.append(f"   every {every}   {clock}   q quit", style="not bold dim")

    def _rows(self, series: Sequence[Series]) -> _Rows:
        """Put series together to rows: all of them when some were asked for, sums otherwise."""
        rows: _Rows = {}
        for item in series:
            if item.kind in ("histogram", "summary"):
                continue
            labels = item.labels
            if self._selection.is_default:
                labels = tuple(pair for pair in labels if pair[0] in _TELLING)
                name = " ".join((short(item.name), *(value for _, value in labels)))
            else:
                name = " ".join((short(item.name), write_label_set(labels))).strip()
            rows.setdefault(name, []).append(item)
        return rows

    def _fitting(self, rows: _Rows, room: int) -> _Rows:
        """Keep as many rows as there is room for; those that count nothing give way first."""
        kept = dict(rows)
        for name in [name for name, items in rows.items() if not any(i.value for i in items)]:
            if len(kept) > room:
                del kept[name]
        return dict(list(kept.items())[: max(room, 1)])

    def _counters(self, tick: Tick, rows: _Rows) -> Table:
        last = f"LAST {_SPARK * self._interval:.0f} S"
        table = _table("COUNTER", (("TOTAL", 6), ("/S", 6)))
        table.add_column(last, no_wrap=True, min_width=min(_SPARK, 12))
        for name, items in rows.items():
            speed = summed(tick, items)
            total = value_text(sum(item.value for item in items))
            shown = "" if speed is None else f"{speed:.1f}"
            table.add_row(Text(name), total, shown, sparkline(list(self._speeds[name])))
        return table

    def _timings(self, tick: Tick) -> list[Series]:
        series = [item for item in tick.series if item.kind == "histogram" and item.value]
        return _merged(series) if self._selection.is_default else series


def terminal(*, color: bool) -> Console:
    """Return the terminal to draw on."""
    return Console(force_terminal=True, color_system="auto" if color else None, highlight=False)


def sparkline(values: Sequence[float]) -> str:
    """Draw the last values as bars, the highest one full."""
    shown = list(values)[-_SPARK:]
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(7, int(value / top * 7.999))] for value in shown)


def _is_counter(series: Series) -> bool:
    return series.kind == "counter" or series.name.endswith("_total")


def _table(first: str, numbers: Sequence[tuple[str, int]]) -> Table:
    """Return a table whose names give way where there is no room, and whose numbers do not."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True, overflow="ellipsis", max_width=_NAME)
    for name, width in numbers:
        table.add_column(name, no_wrap=True, justify="right", min_width=width)
    return table


def _beside(tables: Sequence[Table]) -> Table:
    grid = Table.grid(padding=(0, 4))
    grid.add_row(*tables)
    return grid


def _gauges(rows: _Rows) -> Table:
    table = _table("GAUGE", (("VALUE", 8),))
    for name, items in rows.items():
        total = sum(item.value for item in items)
        label, text = name, value_text(total)
        if name.endswith("_bytes"):
            label, text = name.removesuffix("_bytes"), size(int(total))
        elif name.endswith("_seconds"):
            label, text = name.removesuffix("_seconds"), duration(total)
        table.add_row(Text(label), text)
    return table


def _timing_table(series: Sequence[Series]) -> Table:
    table = _table("TIMING", (("COUNT", 6), ("P50", 8), ("P95", 8), ("P99", 8)))
    for item in series:
        name = short(item.name).removesuffix("_seconds")
        label = f"{name} {write_label_set(item.labels)}".strip()
        quantiles = [seconds_text(item.quantile(part)) for part in (0.5, 0.95, 0.99)]
        table.add_row(Text(label), value_text(item.value), *quantiles)
    return table


def _merged(series: Sequence[Series]) -> list[Series]:
    """Add up the histograms of one family."""
    found: dict[str, Series] = {}
    for item in series:
        total = found.setdefault(item.name, Series(name=item.name, kind=item.kind, labels=()))
        total.value += item.value
        total.sum += item.sum
        for bound, count in item.buckets.items():
            total.buckets[bound] = total.buckets.get(bound, 0.0) + count
    return list(found.values())
