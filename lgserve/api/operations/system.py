"""Operations on the server itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve.api import shapes as s
from lgserve.api.operations.table import (
    JSON,
    Answer,
    Operation,
    Route,
    json_answer,
)

_PROBE = json_answer(s.Health, "The server is there.")

OPERATIONS: Mapping[Route, Operation] = {
    ("GET", "/"): Operation(
        name="root_get", summary="Health Check", tag="System", answers=_PROBE,
        parameters=("check_db",),
    ),
    ("GET", "/ok"): Operation(
        name="health_check_ok_get", summary="Health Check", tag="System", answers=_PROBE,
        parameters=("check_db",),
    ),
    ("GET", "/health"): Operation(
        name="health_check_health_get", summary="Health Check", tag="System", answers=_PROBE,
    ),
    ("GET", "/ready"): Operation(
        name="readiness_ready_get", summary="Readiness", tag="System",
        answers={
            **json_answer(s.Readiness, "Runs are taken."),
            503: Answer(about="Graphs are being loaded.", shape=s.Readiness, media=(JSON,)),
        },
    ),
    ("GET", "/info"): Operation(
        name="server_info_info_get", summary="Server Information", tag="System",
        answers=json_answer(s.ServerInfo, "Versions, capabilities and graphs."),
    ),
    ("GET", "/metrics"): Operation(
        name="system_metrics_metrics_get", summary="System Metrics", tag="System",
        parameters=("format",),
        answers={200: Answer(
            about="Prometheus text, OpenMetrics if it is accepted, or JSON.",
            media=("text/plain", "application/openmetrics-text", JSON),
        )},
    ),
    ("GET", "/metrics/json"): Operation(
        name="metrics_summary_metrics_json_get", summary="Metrics in Short", tag="System",
        answers=json_answer(dict[str, Any], "The figures that matter most."),
    ),
    ("GET", "/docs"): Operation(
        name="docs_get", summary="API Documentation", tag="System",
        answers={200: Answer(about="A page about this document.", media=("text/html",))},
    ),
    ("GET", "/openapi.json"): Operation(
        name="openapi_openapi_json_get", summary="OpenAPI Document", tag="System",
        answers=json_answer(dict[str, Any], "This document."),
    ),
}  # fmt: skip
