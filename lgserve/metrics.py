"""Every Prometheus instrument, named in one place."""

from __future__ import annotations

from prometheus_client import Histogram

USER_LOOP_STALL_SECONDS = Histogram(
    "lgserve_user_loop_stall_seconds",
    "How long user code blocked the loop on which graphs run, each time it did.",
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
