"""What metrics are made of: tokens of messages, labels with few values, the text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from lgserve import jsonio
from lgserve.api.metrics_text import encode
from lgserve.engine import run_metrics
from lgserve.engine.run_metrics import TokenUsage, count_end

USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def ai(message_id: str | None = None, **usage: int) -> AIMessage:
    return AIMessage(content="x", id=message_id, usage_metadata={**USAGE, **usage})


def counted(graph_id: str, *chunks: tuple[str, Any]) -> tuple[float, float]:
    """Return input and output tokens after these chunks of the root."""
    usage = TokenUsage(graph_id)
    for mode, chunk in chunks:
        usage.notice((), mode, chunk)
    labels = [{"graph_id": graph_id, "kind": kind} for kind in ("input", "output")]
    name = "lgserve_agent_tokens_total"
    return tuple(REGISTRY.get_sample_value(name, each) or 0.0 for each in labels)  # type: ignore[return-value]


@pytest.mark.parametrize(
    "update",
    [
        {"messages": [ai("1")]},
        {"messages": ai("1")},
        {"messages": (HumanMessage("q"), ai("1"))},
        [{"other": [1, 2]}, {"messages": [ai("1")]}],
        ai("1"),
        [ai("1")],
        {"messages": [ai("1"), ai("1")]},
        {"messages": [ai()]},
        {"messages": [AIMessageChunk(content="x", id="1", usage_metadata=USAGE)]},  # type: ignore[arg-type]
    ],
)
def test_a_message_counts_once_wherever_in_an_update_it_stands(
    update: Any, request: pytest.FixtureRequest
) -> None:
    graph_id = request.node.name

    assert counted(graph_id, ("values", {}), ("updates", {"node": update})) == (10, 3)


@pytest.mark.parametrize(
    "update",
    [
        None,
        "text",
        {},
        {"messages": [HumanMessage("q"), "text", 3, None]},
        {"messages": [AIMessage("no usage")]},
        {"messages": [ai(input_tokens=-5, output_tokens=0)]},
        {"deep": {"messages": [ai()]}},
    ],
)
def test_what_holds_no_usage_counts_nothing(update: Any, request: pytest.FixtureRequest) -> None:
    assert counted(request.node.name, ("updates", {"node": update})) == (0, 0)


def test_messages_that_were_there_before_do_not_count() -> None:
    nameless = ai()
    before = {"messages": [ai("1"), nameless]}
    update = {"messages": [ai("1"), nameless, ai("2")]}

    assert counted("before", ("values", before), ("updates", {"node": update})) == (10, 3)


def test_later_values_do_not_make_new_messages_old() -> None:
    chunks = [("values", {"messages": []}), ("values", {"messages": [ai("1")]})]

    assert counted("later", *chunks, ("updates", {"node": {"messages": [ai("1")]}})) == (10, 3)


def test_a_task_that_is_shown_again_does_not_count() -> None:
    again = {"node": {"messages": [ai()]}, "__metadata__": {"cached": True}}

    assert counted("again", ("updates", again)) == (0, 0)


def test_tokens_of_other_modes_are_not_looked_at() -> None:
    assert counted("modes", ("messages", (ai("1"), {})), ("custom", {"n": [ai()]})) == (0, 0)


def test_classes_of_errors_without_end_become_one_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_metrics, "_types", set())
    for number in range(run_metrics._MOST_TYPES + 20):
        count_end("endless", 0.1, jsonio.dumps({"error": f"E{number}", "message": ""}))
    labels = {"graph_id": "endless", "type": "other"}

    assert REGISTRY.get_sample_value("lgserve_agent_errors_total", labels) == 20


@pytest.fixture
def registry() -> CollectorRegistry:
    """Families of every kind we have, with values that need care."""
    registry = CollectorRegistry()
    odd = Counter("lgserve_odd_total", "Text with a % and 'quotes'.", ("a", "b"), registry=registry)
    odd.labels('say "hi"\n', "back\\slash {x} é").inc(1e21)
    odd.labels("", "plain").inc()
    Gauge("lgserve_bare", "Without labels.", registry=registry).set(-0.25)
    Gauge("lgserve_threads_total", "Named as a counter.", registry=registry).set(3)
    times = Histogram("lgserve_times", "Times.", ("n",), buckets=(0.1, 5), registry=registry)
    times.labels("1").observe(0.3)
    Counter("lgserve_silent", "Without a sample.", ("n",), registry=registry)
    Counter("theirs", "Of a graph.", registry=registry).inc(2)
    return registry


def test_our_text_says_what_prometheus_clients_does(registry: CollectorRegistry) -> None:
    text, content_type = encode(registry.collect(), "")
    theirs = generate_latest(registry).decode()

    assert content_type.startswith("text/plain; version=")
    assert _parsed(text_string_to_metric_families(text.decode())) == _parsed(
        text_string_to_metric_families(theirs)
    )


def test_our_openmetrics_says_what_prometheus_clients_does(registry: CollectorRegistry) -> None:
    text, content_type = encode(registry.collect(), OPENMETRICS)
    families = openmetrics.text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")
    assert _parsed(families) == _parsed(registry.collect())


def test_openmetrics_ends_without_others_too() -> None:
    registry = CollectorRegistry()
    Gauge("lgserve_alone", "Alone.", registry=registry)

    assert encode(registry.collect(), OPENMETRICS)[0].endswith(b"lgserve_alone 0.0\n# EOF\n")


def _parsed(families: Any) -> dict[str, Any]:
    return {
        family.name: (
            family.type,
            family.documentation,
            {(s.name, frozenset(s.labels.items())): s.value for s in family.samples},
        )
        for family in families
    }


_COUNT = "from lgserve.metrics import REQUESTS, ACTIVE_RUNS\n"
_WORK = _COUNT + "REQUESTS.labels('GET', '/ok', '200').inc(2)\nACTIVE_RUNS.inc()\n"
_SUM = """
from lgserve import metrics
from lgserve.api.metrics import _counted
found = _counted("lgserve_requests_total", "lgserve_active_runs")
print({name: [value for _, value in rows] for name, rows in found.items()})
"""


def test_what_several_processes_counted_is_summed(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    held = "\nimport sys\nprint('up', flush=True)\nsys.stdin.read()"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORK + held],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        assert [worker.stdout.readline() for worker in workers if worker.stdout] == [b"up\n"] * 2
        summed = subprocess.run(
            [sys.executable, "-c", _SUM],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
        )
    finally:
        for worker in workers:
            worker.communicate(timeout=20)

    assert summed.stdout.strip() == str(
        {"lgserve_requests_total": [4.0], "lgserve_active_runs": [2.0]}
    )
