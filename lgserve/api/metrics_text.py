"""Our families as text, in the two forms Prometheus reads.

prometheus-client's encoders take several times as long for the same lines, and with a series a
route that is felt: a scrape runs on the loop that answers everybody. They are used for what others
register (Python's and the process's figures, and a graph's own), and the two texts are joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_OURS = "lgserve_"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def encode(families: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Return all families in the form that is accepted best, and its content type."""
    encode_others, content_type = choose_encoder(accept)
    lines: list[str] = []
    others: list[Metric] = []
    in_openmetrics = content_type.startswith("application/openmetrics-text")
    for family in families:
        if family.name.startswith(_OURS):
            lines += _lines(family, in_openmetrics=in_openmetrics)
        else:
            others.append(family)
    # Theirs come last: in OpenMetrics they end the text.
    return "".join(lines).encode() + encode_others(_Given(others)), content_type


class _Given(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _lines(family: Metric, *, in_openmetrics: bool) -> Iterator[str]:
    total = "_total" if family.type == "counter" and not in_openmetrics else ""
    yield f"# HELP {family.name}{total} {family.documentation}\n"
    yield f"# TYPE {family.name}{total} {family.type}\n"
    yield from map(_line, family.samples)


def _line(sample: Sample) -> str:
    labels = sample.labels
    shown = _labels(tuple(labels.items())) if labels else ""
    return f"{sample.name}{shown} {float(sample.value)!r}\n"


@lru_cache(8192)
def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels) + "}"
