"""The live panel of `lgserve metrics --watch`; only this module needs Rich."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lgserve.cli.metrics_view import Selection, Tick, seconds_text, short, summed, value_text
from lgserve.cli.output import duration
from lgserve.cli.prometheus_text import Series, write_label_set

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 60
_SPARK = 24
#: Labels that tell more than they take room; series are added up over the others.
_TELLING = ("status", "type", "kind")

_Rows = dict[str, list[Series]]


@dataclass(slots=True)
class Panel:
    """Draws ticks one over the other, and remembers how fast each row moved."""

    url: str
    interval: float
    selection: Selection
    color: bool
    _speeds: dict[str, deque[float]] = field(default_factory=dict)
    _lost: str = ""

    def live(self) -> Live:
        """Return what keeps the panel on the screen."""
        console = Console(
            force_terminal=True, color_system="auto" if self.color else None, highlight=False
        )
        return Live(console=console, auto_refresh=False, transient=False)

    def draw(self, tick: Tick) -> RenderableType:
        """Draw a tick."""
        rows = self._rows(tick.series)
        moving = {name: items for name, items in rows.items() if _is_counter(items[0])}
        gauges = {name: items for name, items in rows.items() if items[0].kind == "gauge"}
        gauges = {name: items for name, items in gauges.items() if name not in moving}
        timings = [item for item in tick.series if item.kind == "histogram" and item.value]
        for name, items in moving.items():
            kept = self._speeds.setdefault(name, deque(maxlen=_HISTORY))
            if (speed := summed(tick, items)) is not None:
                kept.append(max(speed, 0.0))
        sides = Table.grid(padding=(0, 4))
        sides.add_row(self._counters(tick, moving), _gauges(gauges))
        parts: list[RenderableType] = [self._head(tick), sides]
        if timings:
            parts.append(_timings(timings, whole=not self.selection.is_default))
        return Group(*parts)

    def lost(self, attempts: int) -> RenderableType:
        """Draw what is shown while the server does not answer."""
        return Text(f"{self.url}   reconnecting ({attempts})", style="yellow")

    def _head(self, tick: Tick) -> Text:
        clock = time.strftime("%H:%M:%S", time.localtime(tick.moment))
        every = duration(self.interval)
        head = Text(f"lgserve {self.url.partition('://')[2]}", style="bold")
        return head.append(f"   every {every}   {clock}   q quit", style="not bold dim")

    def _rows(self, series: Sequence[Series]) -> _Rows:
        """Put series together to rows: all of them when some were asked for, sums otherwise."""
        rows: _Rows = {}
        for item in series:
            if item.kind in ("histogram", "summary"):
                continue
            labels = item.labels
            if self.selection.is_default:
                labels = tuple(pair for pair in labels if pair[0] in _TELLING)
                name = " ".join((short(item.name), *(value for _, value in labels)))
            else:
                name = " ".join((short(item.name), write_label_set(labels))).strip()
            rows.setdefault(name, []).append(item)
        return rows

    def _counters(self, tick: Tick, rows: _Rows) -> Table:
        table = _table(
            "COUNTER",
            ("TOTAL", True),
            ("/S", True),
            (f"LAST {_SPARK * self.interval:.0f} S", False),
        )
        for name, items in rows.items():
            speed = summed(tick, items)
            total = value_text(sum(item.value for item in items))
            shown = "" if speed is None else f"{speed:.1f}"
            table.add_row(Text(name), total, shown, sparkline(list(self._speeds[name])))
        return table


def sparkline(values: Sequence[float]) -> str:
    """Draw the last values as bars, the highest one full."""
    shown = list(values)[-_SPARK:]
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(7, int(value / top * 7.999))] for value in shown)


def _is_counter(series: Series) -> bool:
    return series.kind == "counter" or series.name.endswith("_total")


def _table(first: str, *others: tuple[str, bool]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True)
    for name, right in others:
        table.add_column(name, no_wrap=True, justify="right" if right else "left")
    return table


def _gauges(rows: _Rows) -> Table:
    table = _table("GAUGE", ("VALUE", True))
    for name, items in rows.items():
        total = sum(item.value for item in items)
        label, text = name, value_text(total)
        if name.endswith("_bytes"):
            label, text = name.removesuffix("_bytes"), f"{total / 1e6:.1f} MB"
        elif name.endswith("_seconds"):
            label, text = name.removesuffix("_seconds"), duration(total)
        table.add_row(Text(label), text)
    return table


def _timings(series: Sequence[Series], *, whole: bool) -> Table:
    table = _table("TIMING", ("COUNT", True), ("P50", True), ("P95", True), ("P99", True))
    merged = series if whole else _merged(series)
    for item in merged:
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
