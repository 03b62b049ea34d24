"""Who develops is told what was raised; the clients of `serve` are not, as with langgraph-api."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.servers import ServerProcess

CODE = """
from typing import TypedDict
from langgraph.graph import START, MessagesState, StateGraph

class UpstreamError(Exception):
    pass

class State(TypedDict, total=False):
    text: str

def fail(state):
    raise UpstreamError("no answer from http://db")

def refuse(state):
    raise ValueError("text is too short")

def graph_of(node, schema):
    builder = StateGraph(schema)
    builder.add_node("ask", node)
    builder.add_edge(START, "ask")
    return builder.compile()

failing, refusing = graph_of(fail, State), graph_of(refuse, State)
talking = graph_of(fail, MessagesState)
"""
GRAPHS = ("failing", "refusing", "talking")
MASKED, SHOWN = "An internal error occurred", "no answer from http://db"
BOTH = {"accept": "application/json, text/event-stream"}


@pytest.fixture(
    scope="module",
    params=[("serve", None, MASKED), ("dev", None, SHOWN), ("dev", True, MASKED)],
    ids=["serve", "dev", "dev-told-to-mask"],
)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, str]]:
    """A server, and what its clients are told of an exception that may hold a secret."""
    verb, mask, text = request.param
    folder = tmp_path_factory.mktemp("errors")
    config: dict[str, Any] = {"graphs": {name: f"./agent.py:{name}" for name in GRAPHS}}
    if mask is not None:
        config["lgserve"] = {"mask_errors": mask}
    (folder / "agent.py").write_text(CODE)
    (folder / "langgraph.json").write_text(json.dumps(config))
    server = ServerProcess(folder=folder, config=folder / "langgraph.json", verb=verb)
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            yield client, text
    finally:
        server.kill()


def run(client: httpx.Client, path: str, graph: str = "failing", **more: Any) -> httpx.Response:
    body = {"assistant_id": graph, "input": {"text": "?"}, **more}
    return client.post(path, json=body).raise_for_status()


def thread(client: httpx.Client) -> str:
    return str(client.post("/threads", json={}).json()["thread_id"])


def test_who_waits(told: tuple[httpx.Client, str]) -> None:
    client, text = told
    error = {"error": "UpstreamError", "message": text}
    assert run(client, "/runs/wait").json() == {"__error__": error}
    assert run(client, f"/threads/{thread(client)}/runs/wait").json() == {"__error__": error}


def test_who_streams(told: tuple[httpx.Client, str]) -> None:
    client, text = told
    for path in ("/runs/stream", f"/threads/{thread(client)}/runs/stream"):
        lines = run(client, path).text.splitlines()
        data = lines[lines.index("event: error") + 1].removeprefix("data: ")
        assert json.loads(data) == {"error": "UpstreamError", "message": text}


def test_who_joins_and_who_reads_the_thread(told: tuple[httpx.Client, str]) -> None:
    client, text = told
    error = {"error": "UpstreamError", "message": text}
    path = f"/threads/{thread(client)}"
    run_id = run(client, f"{path}/runs").json()["run_id"]
    assert client.get(f"{path}/runs/{run_id}/join").json() == {"__error__": error}
    assert client.get(path).json()["error"] == error


def test_who_follows_the_events(told: tuple[httpx.Client, str]) -> None:
    client, text = told
    path = f"/threads/{thread(client)}"
    params = {"assistant_id": "failing", "input": {"text": "?"}}
    with client.stream("POST", f"{path}/stream/events", json={"channels": ["lifecycle"]}) as events:
        command = {"id": 1, "method": "run.start", "params": params}
        client.post(f"{path}/commands", json=command).raise_for_status()
        failed = next(line for line in events.iter_lines() if '"failed"' in line)
    assert json.loads(failed.removeprefix("data: "))["params"]["data"]["error"] == text


def test_who_calls_a_tool(told: tuple[httpx.Client, str]) -> None:
    client, text = told
    params = {"name": "failing", "arguments": {"text": "?"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    result = client.post("/mcp", headers=BOTH, json=call).json()["result"]
    assert result["content"][0]["text"] == f"UpstreamError: {text}"


def test_another_agent(told: tuple[httpx.Client, str]) -> None:
    client, text = told
    search = client.post("/assistants/search", json={"graph_id": "talking"})
    path = f"/a2a/{search.json()[0]['assistant_id']}"
    parts = [{"kind": "text", "text": "hi"}]
    params = {"message": {"role": "user", "messageId": "1", "parts": parts}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": params}
    status = client.post(path, headers=BOTH, json=call).json()["result"]["status"]
    assert status["state"] == "failed"
    assert text in status["message"]["parts"][0]["text"]


def test_what_holds_no_secret_is_told_to_all(told: tuple[httpx.Client, str]) -> None:
    client, _ = told
    error = {"error": "ValueError", "message": "text is too short"}
    assert run(client, "/runs/wait", "refusing").json() == {"__error__": error}
