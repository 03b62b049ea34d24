"""`/metrics` and `/metrics/json`: each family moves when it should, and only then."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from lgserve.api.app import build_app
from lgserve.api.keys import ApiOptions
from lgserve.settings_schema import Cors
from tests.api.conftest import served
from tests.api.test_app import services
from tests.servers import serving

FAMILIES = {
    "lgserve_requests": "counter",
    "lgserve_request_duration_seconds": "histogram",
    "lgserve_request_errors": "counter",
    "lgserve_assistants_total": "gauge",
    "lgserve_threads_total": "gauge",
    "lgserve_runs_total": "gauge",
    "lgserve_active_runs": "gauge",
    "lgserve_active_streams": "gauge",
    "lgserve_queue_pending": "gauge",
    "lgserve_run_queue_wait_seconds": "histogram",
    "lgserve_run_duration_seconds": "histogram",
    "lgserve_time_to_first_event_seconds": "histogram",
    "lgserve_agent_invocations": "counter",
    "lgserve_agent_tokens": "counter",
    "lgserve_agent_errors": "counter",
    "lgserve_user_loop_stall_seconds": "histogram",
    "lgserve_database_bytes": "gauge",
    "lgserve_uptime_seconds": "gauge",
}
_SECONDS = 20


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("tokens"), "tokens") as url,
        httpx.Client(base_url=url, timeout=_SECONDS) as client,
    ):
        yield client


class Figures:
    """One scrape, by name and labels."""

    def __init__(self, api: httpx.Client) -> None:
        text = api.get("/metrics").text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def labels(self, name: str) -> set[str]:
        return {value for key, labels in self._samples if key == name for _, value in labels}


class Moved:
    """How much figures have moved since."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self._before = Figures(api)

    def by(self, name: str, **labels: str) -> float:
        return Figures(self._api)(name, **labels) - self._before(name, **labels)

    def comes_to(self, amount: float, name: str, **labels: str) -> bool:
        """Wait until a figure has moved by so much."""
        return until(lambda: self.by(name, **labels) == amount)


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def run(api: httpx.Client, graph_id: str, **body: Any) -> httpx.Response:
    body = {"assistant_id": graph_id, "input": {"messages": []}, **body}
    return api.post("/runs/wait", json=body)


@pytest.mark.requirement("SYSTEM-004")
def test_the_text_parses_and_has_every_family(api: httpx.Client) -> None:
    answer = api.get("/metrics")
    families = Figures(api).families

    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert {name: families[name].type for name in FAMILIES} == FAMILIES
    assert all(families[name].documentation for name in FAMILIES)


def test_openmetrics_is_given_to_who_accepts_it(api: httpx.Client) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"
    answer = api.get("/metrics", headers={"Accept": accept})

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    families = openmetrics.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    found = {family.name for family in families}
    assert set(FAMILIES) <= found


@pytest.mark.requirement("SYSTEM-004")
def test_an_unknown_format_is_text(api: httpx.Client) -> None:
    assert api.get("/metrics?format=odd").text.startswith("# HELP")


def test_a_request_is_counted_by_the_template_of_its_route(api: httpx.Client) -> None:
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    moved = Moved(api)
    api.get(f"/threads/{thread_id}")
    labels = {"method": "GET", "path": "/threads/{thread_id}"}

    assert moved.by("lgserve_requests_total", **labels, status="200") == 1
    assert moved.by("lgserve_request_duration_seconds_count", **labels) == 1
    assert moved.by("lgserve_request_duration_seconds_sum", **labels) > 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "type_"),
    [
        ("GET", "/no/such/route", None, 404, "not_found"),
        ("GET", "/threads/01a202ef-0000-7000-8000-000000000000", None, 404, "not_found"),
        ("GET", "/threads/odd", None, 422, "invalid_request"),
        ("POST", "/threads/search", {"limit": "x"}, 422, "invalid_request"),
        ("DELETE", "/info", None, 405, "method_not_allowed"),
        ("POST", "/runs/wait", {"assistant_id": "nobody"}, 422, "invalid_request"),
    ],
)
def test_an_answer_of_4xx_counts_as_an_error(
    api: httpx.Client, method: str, path: str, body: Any, status: int, type_: str
) -> None:
    moved = Moved(api)

    assert api.request(method, path, json=body).status_code == status
    assert moved.by("lgserve_request_errors_total", type=type_) == 1


def test_what_is_asked_for_never_becomes_a_label(api: httpx.Client) -> None:
    for method, path in (("GET", "/secret-path/1"), ("BREW", "/ok"), ("PROPFIND", "/brewing")):
        api.request(method, path)
    figures = Figures(api)
    labels = figures.labels("lgserve_requests_total")

    assert not [value for value in labels if "secret" in value or value in ("BREW", "PROPFIND")]
    assert figures("lgserve_requests_total", method="GET", path="unknown", status="404") > 0


def test_stored_assistants_threads_and_runs_are_told(api: httpx.Client) -> None:
    moved = Moved(api)
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    api.post("/assistants", json={"graph_id": "failing"})
    assert moved.by("lgserve_threads_total", status="idle") == 1
    assert moved.by("lgserve_assistants_total") == 1

    wait = f"/threads/{thread_id}/runs/wait"
    api.post(wait, json={"assistant_id": "failing", "input": {}})

    assert moved.by("lgserve_threads_total", status="error") == 1
    assert moved.by("lgserve_threads_total", status="idle") == 0
    assert moved.by("lgserve_runs_total", status="error") == 1
    api.delete(f"/threads/{thread_id}")
    assert moved.by("lgserve_threads_total", status="error") == 0
    assert moved.by("lgserve_runs_total", status="error") == 0


def test_a_run_moves_what_is_counted_of_runs(api: httpx.Client) -> None:
    moved = Moved(api)
    run(api, "streamed")

    assert moved.by("lgserve_agent_invocations_total", graph_id="streamed") == 1
    assert moved.by("lgserve_run_duration_seconds_count", graph_id="streamed") == 1
    assert moved.by("lgserve_run_queue_wait_seconds_count") == 1
    assert moved.by("lgserve_agent_errors_total", graph_id="streamed", type="LookupError") == 0


def test_a_run_that_fails_is_counted_by_the_class_of_its_error(api: httpx.Client) -> None:
    moved = Moved(api)
    run(api, "failing")

    assert moved.by("lgserve_agent_errors_total", graph_id="failing", type="LookupError") == 1


def test_active_runs_and_streams_rise_and_fall(api: httpx.Client, tmp_path: Path) -> None:
    signal = tmp_path / "go"
    moved = Moved(api)
    body = {"assistant_id": "holding", "input": {"until": str(signal)}}
    with api.stream("POST", "/runs/stream", json=body) as answer:
        assert answer.status_code == 200
        assert moved.comes_to(1, "lgserve_active_runs")
        assert moved.by("lgserve_active_streams") == 1
        assert api.get("/metrics/json").json()["streams"]["active"] >= 1
        signal.touch()
        answer.read()

    assert moved.comes_to(0, "lgserve_active_runs")
    assert moved.comes_to(0, "lgserve_active_streams")


def test_a_stream_whose_client_goes_is_no_longer_active(api: httpx.Client, tmp_path: Path) -> None:
    moved = Moved(api)
    body = {"assistant_id": "holding", "input": {"until": str(tmp_path / "go")}}
    with api.stream("POST", "/runs/stream", json={**body, "on_disconnect": "cancel"}):
        assert moved.comes_to(1, "lgserve_active_streams")

    assert moved.comes_to(0, "lgserve_active_streams")
    assert moved.comes_to(0, "lgserve_active_runs")
    labels = {"method": "POST", "path": "/runs/stream", "status": "499"}
    assert moved.by("lgserve_requests_total", **labels) == 1


def test_a_run_that_waits_is_pending(api: httpx.Client) -> None:
    moved = Moved(api)
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "streamed", "input": {"messages": []}, "after_seconds": 600}
    api.post(f"/threads/{thread_id}/runs", json=body)

    assert moved.by("lgserve_queue_pending") == 1
    api.delete(f"/threads/{thread_id}")
    assert moved.by("lgserve_queue_pending") == 0


def test_the_time_to_the_first_event_is_that_of_streams_that_begin_a_run(
    api: httpx.Client,
) -> None:
    moved = Moved(api)
    run(api, "streamed")
    assert moved.by("lgserve_time_to_first_event_seconds_count") == 0

    body = {"assistant_id": "streamed", "input": {"messages": []}}
    assert "event: metadata" in api.post("/runs/stream", json=body).text
    assert moved.by("lgserve_time_to_first_event_seconds_count") == 1
    assert 0 < moved.by("lgserve_time_to_first_event_seconds_sum") < 5


@pytest.mark.parametrize("mode", ["values", "messages-tuple", "messages", "updates", "events"])
def test_a_message_that_streams_is_counted_once_and_whole(api: httpx.Client, mode: str) -> None:
    moved = Moved(api)
    body = {"assistant_id": "streamed", "input": {"messages": []}, "stream_mode": [mode]}
    api.post("/runs/stream", json=body)

    assert moved.by("lgserve_agent_tokens_total", graph_id="streamed", kind="input") == 10
    assert moved.by("lgserve_agent_tokens_total", graph_id="streamed", kind="output") == 3


@pytest.mark.parametrize("subgraphs", [False, True])
def test_messages_of_a_subgraph_are_counted_once(api: httpx.Client, subgraphs: bool) -> None:
    moved = Moved(api)
    body = {"assistant_id": "nested", "input": {"messages": []}, "stream_subgraphs": subgraphs}
    api.post("/runs/stream", json=body)

    assert moved.by("lgserve_agent_tokens_total", graph_id="nested", kind="output") == 6


def test_earlier_messages_of_a_thread_are_not_counted_again(api: httpx.Client) -> None:
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    given = {
        "type": "ai",
        "content": "x",
        "usage_metadata": {"input_tokens": 7, "output_tokens": 7},
    }
    given["usage_metadata"]["total_tokens"] = 14  # type: ignore[index]
    moved = Moved(api)
    for turn in (1, 2, 3):
        body = {"assistant_id": "nested", "input": {"messages": [given]}}
        answer = api.post(f"/threads/{thread_id}/runs/wait", json=body)
        assert len(answer.json()["messages"]) == 3 * turn
        expected = 6 * turn
        assert moved.by("lgserve_agent_tokens_total", graph_id="nested", kind="output") == expected


def test_what_a_task_did_before_an_interrupt_is_not_counted_at_the_resume(
    api: httpx.Client,
) -> None:
    moved = Moved(api)
    thread = f"/threads/{api.post('/threads', json={}).json()['thread_id']}"
    wait = f"{thread}/runs/wait"
    api.post(wait, json={"assistant_id": "paused", "input": {"messages": []}})
    assert api.get(thread).json()["status"] == "interrupted"
    api.post(wait, json={"assistant_id": "paused", "command": {"resume": "yes"}})

    assert moved.by("lgserve_agent_tokens_total", graph_id="paused", kind="output") == 3


def test_tokens_of_a_functional_graph_are_counted_once(api: httpx.Client) -> None:
    moved = Moved(api)
    run(api, "function", input="hello")

    assert moved.by("lgserve_agent_tokens_total", graph_id="function", kind="output") == 3


def test_a_node_that_blocks_the_loop_is_a_stall(api: httpx.Client) -> None:
    moved = Moved(api)
    run(api, "blocking", input={"seconds": 0.8})

    assert moved.comes_to(1, "lgserve_user_loop_stall_seconds_count")
    assert 0.25 < moved.by("lgserve_user_loop_stall_seconds_sum") < 5


def test_size_and_uptime_are_told(api: httpx.Client) -> None:
    before = Figures(api)

    assert before("lgserve_database_bytes") > 10_000
    assert 0 < before("lgserve_uptime_seconds") < Figures(api)("lgserve_uptime_seconds")


def test_metrics_json_has_its_fixed_shape(api: httpx.Client) -> None:
    before = api.get("/metrics/json").json()
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    for graph_id in ("streamed", "failing"):
        body: dict[str, Any] = {"assistant_id": graph_id, "input": {"messages": []}}
        api.post(f"/threads/{thread_id}/runs/wait", json=body)
    api.get("/no/such/route")
    after = api.get("/metrics/json").json()

    assert set(after) == {"uptime_seconds", "requests", "storage", "agent", "streams"}
    assert after["uptime_seconds"] > before["uptime_seconds"]
    moved = {
        (group, name): after[group][name] - before[group][name]
        for group, name in [
            ("requests", "total"),
            ("requests", "errors"),
            *(("storage", name) for name in ("assistants", "threads", "runs")),
            *(("agent", name) for name in ("invocations", "errors", "tokens")),
            ("streams", "active"),
        ]
    }
    assert list(moved.values()) == [5, 1, 0, 1, 2, 2, 1, 13, 0]
    assert (
        after["requests"]["by_status"]["404"] - before["requests"]["by_status"].get("404", 0) == 1
    )
    assert after["requests"]["by_route"]["POST /threads/{thread_id}/runs/wait"] >= 2


@pytest.mark.requirement("SYSTEM-004")
def test_the_references_json_has_the_references_members(api: httpx.Client) -> None:
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    answer = api.get("/metrics?format=json").json()

    waits = {f"pending{kind}_wait_time_{what}_secs": None for kind, what in _WAITS}
    assert set(answer) == {"queue", "api", "workers"}
    assert answer["queue"] == {"n_pending": 0, "n_running": 0, **waits}
    assert answer["workers"] == {"max": 64, "active": 0, "available": 64}
    rows = answer["api"]["http_requests_total"]
    assert {"method": "POST", "path": "/threads", "status": 200} in [
        {key: value for key, value in row.items() if key != "count"} for row in rows
    ]
    assert all(isinstance(row["count"], int) for row in rows)
    assert thread_id not in str(rows)


_WAITS = (("_runs", "max"), ("_runs", "med"), ("_unblocked_runs", "max"))


def test_the_references_json_tells_how_long_runs_wait(api: httpx.Client, tmp_path: Path) -> None:
    signal = tmp_path / "go"
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    body = {
        "assistant_id": "holding",
        "input": {"until": str(signal)},
        "multitask_strategy": "enqueue",
    }
    try:
        for _ in range(3):
            api.post(f"/threads/{thread_id}/runs", json=body)
        answer = api.get("/metrics?format=json").json()
    finally:
        signal.touch()

    assert (answer["queue"]["n_pending"], answer["queue"]["n_running"]) == (2, 1)
    assert answer["queue"]["pending_runs_wait_time_max_secs"] > 0
    assert answer["queue"]["pending_runs_wait_time_med_secs"] > 0
    assert answer["queue"]["pending_unblocked_runs_wait_time_max_secs"] is None
    assert answer["workers"]["active"] == 1
    assert until(lambda: api.get(f"/threads/{thread_id}").json()["status"] != "busy")


async def test_metrics_are_told_while_graphs_load_and_at_the_root_beside_a_prefix() -> None:
    options = ApiOptions(cors=Cors(), mount_prefix="/api")
    app = build_app(services(ready=False), options)
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        for path in ("/metrics", "/metrics/json", "/api/metrics", "/api/metrics/json"):
            assert (await client.get(path)).status == 200


def test_a_scrape_costs_as_little_with_100_000_threads(tmp_path: Path) -> None:
    with serving(tmp_path, "--fresh") as server, httpx.Client(base_url=server.url) as api:
        _insert_threads(tmp_path / "data" / "lgserve.db", 100_000)
        assert Figures(api)("lgserve_threads_total", status="idle") == 100_000

        assert min(_seconds(lambda: api.get("/metrics")) for _ in range(20)) < 0.02
        assert min(_seconds(lambda: api.get("/info")) for _ in range(20)) < 0.02


def _insert_threads(database: Path, count: int) -> None:
    columns = (
        "thread_id, status, settled_status, metadata, config, created_at, updated_at,"
        " state_updated_at"
    )
    now = "2026-01-01T00:00:00.000000+00:00"
    rows = ((f"t{i:08}", "idle", "idle", b"{}", b"{}", now, now, now) for i in range(count))
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany(f"INSERT INTO threads ({columns}) VALUES (?,?,?,?,?,?,?,?)", rows)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_a_wrong_method_is_counted_under_the_template_of_its_path(api: httpx.Client) -> None:
    moved = Moved(api)
    one, all_of = "/threads/{thread_id}", "/threads/search"
    assert api.put("/threads/no-matter-what").status_code == 405
    assert api.put("/threads/search").status_code == 405

    for path in (one, all_of):
        assert moved.by("lgserve_requests_total", method="PUT", path=path, status="405") == 1
    assert not {"no-matter-what"} & Figures(api).labels("lgserve_requests_total")
