"""What `lgserve metrics` shows of a scrape: which series, how fast they move, in how few words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode, usage_error
from lgserve.cli.prometheus_text import Exposition, Series, parse

OURS = "lgserve_"
_SHOWS_ALL = "lgserve metrics shows all"
#: How many labels a hint names.
_SHOWN_VALUES = 6
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which series were asked for: by name, by pattern, or the usual ones."""

    names: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for."""
        return not self.names and self.pattern is None

    def of(self, scrape: Exposition) -> tuple[Series, ...]:
        """Return the series that were asked for; without a wish, ours, or all where none is."""
        if self.is_default:
            ours = tuple(item for item in scrape.series if item.name.startswith(OURS))
            return ours or scrape.series
        return tuple(item for item in scrape.series if self._wants(item))

    def check(self, scrape: Exposition) -> None:
        """Refuse a name that no family has."""
        for name in self.names:
            if any(_is_named(family, name) for family in _families(scrape)):
                continue
            near = _similar(name, [short(family) for family in _families(scrape)])
            hint = f"did you mean {', '.join(near)}?" if near else _SHOWS_ALL
            raise usage_error(f"no metric {name!r}", hint)

    def miss(self, scrape: Exposition) -> str | None:
        """Say why there is nothing to show of what was asked for; None if there is something."""
        if self.of(scrape):
            return None
        if self.pattern is not None and not self._has_pattern(scrape):
            return f"no metric matches --filter {self.pattern!r} · {_SHOWS_ALL}"
        if not self.names and self.pattern is None:
            return "this server tells of no metric that is shown without a name"
        asked = ", ".join(self.names) or f"what matches {self.pattern!r}"
        there = [text for name in self.names for text in _label_values(name, scrape)]
        known = f" · there are: {', '.join(there[:_SHOWN_VALUES])}" if there else ""
        return f"{asked} has no value yet{known}"

    def _has_pattern(self, scrape: Exposition) -> bool:
        return any(_is_named(family, self.pattern or "*") for family in _families(scrape))

    def _wants(self, series: Series) -> bool:
        if self.names and not any(_names_series(name, series) for name in self.names):
            return False
        candidates = (series.name, short(series.name))
        return self.pattern is None or any(fnmatchcase(c, self.pattern) for c in candidates)


@dataclass(slots=True, kw_only=True)
class Tick:
    """One look at a server: its series, their rates since the look before, the figures in short."""

    moment: float
    text: str
    series: tuple[Series, ...]
    all_series: tuple[Series, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[Key, float] = field(default_factory=dict)

    def rate(self, series: Series) -> float | None:
        """Return by how much a series grows in a second; None at the first look."""
        return self.rates.get(series.key)

    def to_json(self) -> dict[str, Any]:
        """Return the tick as one object: the server's own summary, and the series."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.moment))
        stamp = f"{moment}.{int(self.moment % 1 * 1000):03}+00:00"
        rows = [_as_row(item, self.rate(item)) for item in self.series]
        return {"time": stamp, **self.summary, "metrics": rows}


class Watcher:
    """Looks at a server again and again."""

    def __init__(
        self,
        client: ApiClient,
        selection: Selection,
        *,
        summary: bool,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._note = note
        self._selection = selection
        self._summary = summary
        self._before: tuple[float, dict[Key, float]] | None = None

    @property
    def has_looked(self) -> bool:
        """Whether the server has ever answered."""
        return self._before is not None

    def look(self) -> Tick:
        """Scrape once; the first look refuses unknown names, and says when there is nothing."""
        text = self._client.text("/metrics")
        now, moment = time.monotonic(), time.time()
        scrape = parse(text)
        summary = self._read_summary(scrape)
        if self._before is None:
            self._selection.check(scrape)
            if told := self._selection.miss(scrape):
                self._note(told)
        values = {item.key: item.value for item in scrape.series}
        rates = _rates(self._before, now, scrape.series)
        self._before = (now, values)
        return Tick(
            moment=moment, text=text, series=self._selection.of(scrape),
            all_series=scrape.series, summary=summary, rates=rates,
        )  # fmt: skip

    def _read_summary(self, scrape: Exposition) -> dict[str, Any]:
        if not self._selection.is_default:
            return {}
        wanted = self._summary or not _has_ours(scrape.series)
        return _summary(self._client) if wanted else {}


def short(name: str) -> str:
    """Leave out of a name what all have."""
    return name.removeprefix(OURS).removesuffix("_total")


def value_text(value: float) -> str:
    """Write a number: whole ones whole, others with three digits that count."""
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds_text(value: float | None) -> str:
    """Write a time that may be short."""
    if value is None:
        return ""
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def digest(tick: Tick) -> list[tuple[str, str]]:
    """Return the few figures that tell how a server does."""
    if not _has_ours(tick.all_series):
        return [(name, value_text(number)) for name, number in _numbers(tick.summary)]
    by_name = _by_family(tick)
    gauges = [
        (name, value_text(sum(item.value for item in by_name.get(OURS + family, ()))))
        for name, family in (
            ("pending", "queue_pending"), ("running", "active_runs"), ("streams", "active_streams"),
            ("requests", "requests_total"), ("errors", "request_errors_total"),
            ("runs", "agent_invocations_total"), ("failed", "agent_errors_total"),
            ("tokens", "agent_tokens_total"), ("threads", "threads_total"),
        )
    ]  # fmt: skip
    speeds = [
        (name, _speed(tick, by_name.get(OURS + family, ())))
        for name, family in (
            ("req/s", "requests_total"), ("err/s", "request_errors_total"),
            ("runs/s", "agent_invocations_total"),
        )
    ]  # fmt: skip
    size = sum(item.value for item in by_name.get(f"{OURS}database_bytes", ()))
    return [*gauges, *speeds, ("db_mb", f"{size / 1e6:.1f}")]


def summed(tick: Tick, series: Sequence[Series]) -> float | None:
    """Return the rate of several series together."""
    rates = [rate for item in series if (rate := tick.rate(item)) is not None]
    return sum(rates) if rates else None


def _speed(tick: Tick, series: Sequence[Series]) -> str:
    return f"{summed(tick, series) or 0.0:.1f}" if tick.rates else "-"


def _has_ours(series: Sequence[Series]) -> bool:
    return any(item.name.startswith(OURS) for item in series)


def _by_family(tick: Tick) -> dict[str, list[Series]]:
    found: dict[str, list[Series]] = {}
    for item in tick.all_series:
        found.setdefault(item.name, []).append(item)
    return found


def _families(scrape: Exposition) -> list[str]:
    return list(dict.fromkeys((*scrape.names, *(item.name for item in scrape.series))))


def _similar(name: str, known: Sequence[str]) -> list[str]:
    """Return names that look like one, have it in them, or share a word with it; the best first."""
    wanted = short(name.lower()).partition(".")[0]
    words = [word for word in wanted.split("_") if len(word) > 2]
    near = get_close_matches(wanted, known, n=3, cutoff=0.6)
    near += [other for other in known if wanted and wanted in other]
    near += [other for other in known if _shares(words, other.split("_"))]
    return list(dict.fromkeys(near))[:3]


def _shares(words: Sequence[str], others: Sequence[str]) -> bool:
    return any(get_close_matches(word, others, n=1, cutoff=0.8) for word in words)


def _label_values(name: str, scrape: Exposition) -> list[str]:
    """Return how the series of `runs` can be named, for somebody who asked for `runs.eror`."""
    start = name.rpartition(".")[0]
    if not start:
        return []
    found = [item for item in scrape.series if _is_named(item.name, start)]
    return [f"{start}.{value}" for item in found for _, value in item.labels if value]


def _is_named(family: str, name: str) -> bool:
    """Say whether a family is meant by a name: whole, short, a pattern, or with a label's value."""
    start = name.rpartition(".")[0]
    return any(
        fnmatchcase(candidate, wanted)
        for candidate in (family, short(family))
        for wanted in (name, start)
        if wanted
    )


def _names_series(name: str, series: Series) -> bool:
    start, _, label = name.rpartition(".")
    if any(fnmatchcase(candidate, name) for candidate in (series.name, short(series.name))):
        return True
    values = {value for _, value in series.labels}
    return bool(start) and label in values and _is_named(series.name, start)


def _rates(
    before: tuple[float, dict[Key, float]] | None, now: float, series: Sequence[Series]
) -> dict[Key, float]:
    """Reckon growth per second; what is new began at 0, and so did all after a restart."""
    if before is None or now <= before[0]:
        return {}
    then, values = before
    rates = {}
    for item in series:
        old = values.get(item.key, 0.0)
        if item.value < old and item.kind in ("counter", "histogram"):
            old = 0.0
        rates[item.key] = (item.value - old) / (now - then)
    return rates


def _as_row(series: Series, rate: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": series.name,
        "type": series.kind,
        "labels": dict(series.labels),
    }
    if series.kind in ("histogram", "summary"):
        row |= {"count": _number(series.value), "sum": _number(series.sum)}
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            row[name] = _number(series.quantile(part))
    else:
        row["value"] = _number(series.value)
    return row if rate is None else {**row, "rate": round(rate, 3)}


def _number(value: float | None) -> float | int | None:
    if value is None or math.isnan(value) or math.isinf(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _summary(client: ApiClient) -> dict[str, Any]:
    """Return the server's figures in short; the reference has them under another address."""
    try:
        found = client.get("/metrics/json")
    except CliError as exc:
        if exc.exit_code is not ExitCode.NOT_FOUND:
            raise
        found = client.get("/metrics", {"format": "json"})
    return dict(found) if isinstance(found, dict) else {}


def _numbers(value: Any, name: str = "") -> list[tuple[str, float]]:
    if isinstance(value, Mapping):
        return [
            pair
            for key, item in value.items()
            for pair in _numbers(item, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [(name, float(value))]
    return []
