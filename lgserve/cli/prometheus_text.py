"""Prometheus text, read as far as showing it needs; the client library would be slow to import."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_PARTS = ("_bucket", "_sum", "_count")

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True, kw_only=True)
class Series:
    """A value by its labels; a histogram has counts by upper bound, and the sum of all."""

    name: str
    kind: str
    labels: Labels
    value: float = 0.0
    sum: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, Labels]:
        """What tells a series from others, in this scrape and in the next."""
        return self.name, self.labels

    def quantile(self, part: float) -> float | None:
        """Return the value that a part of all observations lies below, as Prometheus reckons it."""
        if not self.value or not self.buckets:
            return None
        rank, below, low = part * self.value, 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= rank:
                if math.isinf(bound) or count == below:
                    return low
                return low + (bound - low) * (rank - below) / (count - below)
            below, low = count, bound
        return low


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """What a scrape said: its series, and the names of all families, those without series too."""

    series: tuple[Series, ...]
    names: tuple[str, ...]


def parse(text: str) -> Exposition:
    """Read a scrape; a line that is none of the format is passed over."""
    kinds: dict[str, str] = {}
    found: dict[tuple[str, Labels], Series] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            kinds[name] = kind.strip()
        elif not line.startswith("#") and (match := _LINE.match(line.strip())):
            _add(found, kinds, match)
    return Exposition(series=tuple(found.values()), names=tuple(kinds))


def _add(
    found: dict[tuple[str, Labels], Series], kinds: Mapping[str, str], match: re.Match[str]
) -> None:
    name, labels = match[1], _labels(match[2] or "")
    family = next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)
    kind = kinds.get(family, "")
    if kind not in ("histogram", "summary"):
        family, kind = name, kinds.get(name, "untyped")
    bound = dict(labels).get("le")
    kept = tuple(pair for pair in labels if pair[0] not in ("le", "quantile"))
    series = found.setdefault((family, kept), Series(name=family, kind=kind, labels=kept))
    value = float(match[3])
    if name == family and kind == "summary":
        return
    if name.endswith("_bucket") and bound is not None:
        series.buckets[float(bound)] = value
    elif name.endswith("_sum") and family != name:
        series.sum = value
    else:
        series.value = value


def _labels(text: str) -> Labels:
    return tuple((name, _ESCAPED.sub(_unescape, value)) for name, value in _LABEL.findall(text))


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def write_label_set(labels: Iterable[tuple[str, str]]) -> str:
    """Write labels as the format does, without the braces."""
    return ",".join(f'{name}="{value}"' for name, value in labels)


def lines_of(text: str, names: set[str]) -> str:
    """Return the lines of a scrape that are about some families."""
    kept = [line for line in text.splitlines() if _family_of(line) in names]
    return "".join(f"{line}\n" for line in kept)


def _family_of(line: str) -> str:
    if line.startswith("# "):
        return line.split(" ", 3)[2] if line.count(" ") >= 2 else ""
    name = re.split(r"[{\s]", line, maxsplit=1)[0]
    return next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)
