"""Every Prometheus instrument, named in one place.

What one process counts stands here; what the database knows (threads, runs, the queue) is read from
it at each scrape, see `lgserve.api.metrics`. So with several processes the first are summed by
prometheus-client's multi-process mode, and the second are the same whoever is asked.
"""

from __future__ import annotations

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MutexValue, ValueClass

# A second series beside each counter that only says when the process began.
disable_created_metrics()  # type: ignore[no-untyped-call]

#: Few: each is a line for every route.
_REQUEST_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 60)
_RUN_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_WAIT_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
)

REQUESTS = Counter(
    "lgserve_requests_total",
    "Requests answered, by the template of their route; status 499: the client went first.",
    ("method", "path", "status"),
)
REQUEST_DURATION_SECONDS = Histogram(
    "lgserve_request_duration_seconds",
    "Time from a request to the end of its answer; a stream ends with its run.",
    ("method", "path"),
    buckets=_REQUEST_BUCKETS,
)
REQUEST_ERRORS = Counter(
    "lgserve_request_errors_total",
    "Requests answered with 4xx or 5xx, by what was wrong.",
    ("type",),
)
ACTIVE_STREAMS = Gauge(
    "lgserve_active_streams", "Event streams open now.", multiprocess_mode="livesum"
)
TIME_TO_FIRST_EVENT_SECONDS = Histogram(
    "lgserve_time_to_first_event_seconds",
    "Time from a request that creates and streams a run to the first event sent.",
    buckets=_WAIT_BUCKETS,
)
ACTIVE_RUNS = Gauge("lgserve_active_runs", "Runs in execution now.", multiprocess_mode="livesum")
RUN_QUEUE_WAIT_SECONDS = Histogram(
    "lgserve_run_queue_wait_seconds",
    "Time from when a run was due to when it began to execute.",
    buckets=_WAIT_BUCKETS,
)
RUN_DURATION_SECONDS = Histogram(
    "lgserve_run_duration_seconds",
    "Time a run executed, however it ended.",
    ("graph_id",),
    buckets=_RUN_BUCKETS,
)
AGENT_INVOCATIONS = Counter(
    "lgserve_agent_invocations_total", "Runs that began to execute.", ("graph_id",)
)
AGENT_TOKENS = Counter(
    "lgserve_agent_tokens_total",
    "Tokens by the usage metadata of the messages that runs added to their state.",
    ("graph_id", "kind"),
)
AGENT_ERRORS = Counter(
    "lgserve_agent_errors_total",
    "Runs that ended with an error, by its class; TimeoutError: the run's time limit too.",
    ("graph_id", "type"),
)
WEBHOOK_DELIVERIES = Counter(
    "lgserve_webhook_deliveries_total",
    "Tries to deliver a webhook: delivered, retried (there will be another), failed (given up).",
    ("status",),
)
USER_LOOP_STALL_SECONDS = Histogram(
    "lgserve_user_loop_stall_seconds",
    "How long user code blocked the loop on which graphs run, each time it did.",
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


def counted() -> CollectorRegistry:
    """Return what was counted: by this process, or in multi-process mode by all of them.

    What a graph's own code registers with prometheus-client is in it.
    """
    if ValueClass is MutexValue:
        return REGISTRY
    merged = CollectorRegistry(support_collectors_without_names=True)
    MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
    return merged
