"""What chat interfaces send: agent-chat-ui, deep-agents-ui, assistant-ui, CopilotKit, Studio.

The bodies are those their code makes of a user's doings, with the fields that JSON leaves out when
they are undefined left out. `useStream` sends checkpoints without their `thread_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import served

HUMAN = {"id": "6f1c", "type": "human", "content": "you"}
PARTS = {"id": "6f1d", "type": "human", "content": [{"type": "text", "text": "you"}]}
BROWSER = {
    "Origin": "http://localhost:3000",
    "Referer": "http://localhost:3000/",
    "Accept": "*/*",
    "Accept-Language": "en-US,en;q=0.9",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Fetch-Mode": "cors",
    "x-auth-scheme": "langsmith",
    "x-api-key": "",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("chat-uis")) as url,
        httpx.Client(base_url=url, headers=BROWSER, timeout=30) as client,
    ):
        yield client


def post(page: httpx.Client, path: str, body: Any) -> Any:
    answer = page.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def thread(page: httpx.Client, **body: Any) -> str:
    return str(post(page, "/threads", body)["thread_id"])


@dataclass(frozen=True)
class Streamed:
    events: list[str]
    data: list[Any]
    headers: httpx.Headers


def stream(page: httpx.Client, path: str, body: Any) -> Streamed:
    answer = page.post(path, json=body)
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert "error" not in events, answer.text
    return Streamed(events, data, answer.headers)


def history(page: httpx.Client, thread_id: str, limit: int = 10) -> Any:
    return post(page, f"/threads/{thread_id}/history", {"limit": limit})


# ------------------------------------------------------------------ agent-chat-ui


def agent_chat_message(graph: str, message: Any, **more: Any) -> dict[str, Any]:
    return {
        "input": {"messages": [message]},
        "stream_mode": ["values", "messages-tuple", "custom"],
        "stream_subgraphs": True,
        "stream_resumable": True,
        "assistant_id": graph,
        "on_disconnect": "continue",
        **more,
    }


def test_agent_chat_ui_looks_whether_the_server_is_there(page: httpx.Client) -> None:
    assert page.get("/info").status_code == 200


@pytest.mark.parametrize("metadata", [{"graph_id": "chat"}, {"assistant_id": str(uuid4())}])
def test_agent_chat_ui_lists_threads(page: httpx.Client, metadata: Any) -> None:
    body = {"metadata": metadata, "limit": 100, "offset": 0}
    assert isinstance(post(page, "/threads/search", body), list)


@pytest.mark.requirement("CLIENT-004", "CLIENT-005")
def test_agent_chat_ui_sends_a_message_in_parts(page: httpx.Client) -> None:
    thread_id = thread(page, metadata={})
    body = agent_chat_message("chat", PARTS)
    seen = stream(page, f"/threads/{thread_id}/runs/stream", body)

    assert {"metadata", "values", "messages"} <= set(seen.events)
    assert seen.data[-1]["messages"][-1]["content"].startswith("hello")
    assert seen.headers["Content-Location"].startswith(f"/threads/{thread_id}/runs/")
    assert history(page, thread_id)[0]["values"]["messages"][-1]["type"] == "ai"


def test_agent_chat_ui_edits_and_regenerates(page: httpx.Client) -> None:
    thread_id = thread(page)
    path = f"/threads/{thread_id}/runs/stream"
    stream(page, path, agent_chat_message("chat", HUMAN))
    states = history(page, thread_id)
    before = _without_thread(states[-1]["checkpoint"])  # where there were no messages yet
    edited = agent_chat_message("chat", {**HUMAN, "id": "other"}, checkpoint=before)
    stream(page, path, edited)
    parent = _without_thread(history(page, thread_id)[0]["parent_checkpoint"])
    again = {key: edited[key] for key in edited if key != "input"} | {"checkpoint": parent}
    seen = stream(page, path, again)

    assert len(seen.data[-1]["messages"]) == 2
    assert len(history(page, thread_id, 100)) > len(states)


def _without_thread(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in checkpoint.items() if name != "thread_id"}


def test_agent_chat_ui_answers_an_interrupt(page: httpx.Client) -> None:
    thread_id = thread(page)
    path = f"/threads/{thread_id}/runs/stream"
    body = {"stream_mode": ["values"], "assistant_id": "ask", "on_disconnect": "cancel"}
    stream(page, path, {**body, "input": {"q": "name?"}})
    answers = [{"type": "accept", "args": None}]
    seen = stream(page, path, {**body, "input": {}, "command": {"resume": answers}})

    assert seen.data[-1]["answer"] == answers


def test_agent_chat_ui_ends_an_interrupted_thread(page: httpx.Client) -> None:
    thread_id = thread(page)
    path = f"/threads/{thread_id}/runs/stream"
    body = {"stream_mode": ["values"], "assistant_id": "ask"}
    stream(page, path, {**body, "input": {"q": "name?"}})
    stream(page, path, {**body, "input": {}, "command": {"goto": "__end__"}})


def test_agent_chat_ui_runs_without_a_thread(page: httpx.Client) -> None:
    body = agent_chat_message("chat", HUMAN) | {"on_completion": "delete"}
    assert stream(page, "/runs/stream", body).data[-1]["messages"][-1]["content"] == "hello you"


# ------------------------------------------------------------------ deep-agents-ui


def test_deep_agents_ui_finds_its_assistant(page: httpx.Client) -> None:
    found = post(page, "/assistants/search", {"graph_id": "chat", "limit": 100, "offset": 0})
    system = [each for each in found if each["metadata"].get("created_by") == "system"]

    assert [each["graph_id"] for each in system] == ["chat"]
    assert page.get(f"/assistants/{system[0]['assistant_id']}").status_code == 200


def test_deep_agents_ui_lists_threads_by_status(page: httpx.Client) -> None:
    body = {
        "limit": 20,
        "offset": 0,
        "status": "interrupted",
        "sort_by": "updated_at",
        "sort_order": "desc",
        "metadata": {"graph_id": "ask"},
    }
    assert isinstance(post(page, "/threads/search", body), list)


@pytest.mark.requirement("CLIENT-004", "CLIENT-005")
def test_deep_agents_ui_sends_and_goes_on_step_by_step(page: httpx.Client) -> None:
    thread_id = thread(page, thread_id=str(uuid4()), metadata={})
    path = f"/threads/{thread_id}/runs/stream"
    body = {
        "config": {"configurable": {}, "recursion_limit": 100},
        "stream_mode": ["values", "messages-tuple", "updates"],
        "stream_resumable": True,
        "assistant_id": "chat",
        "on_disconnect": "continue",
    }
    stream(page, path, {**body, "input": {"messages": [HUMAN]}, "interrupt_before": ["model"]})
    assert page.get(f"/threads/{thread_id}/state").json()["next"] == ["model"]
    stream(page, path, {**body, "interrupt_after": ["model"]})
    page.post(f"/threads/{thread_id}/state", json={"values": {"messages": []}})
    ended = {**body, "input": None, "command": {"goto": "__end__", "update": None}}
    stream(page, path, ended)

    assert page.get(f"/threads/{thread_id}/state").json()["next"] == []


# ------------------------------------------------------------------ assistant-ui


@pytest.mark.requirement("CLIENT-004", "CLIENT-005")
def test_assistant_ui_sends_goes_back_and_loads(page: httpx.Client) -> None:
    thread_id = thread(page)
    path = f"/threads/{thread_id}/runs/stream"
    body = {
        "config": {"configurable": {"model_name": "openai"}},
        "stream_mode": "messages-tuple",
        "assistant_id": "chat",
    }
    first = stream(page, path, {**body, "input": {"messages": [HUMAN]}})
    assert "messages" in first.events
    state = page.get(f"/threads/{thread_id}/state").json()
    assert state["checkpoint"]["checkpoint_id"] == state["checkpoint_id"]
    assert state["tasks"] == []
    then = history(page, thread_id)[-1]["checkpoint_id"]
    again = {**body, "input": {"messages": [{**HUMAN, "id": "new"}]}, "checkpoint_id": then}
    stream(page, path, again)

    assert len(page.get(f"/threads/{thread_id}/state").json()["values"]["messages"]) == 2


def test_assistant_ui_streams_messages_with_updates(page: httpx.Client) -> None:
    body = {
        "input": {"messages": [HUMAN]},
        "stream_mode": ["messages", "updates", "custom"],
        "stream_subgraphs": True,
        "assistant_id": "chat",
    }
    seen = stream(page, f"/threads/{thread(page)}/runs/stream", body)

    assert {"messages/metadata", "messages/partial", "updates"} <= set(seen.events)


# ------------------------------------------------------------------ CopilotKit, AG-UI


def test_copilotkit_prepares_a_thread_and_its_assistant(page: httpx.Client) -> None:
    thread_id = str(uuid4())
    assert page.get(f"/threads/{thread_id}").status_code == 404
    made = thread(page, thread_id=thread_id, if_exists="do_nothing", metadata={})
    state = page.get(f"/threads/{thread_id}/state").json()
    (assistant,) = post(page, "/assistants/search", {"graph_id": "chat", "limit": 1})
    named = f"/assistants/{assistant['assistant_id']}"

    assert made == thread_id
    assert (state["values"], state["next"], state["tasks"]) == ({}, [], [])
    assert {"input_schema", "output_schema", "config_schema", "context_schema"} <= set(
        page.get(f"{named}/schemas").json()
    )
    assert {"nodes", "edges"} == set(page.get(f"{named}/graph").json())


def test_copilotkit_streams_raw_events(page: httpx.Client) -> None:
    thread_id = thread(page, thread_id=str(uuid4()))
    body = {
        "input": {"messages": [HUMAN], "tools": [], "copilotkit": {"actions": [], "context": []}},
        "config": {"recursion_limit": 100, "configurable": {"thread": thread_id}},
        "stream_mode": ["events", "values", "updates", "messages-tuple"],
        "stream_subgraphs": True,
        "assistant_id": "chat",
    }
    seen = stream(page, f"/threads/{thread_id}/runs/stream", body)
    raw = [data for event, data in zip(seen.events, seen.data, strict=True) if event == "events"]

    assert {"events", "values", "updates", "messages"} <= set(seen.events)
    assert all({"event", "metadata", "data"} <= set(each) for each in raw)
    tokens = [each for each in raw if each["event"] == "on_chat_model_stream"]
    assert tokens
    assert tokens[0]["metadata"]["langgraph_node"] == "model"


def test_copilotkit_regenerates_from_a_fork(page: httpx.Client) -> None:
    thread_id = thread(page)
    path = f"/threads/{thread_id}/runs/stream"
    body = {"stream_mode": ["events", "values"], "assistant_id": "chat", "config": {}}
    stream(page, path, {**body, "input": {"messages": [HUMAN]}})
    states = history(page, thread_id, 100)
    before = next(each for each in states if not each["values"].get("messages"))
    update = {"values": before["values"], "checkpoint_id": before["checkpoint"]["checkpoint_id"]}
    fork = post(page, f"/threads/{thread_id}/state", {**update, "as_node": "__start__"})
    again = {
        **body,
        "input": {"messages": [HUMAN]},
        "checkpoint_id": fork["checkpoint"]["checkpoint_id"],
        "command": None,
    }
    seen = stream(page, path, again)

    values = [data for event, data in zip(seen.events, seen.data, strict=True) if event == "values"]

    assert len(values[-1]["messages"]) == 2


# ------------------------------------------------------------------ Studio


def test_studio_opens_a_project(page: httpx.Client) -> None:
    assert page.get("/info").json()["flags"]["assistants"] is True
    found = post(page, "/assistants/search", {"limit": 1000, "offset": 0, "metadata": {}})
    for each in found:
        if each["graph_id"] == "parent":
            named = f"/assistants/{each['assistant_id']}"
            assert page.get(f"{named}/graph", params={"xray": "true"}).status_code == 200
            assert page.get(f"{named}/schemas").status_code == 200
            assert page.get(f"{named}/subgraphs", params={"recurse": "true"}).status_code == 200


@pytest.mark.requirement("CLIENT-004", "CLIENT-005")
def test_studio_runs_a_graph_with_all_there_is_to_see(page: httpx.Client) -> None:
    thread_id = thread(page, metadata={"graph_id": "parent"})
    body = {
        "assistant_id": "parent",
        "input": {"text": "t"},
        "config": {"tags": [], "recursion_limit": 100, "configurable": {}},
        "metadata": {"from_studio": True, "LANGGRAPH_API_URL": str(page.base_url)},
        "stream_mode": ["debug", "messages"],
        "stream_subgraphs": True,
        "stream_resumable": True,
        "interrupt_before": [],
        "interrupt_after": [],
        "multitask_strategy": "rollback",
        "checkpoint_id": None,
        "command": None,
        "langsmith_tracer": None,
        "on_completion": None,
        "durability": "async",
        "if_not_exists": "create",
    }
    seen = stream(page, f"/threads/{thread_id}/runs/stream", body)

    assert {event.split("|")[0] for event in seen.events} == {"metadata", "debug"}
    assert any(event.startswith("debug|child:") for event in seen.events)
    found = page.get(f"/threads/{thread_id}/state", params={"subgraphs": "true"})
    assert found.json()["values"]["log"][0] == "outer_start"
