"""The past of threads."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient


@pytest.fixture(scope="module")
def thread_id(http: httpx.Client) -> str:
    """A thread on which echo has run once: four checkpoints, steps 2, 1, 0, -1."""
    made = http.post("/threads", json={"metadata": {"graph_id": "echo"}}).json()
    body = {"assistant_id": "echo", "input": {"text": "one"}, "metadata": {"mk": "mv"}}
    http.post(f"/threads/{made['thread_id']}/runs/wait", json=body)
    return str(made["thread_id"])


@pytest.fixture(scope="module")
def ids(http: httpx.Client, thread_id: str) -> list[str]:
    states = http.get(f"/threads/{thread_id}/history?limit=100").json()
    return [state["checkpoint_id"] for state in states]


def steps(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [state["metadata"]["step"] for state in answer.json()]


@pytest.mark.requirement("HISTORY-001")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [2]),
        ("?limit=10", [2, 1, 0, -1]),
        ("?limit=2", [2, 1]),
        ("?limit=0", []),
        ("?limit=1001", [2, 1, 0, -1]),
        ("?limit=10&before={1}", [0, -1]),
        ("?before={0}", [1]),
        ("?before={3}", []),
    ],
)
def test_history_by_query(
    http: httpx.Client, thread_id: str, ids: list[str], query: str, expected: list[int]
) -> None:
    path = f"/threads/{thread_id}/history" + query.format(*ids)

    assert steps(http.get(path)) == expected


@pytest.mark.requirement("HISTORY-001", "HISTORY-002")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [2]),
        ({"limit": 3}, [2, 1, 0]),
        ({"limit": 9, "before": 1}, [0, -1]),
        ({"limit": 9, "before": {"checkpoint_id": 1}}, [0, -1]),
        ({"limit": 9, "before": {"configurable": {"checkpoint_id": 1}}}, [0, -1]),
        ({"limit": 9, "before": {}}, [2, 1, 0, -1]),
        ({"limit": 9, "checkpoint": {"checkpoint_id": 2}}, [0]),
        ({"limit": 9, "checkpoint": {"checkpoint_ns": ""}}, [2, 1, 0, -1]),
        ({"limit": 9, "metadata": {"source": "loop"}}, [2, 1, 0]),
        ({"limit": 9, "metadata": {"source": "input"}}, [-1]),
        ({"limit": 9, "metadata": {"step": 1, "mk": "mv"}}, [1]),
        ({"limit": 9, "metadata": {"mk": "other"}}, []),
        ({"limit": 1, "metadata": {"step": 0}}, [0]),
    ],
)
def test_history_by_body(
    http: httpx.Client, thread_id: str, ids: list[str], body: Any, expected: list[int]
) -> None:
    def filled(value: Any, name: str = "") -> Any:
        """Put the real checkpoint ids where the table has numbers."""
        if isinstance(value, dict):
            return {key: filled(member, key) for key, member in value.items()}
        return ids[value] if name in ("before", "checkpoint_id") else value

    assert steps(http.post(f"/threads/{thread_id}/history", json=filled(body))) == expected


@pytest.mark.requirement("HISTORY-002")
async def test_the_sdk_pages_backwards(client: LangGraphClient, thread_id: str) -> None:
    first: Any = await client.threads.get_history(thread_id, limit=2)
    rest: Any = await client.threads.get_history(thread_id, before=first[-1]["checkpoint"])
    same: Any = await client.threads.get_history(thread_id, before=first[-1]["checkpoint_id"])

    assert [state["metadata"]["step"] for state in (*first, *rest)] == [2, 1, 0, -1]
    assert same == rest


@pytest.mark.requirement("HISTORY-003")
def test_past_states_show_what_their_tasks_wrote(http: httpx.Client, thread_id: str) -> None:
    states = http.get(f"/threads/{thread_id}/history?limit=10").json()

    assert [[task["result"] for task in state["tasks"]] for state in states] == [
        [],
        [{"log": ["b"], "n": 2}],
        [{"log": ["a:one"], "n": 1}],
        [{"text": "one"}],
    ]


@pytest.mark.requirement("HISTORY-005")
def test_a_thread_without_a_run_has_no_history(http: httpx.Client) -> None:
    made = http.post("/threads", json={}).json()

    assert http.get(f"/threads/{made['thread_id']}/history").json() == []


@pytest.mark.requirement("HISTORY-004")
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"limit": 0}, "limit: Input should be greater than or equal to 1 (got 0)"),
        ({"limit": 1001}, "limit: Input should be less than or equal to 1000 (got 1001)"),
        ({"before": 5}, "before: Input should be an object (got 5)"),
        ({"before": "zzz"}, 'before: Invalid checkpoint ID (got "zzz")'),
        (
            {"before": {"configurable": {"checkpoint_id": "z"}}},
            'before.checkpoint_id: Invalid checkpoint ID (got "z")',
        ),
        ({"metadata": 5}, "metadata: Input should be an object (got 5)"),
    ],
)
def test_a_wrong_body_is_refused(
    http: httpx.Client, thread_id: str, body: Any, detail: str
) -> None:
    answer = http.post(f"/threads/{thread_id}/history", json=body)

    assert (answer.status_code, answer.json()) == (422, {"detail": detail})


@pytest.mark.requirement("HISTORY-004")
def test_a_wrong_query_is_refused(http: httpx.Client, thread_id: str) -> None:
    answer = http.get(f"/threads/{thread_id}/history?limit=x")

    assert (answer.status_code, answer.json()) == (422, {"detail": "Invalid limit x"})
    assert http.get(f"/threads/{uuid4()}/history?limit=1").status_code == 404
