"""`/metrics`: Prometheus text, OpenMetrics, the reference's JSON, and our own.

Two sources, one answer: what processes counted (`lgserve.metrics`), and what the database keeps
count of, read at each scrape by a few rows, never by a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from lgserve import metrics
from lgserve.api.http import json_response, services_of
from lgserve.api.keys import ServerFacts
from lgserve.api.metrics_text import encode
from lgserve.core.models import Totals, Waiting

_NOTHING = Totals(assistants=0, threads={}, runs={})

_SUMMED = (
    "lgserve_requests_total",
    "lgserve_request_errors_total",
    "lgserve_agent_invocations_total",
    "lgserve_agent_errors_total",
    "lgserve_agent_tokens_total",
    "lgserve_active_streams",
)

Samples = Mapping[str, list[tuple[dict[str, str], float]]]


def routes() -> list[web.RouteDef]:
    """Return the routes of those who watch figures."""
    return [web.get("/metrics", exposition), web.get("/metrics/json", summary)]


async def exposition(request: web.Request) -> web.Response:
    """Answer a scrape in the form it accepts; `?format=json` is the reference's own form."""
    facts = services_of(request).facts
    if request.query.get("format") == "json":
        return json_response(await _reference_form(facts))
    families = [*_kept_families(await _kept(facts)), *metrics.counted().collect()]
    text, content_type = encode(families, request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=text, headers={hdrs.CONTENT_TYPE: content_type})


async def summary(request: web.Request) -> web.Response:
    """Answer with the few figures that tell how the server does."""
    facts = services_of(request).facts
    kept = await _kept(facts)
    samples = _counted(*_SUMMED)
    return json_response(
        {
            "uptime_seconds": round(kept.uptime_seconds, 3),
            "requests": _requests(samples),
            "storage": {
                "assistants": kept.totals.assistants,
                "threads": sum(kept.totals.threads.values()),
                "runs": sum(kept.totals.runs.values()),
            },
            "agent": {
                "invocations": _sum(samples, "lgserve_agent_invocations_total"),
                "errors": _sum(samples, "lgserve_agent_errors_total"),
                "tokens": _sum(samples, "lgserve_agent_tokens_total"),
            },
            "streams": {"active": _sum(samples, "lgserve_active_streams")},
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the database knows, and this server."""

    totals: Totals
    database_bytes: int
    uptime_seconds: float


async def _kept(facts: ServerFacts) -> _Kept:
    statistics = facts.statistics
    return _Kept(
        totals=_NOTHING if statistics is None else await statistics.totals(),
        database_bytes=0 if statistics is None else statistics.database_bytes(),
        uptime_seconds=facts.uptime_seconds,
    )


def _kept_families(kept: _Kept) -> Iterator[Metric]:
    totals = kept.totals
    yield _gauge("lgserve_assistants_total", "Assistants stored.", totals.assistants)
    yield _by_status("lgserve_threads_total", "Threads stored.", totals.threads)
    yield _by_status("lgserve_runs_total", "Runs stored.", totals.runs)
    pending = totals.runs.get("pending", 0)
    yield _gauge("lgserve_queue_pending", "Runs that wait to be executed.", pending)
    yield _gauge("lgserve_database_bytes", "Bytes the database takes.", kept.database_bytes)
    seconds = kept.uptime_seconds
    yield _gauge("lgserve_uptime_seconds", "Time since the server was started.", seconds)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _by_status(name: str, about: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, f"{about[:-1]}, by status.", labels=("status",))
    for status, count in counts.items():
        family.add_metric((status,), count)
    return family


def _counted(*names: str) -> Samples:
    """Return labels and value of each sample of these names."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {name: [] for name in names}
    for family in metrics.counted().restricted_registry(names).collect():
        for sample in family.samples:
            if sample.name in found:
                found[sample.name].append((sample.labels, sample.value))
    return found


def _requests(samples: Samples) -> dict[str, Any]:
    rows = samples["lgserve_requests_total"]
    return {
        "total": _whole(value for _, value in rows),
        "errors": _sum(samples, "lgserve_request_errors_total"),
        "by_status": _grouped((labels["status"], value) for labels, value in rows),
        "by_route": _grouped(
            (f"{labels['method']} {labels['path']}", value) for labels, value in rows
        ),
    }


def _grouped(pairs: Iterable[tuple[str, float]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in pairs:
        found[name] = found.get(name, 0) + int(value)
    return found


def _sum(samples: Samples, name: str) -> int:
    return _whole(value for _, value in samples[name])


def _whole(values: Iterable[float]) -> int:
    return int(sum(values))


async def _reference_form(facts: ServerFacts) -> dict[str, Any]:
    """Return what the reference answers to `?format=json`, member by member."""
    statistics = facts.statistics
    runs = (_NOTHING if statistics is None else await statistics.totals()).runs
    waiting = Waiting() if statistics is None else await statistics.waiting()
    slots, active = facts.queue.get("n_jobs_per_worker", 0), facts.active_runs()
    return {
        "queue": {
            "n_pending": runs.get("pending", 0),
            "n_running": runs.get("running", 0),
            "pending_runs_wait_time_max_secs": waiting.longest,
            "pending_runs_wait_time_med_secs": waiting.median,
            "pending_unblocked_runs_wait_time_max_secs": waiting.longest_unblocked,
        },
        "api": {
            "http_requests_total": [
                {**labels, "status": int(labels["status"]), "count": int(value)}
                for labels, value in _counted("lgserve_requests_total")["lgserve_requests_total"]
            ]
        },
        "workers": {"max": slots, "active": active, "available": max(0, slots - active)},
    }
