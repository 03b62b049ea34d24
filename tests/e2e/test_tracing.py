"""Traces by OpenTelemetry's own variables: what arrives, and that runs feel nothing of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.collectors import Collector, Received, collecting
from tests.servers import ServerProcess, project

TRACE = "1" * 32
PARENT = "2" * 16
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SECRET = "sk-not-for-traces"
QUESTION = {"messages": [{"role": "user", "content": "how is the weather?"}]}
#: Longer than any run here may take; shorter than an exporter waits.
_SOON = 5.0


@contextmanager
def traced(folder: Path, environment: dict[str, str]) -> Iterator[ServerProcess]:
    """Serve the graphs of the project `traced`."""
    server = ServerProcess(
        folder=folder,
        config=project(folder, "traced"),
        arguments=["--no-reload", "--grace", "0"],
        environment=environment,
    )
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def server(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with traced(tmp_path_factory.mktemp("traced"), collector.environment) as found:
        yield found


@pytest.fixture
def http(server: ServerProcess, collector: Collector) -> Iterator[httpx.Client]:
    collector.spans.clear()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def run(http: httpx.Client, graph: str, given: Any = None, **more: Any) -> str:
    """Run a graph on a thread of its own, and return the thread."""
    thread_id = str(http.post("/threads", json={}).json()["thread_id"])
    body = {"assistant_id": graph, "input": given or {"text": "x"}, **more}
    answer = http.post(f"/threads/{thread_id}/runs/wait", json=body, headers=HEADERS)
    assert answer.status_code == 200
    return thread_id


def hangs_on(child: Received, parent: Received) -> bool:
    return child.parent_id == parent.span_id and child.trace_id == parent.trace_id


def test_an_agents_run_is_a_tree_of_request_run_nodes_models_and_tools(
    http: httpx.Client, collector: Collector
) -> None:
    thread_id = run(http, "agent", QUESTION)
    request = "POST /threads/{thread_id}/runs/wait"
    found = collector.wait_for(
        request, "invoke_agent agent", "node think", "node tools", "execute_tool weather",
        "chat weather-1",
    )  # fmt: skip
    agent = found["invoke_agent agent"]
    assert found[request].trace_id == TRACE
    assert found[request].parent_id == PARENT
    assert found[request].kind == 2
    assert found[request].attributes["http.response.status_code"] == 200
    assert hangs_on(agent, found[request])
    assert hangs_on(found["node think"], agent)
    assert hangs_on(found["node tools"], agent)
    assert hangs_on(found["execute_tool weather"], found["node tools"])
    assert hangs_on(found["chat weather-1"], found["node think"])
    assert agent.attributes["gen_ai.conversation.id"] == thread_id
    assert agent.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert found["execute_tool weather"].attributes["gen_ai.tool.call.id"] == "call-1"
    assert agent.resource["service.name"] == "lgserve"


def test_a_models_span_has_its_names_tokens_and_reason_to_stop(
    http: httpx.Client, collector: Collector
) -> None:
    thread_id = run(http, "agent", QUESTION)
    chat = collector.wait_for("invoke_agent agent", "chat weather-1")["chat weather-1"]
    assert chat.kind == 3
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "weather-1",
        "gen_ai.response.model": "weather-1-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.conversation.id": thread_id,
    }
    assert expected.items() <= chat.attributes.items()


def test_contents_and_secrets_stay_out_of_traces(http: httpx.Client, collector: Collector) -> None:
    secret = {"configurable": {"api_key": SECRET}}
    with httpx.Client(base_url=http.base_url, headers={"authorization": SECRET}) as client:
        run(client, "agent", QUESTION, config=secret, metadata={"token": SECRET})
        client.get(f"/info?token={SECRET}")
    collector.wait_for("invoke_agent agent", "node tools", "GET /info")
    everything = repr(collector.spans)
    assert SECRET not in everything
    assert "how is the weather" not in everything
    assert "Bern" not in everything
    assert "It rains" not in everything


def test_an_error_is_recorded_where_it_was_raised_and_on_the_run(
    http: httpx.Client, collector: Collector
) -> None:
    run(http, "failing")
    found = collector.wait_for("invoke_agent failing", "node only")
    for span in found["invoke_agent failing"], found["node only"]:
        assert span.failed
        assert span.attributes["error.type"] == "ValueError"
        assert span.status == "ValueError: it went wrong"
    event = found["node only"].events["exception"]
    assert event["exception.message"] == "it went wrong"
    assert "_fail" in event["exception.stacktrace"]


def test_an_interrupt_is_no_error(http: httpx.Client, collector: Collector) -> None:
    run(http, "asking")
    found = collector.wait_for("invoke_agent asking", "node only")
    assert not found["node only"].failed
    assert not found["invoke_agent asking"].failed
    assert found["invoke_agent asking"].attributes["lgserve.run.outcome"] == "interrupted"


def test_a_background_run_goes_on_with_the_trace_of_who_created_it(
    http: httpx.Client, collector: Collector
) -> None:
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "nested", "input": {"text": "x"}, "after_seconds": 0.3}
    created = http.post(f"/threads/{thread_id}/runs", json=body, headers=HEADERS).json()
    found = collector.wait_for("POST /threads/{thread_id}/runs", "invoke_agent nested")
    assert found["invoke_agent nested"].trace_id == TRACE
    assert hangs_on(found["invoke_agent nested"], found["POST /threads/{thread_id}/runs"])
    assert found["invoke_agent nested"].attributes["lgserve.run.id"] == created["run_id"]


def test_requests_without_a_trace_begin_one_each_and_probes_none(
    http: httpx.Client, collector: Collector
) -> None:
    http.get("/ok")
    http.get("/metrics")
    http.get("/info")
    http.get("/info")
    infos = [lambda: len([span for span in collector.spans if span.name == "GET /info"]) == 2]
    collector.wait_until(infos[0], "two spans")
    assert {span.name for span in collector.spans} == {"GET /info"}
    assert len({span.trace_id for span in collector.spans}) == 2
    assert not any(span.parent_id for span in collector.spans)


def test_a_trace_that_is_not_sampled_upstream_is_not_recorded_here(
    http: httpx.Client, collector: Collector
) -> None:
    unsampled = {"traceparent": f"00-{'3' * 32}-{PARENT}-00"}
    body = {"assistant_id": "nested", "input": {"text": "x"}}
    assert http.post("/runs/wait", json=body, headers=unsampled).status_code == 200
    run(http, "asking")
    collector.wait_for("invoke_agent asking")
    assert {span.trace_id for span in collector.spans} & {"3" * 32} == set()


def test_a_malformed_traceparent_begins_a_trace_of_its_own(
    http: httpx.Client, collector: Collector
) -> None:
    assert http.get("/info", headers={"traceparent": "zz-nonsense"}).status_code == 200
    assert collector.wait_for("GET /info")["GET /info"].parent_id == ""


def test_graphs_that_call_graphs_are_in_one_trace(http: httpx.Client, collector: Collector) -> None:
    run(http, "calling")
    found = collector.wait_for("POST /runs/wait", "invoke_agent calling", "invoke_agent nested")
    assert found["invoke_agent nested"].trace_id == TRACE
    assert hangs_on(found["invoke_agent nested"], found["POST /runs/wait"])


def test_spans_that_user_code_records_hang_on_their_node(
    http: httpx.Client, collector: Collector
) -> None:
    run(http, "recording")
    found = collector.wait_for("node only", "by hand")
    assert hangs_on(found["by hand"], found["node only"])


def test_a_stream_of_protocol_v1_and_raw_events_are_traced(
    http: httpx.Client, collector: Collector
) -> None:
    body = {"assistant_id": "agent", "input": QUESTION, "stream_mode": ["events", "messages"]}
    with http.stream("POST", "/runs/stream", json=body) as answer:
        assert "on_chat_model_end" in answer.read().decode()
    found = collector.wait_for("POST /runs/stream", "invoke_agent agent", "execute_tool weather")
    assert hangs_on(found["invoke_agent agent"], found["POST /runs/stream"])
    assert hangs_on(found["execute_tool weather"], found["node tools"])


def test_a_run_of_protocol_v2_is_traced(http: httpx.Client, collector: Collector) -> None:
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    params = {"assistant_id": "agent", "input": QUESTION}
    command = {"id": 1, "method": "run.start", "params": params}
    answer = http.post(f"/threads/{thread_id}/commands", json=command, headers=HEADERS)
    assert answer.json()["type"] == "success"
    found = collector.wait_for("POST /threads/{thread_id}/commands", "invoke_agent agent")
    assert found["invoke_agent agent"].trace_id == TRACE
    assert hangs_on(found["chat weather-1"], found["node think"])


def test_info_says_that_traces_arrive(http: httpx.Client) -> None:
    info = http.get("/info").json()
    assert info["capabilities"]["tracing"] is True
    assert info["tracing"] == {"otel": True, "callbacks": []}


def test_contents_are_recorded_if_that_is_asked_for(tmp_path: Path) -> None:
    with collecting() as collector:
        asked = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
        named = {"OTEL_SERVICE_NAME": "weather-service"}
        environment = {**collector.environment, **asked, **named}
        with traced(tmp_path, environment) as server, httpx.Client(base_url=server.url) as http:
            run(http, "agent", QUESTION)
            assert server.stop() == 0  # what is left is sent at the end
    found = {span.name: span for span in collector.spans}
    chat, tool = found["chat weather-1"].attributes, found["execute_tool weather"].attributes
    assert "how is the weather?" in chat["gen_ai.input.messages"]
    assert "It rains." in chat["gen_ai.output.messages"]
    assert "Bern" in tool["gen_ai.tool.call.arguments"]
    assert "rain over Bern" in tool["gen_ai.tool.call.result"]
    assert found["chat weather-1"].resource["service.name"] == "weather-service"


def test_a_collector_that_is_down_costs_runs_nothing_and_the_log_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:{SECRET}@127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with traced(tmp_path, environment) as server, httpx.Client(base_url=server.url) as http:
        began = time.monotonic()
        run(http, "agent", QUESTION)
        assert time.monotonic() - began < _SOON
        deadline = time.monotonic() + 20
        while http.get("/info").json()["capabilities"]["tracing"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run(http, "agent", QUESTION)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < _SOON
    assert server.log.count("traces are lost") == 1
    assert "Traceback" not in server.log
    assert "opentelemetry" not in server.log
    assert SECRET not in server.log


def test_a_collector_that_does_not_answer_delays_neither_runs_nor_the_end(tmp_path: Path) -> None:
    with collecting() as collector:
        collector.answering.clear()
        environment = {**collector.environment, "OTEL_BSP_MAX_QUEUE_SIZE": "20"}
        environment["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "10"
        with traced(tmp_path, environment) as server, httpx.Client(base_url=server.url) as http:
            run(http, "agent", QUESTION)
            collector.wait_until(lambda: collector.requests > 0, "an export")
            began = time.monotonic()
            for _ in range(10):  # more spans than the queue holds
                run(http, "agent", QUESTION)
            assert time.monotonic() - began < _SOON
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < _SOON
            assert "Traceback" not in server.log


def test_traces_that_arrive_again_are_told_of(tmp_path: Path) -> None:
    with collecting() as collector:
        collector.status = 400
        serving = traced(tmp_path, collector.environment)
        with serving as server, httpx.Client(base_url=server.url) as http:
            run(http, "nested")
            collector.wait_until(lambda: "traces are lost" in server.log, "a line")
            collector.status = 200
            run(http, "nested")
            collector.wait_until(lambda: "arrive at" in server.log, "a line")
            assert http.get("/info").json()["tracing"]["otel"] is True


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_switched_off_nothing_is_sent_or_imported(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with collecting() as collector:
        with traced(tmp_path, {**collector.environment, **environment}) as server:
            with httpx.Client(base_url=server.url) as http:
                run(http, "nested")
                assert http.get("/info").json()["capabilities"]["tracing"] is False
            server.stop()
        assert collector.requests == 0


def test_without_the_extra_the_server_serves_and_names_it(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys; sys.modules['opentelemetry'] = None\n")
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "PYTHONPATH": f"{blocked}:{Path(__file__).parents[2]}",
    }
    with traced(tmp_path, environment) as server, httpx.Client(base_url=server.url) as http:
        run(http, "nested")
        assert http.get("/info").json()["tracing"]["otel"] is False
    assert 'pip install "lgserve[otel]"' in server.log.replace('\\"', '"')


def test_an_exporter_that_is_not_there_is_told_of_and_the_server_serves(tmp_path: Path) -> None:
    serving = traced(tmp_path, {"OTEL_TRACES_EXPORTER": "jaeger"})
    with serving as server, httpx.Client(base_url=server.url) as http:
        run(http, "nested")
    assert "jaeger" in server.log
