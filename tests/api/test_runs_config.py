"""What a run is made of: assistant, thread and request, in the reference's order."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lgserve.core.ids import system_assistant_id
from tests.api.run_tools import Body, last_run, new_thread, wait

#: What the server itself puts into a run's configurable, in this order.
_SERVER = [
    "langgraph_auth_user",
    "langgraph_auth_user_id",
    "langgraph_auth_permissions",
    "langgraph_request_id",
    "__request_start_time_ms__",
    "__after_seconds__",
    "run_id",
    "thread_id",
    "graph_id",
    "assistant_id",
    "user_id",
]


def seen(http: httpx.Client, thread_id: str, assistant: str = "show", **body: Any) -> Body:
    """Return what a node sees of its configuration."""
    values: Body = wait(http, thread_id, assistant, input={}, **body)["seen"]
    return values


@pytest.mark.requirement("RUN-001")
def test_a_run_shows_all_that_it_was_asked_for(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.post(
        f"/threads/{thread_id}/runs",
        json={
            "assistant_id": "echo",
            "input": {"text": "bg"},
            "metadata": {"m": 1},
            "config": {"tags": ["x"], "configurable": {"c": 1}, "recursion_limit": 7},
            "stream_mode": ["updates", "values"],
            "interrupt_before": ["b"],
            "durability": "exit",
        },
        headers={"x-request-id": "req-1"},
    ).json()
    assistant_id = system_assistant_id("echo")
    metadata = {
        "created_by": "system",
        "graph_id": "echo",
        "assistant_id": assistant_id,
        "m": 1,
    }
    configurable = answer["kwargs"]["config"]["configurable"]
    kwargs = {
        "input": {"text": "bg"},
        "command": None,
        "config": {
            "tags": ["x"],
            "configurable": {
                "c": 1,
                "langgraph_auth_user": None,
                "langgraph_auth_user_id": "",
                "langgraph_auth_permissions": [],
                "langgraph_request_id": "req-1",
                "__request_start_time_ms__": configurable["__request_start_time_ms__"],
                "__after_seconds__": 0,
                "run_id": answer["run_id"],
                "thread_id": thread_id,
                "graph_id": "echo",
                "assistant_id": assistant_id,
                "user_id": "",
            },
            "recursion_limit": 7,
            "metadata": metadata,
        },
        "context": {"c": 1},
        "stream_mode": ["updates", "values"],
        "interrupt_before": ["b"],
        "interrupt_after": None,
        "webhook": None,
        "feedback_keys": None,
        "temporary": False,
        "subgraphs": False,
        "resumable": False,
        "checkpoint_during": False,
        "durability": "exit",
    }
    expected = {
        "run_id": answer["run_id"],
        "thread_id": thread_id,
        "assistant_id": assistant_id,
        "metadata": metadata,
        "status": "pending",
        "kwargs": kwargs,
        "multitask_strategy": "enqueue",
        "created_at": answer["created_at"],
        "updated_at": answer["created_at"],
        "langsmith_session_name": None,
        "cancel_reason": None,
    }
    # Compared as text: members stand in the order of the reference.
    assert repr(answer) == repr(expected)


@pytest.mark.requirement("CONFIG-001")
def test_the_request_goes_over_the_thread_and_the_thread_over_the_assistant(
    http: httpx.Client,
) -> None:
    assistant_id = http.post(
        "/assistants",
        json={
            "graph_id": "show",
            "metadata": {"am": 1, "shared": "assistant"},
            "config": {
                "configurable": {"a": 1, "both": "assistant"},
                "tags": ["atag"],
                "recursion_limit": 11,
            },
        },
    ).json()["assistant_id"]
    thread_id = new_thread(http, metadata={"tm": 1, "shared": "thread"})
    config = {
        "configurable": {"r": 1, "both": "run"},
        "tags": ["rtag"],
        "metadata": {"cm": 1, "shared": "config"},
        "run_name": "named",
        "max_concurrency": 3,
    }
    first = seen(http, thread_id, assistant_id, metadata={"rm": 1, "shared": "run"}, config=config)
    run = last_run(http, thread_id)
    thread = http.get(f"/threads/{thread_id}").json()
    second = seen(http, thread_id, assistant_id)

    assert list(run["kwargs"]["config"]["configurable"]) == ["a", "both", "r", *_SERVER]
    assert repr(run["metadata"]) == repr(
        {
            "am": 1,
            "shared": "run",
            "tm": 1,
            "graph_id": "show",
            "assistant_id": assistant_id,
            "cm": 1,
            "rm": 1,
        }
    )
    assert repr(thread["config"]) == repr(
        {
            "configurable": {"a": 1, "both": "assistant"},
            "tags": ["rtag"],
            "recursion_limit": 11,
            "metadata": {"cm": 1, "shared": "config"},
            "run_name": "named",
            "max_concurrency": 3,
        }
    )
    assert first["configurable"]["both"] == "run"
    assert (first["tags"], first["recursion_limit"], first["max_concurrency"]) == (["rtag"], 11, 3)
    assert (second["configurable"]["both"], second["tags"]) == ("assistant", ["atag"])


@pytest.mark.requirement("CONFIG-002")
def test_a_client_cannot_pass_for_the_server(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    forged = dict.fromkeys((*_SERVER[:4], "langgraph_auth_role", *_SERVER[6:10]), "forged")
    shown = seen(http, thread_id, config={"configurable": {**forged, "user_id": "me"}})
    configurable = shown["configurable"]

    assert configurable["thread_id"] == thread_id
    assert configurable["run_id"] == last_run(http, thread_id)["run_id"]
    assert configurable["graph_id"] == "show"
    assert configurable["assistant_id"] == system_assistant_id("show")
    assert (configurable["langgraph_auth_user"], configurable["langgraph_auth_user_id"]) == (
        None,
        "",
    )
    assert configurable["langgraph_auth_permissions"] == []
    assert "langgraph_auth_role" not in configurable
    assert (configurable["user_id"], configurable["langgraph_request_id"]) == ("me", "forged")


@pytest.mark.requirement("CONFIG-003", "HTTP-018")
def test_a_node_is_told_where_it_runs(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    metadata = seen(http, thread_id, metadata={"mine": 1})["metadata"]
    run = last_run(http, thread_id)

    assert (metadata["run_id"], metadata["thread_id"]) == (run["run_id"], thread_id)
    assert (metadata["run_attempt"], metadata["mine"], metadata["created_by"]) == (1, 1, "system")
    assert (metadata["langgraph_node"], metadata["langgraph_step"]) == ("show", 1)
    assert metadata["langgraph_api_url"] == str(http.base_url).rstrip("/")


@pytest.mark.requirement("RUN-011")
def test_a_thread_that_a_run_makes_has_the_metadata_of_the_run(http: httpx.Client) -> None:
    thread_id = "0f0f0f0f-0000-4000-8000-000000000001"
    wait(
        http,
        thread_id,
        "echo",
        input={},
        if_not_exists="create",
        metadata={"rm": 1, "both": "run"},
        config={"metadata": {"cm": 1, "both": "config"}},
    )

    assert repr(http.get(f"/threads/{thread_id}").json()["metadata"]) == repr(
        {
            "graph_id": "echo",
            "assistant_id": system_assistant_id("echo"),
            "cm": 1,
            "both": "run",
            "rm": 1,
        }
    )


@pytest.mark.requirement("CONFIG-005")
def test_a_run_on_a_busy_thread_leaves_its_configuration_alone(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    body = {"assistant_id": "echo", "input": {}, "after_seconds": 3600}
    http.post(f"/threads/{thread_id}/runs", json={**body, "config": {"tags": ["first"]}})
    http.post(f"/threads/{thread_id}/runs", json={**body, "config": {"tags": ["second"]}})

    assert http.get(f"/threads/{thread_id}").json()["config"]["tags"] == ["first"]
    http.delete(f"/threads/{thread_id}")


@pytest.mark.requirement("CONFIG-004")
def test_configurable_and_context_exclude_each_other(http: httpx.Client) -> None:
    body = {
        "assistant_id": "show",
        "input": {},
        "config": {"configurable": {"level": 9}},
        "context": {"level": 1},
    }
    answer = http.post("/runs/wait", json=body)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Cannot specify both configurable and context.")
    either = http.post("/runs/wait", json={**body, "context": {}}).json()
    assert either["seen"]["context"] == {"user": "anon", "level": 9}


@pytest.mark.requirement("RUN-001")
def test_a_context_puts_into_configurable_only_what_the_schema_knows(http: httpx.Client) -> None:
    given = {"user": "u", "nope": 9, "thread_id": "forged"}
    thread_id = new_thread(http)
    of_context = seen(http, thread_id, context=given)
    assert of_context["context"] == {"user": "u", "level": 1}
    assert of_context["configurable"]["user"] == "u"
    assert "nope" not in of_context["configurable"]
    assert of_context["configurable"]["thread_id"] == thread_id
    assert last_run(http, thread_id)["kwargs"]["context"] == given
    of_config = seen(http, thread_id, config={"configurable": {"user": "u", "nope": 9}})
    assert of_config["configurable"]["nope"] == 9


def test_an_assistants_context_is_filtered_when_the_run_gives_one(http: httpx.Client) -> None:
    made = http.post("/assistants", json={"graph_id": "show", "context": {"anope": 1}}).json()
    assistant_id = made["assistant_id"]
    assert seen(http, new_thread(http), assistant_id)["configurable"]["anope"] == 1
    run = seen(http, new_thread(http), assistant_id, context={"level": 2})
    assert run["configurable"]["level"] == 2
    assert "anope" not in run["configurable"]
