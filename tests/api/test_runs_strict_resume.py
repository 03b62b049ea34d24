"""`strict_resume`: an answer that nothing waits for fails its run, and changes nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient

from tests.api.run_tools import create, last_run, new_thread, start, state, stream, wait

UNKNOWN = "0" * 32


def asked(http: httpx.Client, graph: str = "ask", **given: Any) -> tuple[str, list[str]]:
    """Return a thread that waits for answers, and the ids of its questions."""
    thread_id = new_thread(http)
    values = wait(http, thread_id, graph, input=given or {"q": "x"})
    return thread_id, [item["id"] for item in values["__interrupt__"]]


def resume(http: httpx.Client, thread_id: str, answer: Any, graph: str = "ask", **more: Any) -> Any:
    body = {"command": {"resume": answer}, "strict_resume": True, **more}
    return wait(http, thread_id, graph, **body)


def row(http: httpx.Client, thread_id: str) -> dict[str, Any]:
    thread: dict[str, Any] = http.get(f"/threads/{thread_id}").json()
    thread.pop("updated_at")
    return thread


def refused(answer: Any) -> str:
    assert answer.keys() == {"__error__"}, answer
    assert answer["__error__"]["error"] == "UnknownInterruptError"
    return str(answer["__error__"]["message"])


@pytest.mark.requirement("COMMAND-007")
@pytest.mark.parametrize("answer", ["R", 0, {"a": 1}])
def test_an_answer_to_the_question_is_taken(http: httpx.Client, answer: Any) -> None:
    thread_id, _ = asked(http)
    assert resume(http, thread_id, answer)["answer"] == answer


def test_an_answer_may_name_its_question_and_be_null(http: httpx.Client) -> None:
    for answer in ("R", None):
        thread_id, (question,) = asked(http)
        assert resume(http, thread_id, {question: answer})["answer"] == answer


@pytest.mark.requirement("COMMAND-007")
@pytest.mark.parametrize(
    ("answer", "says"),
    [({UNKNOWN: 1}, UNKNOWN), ({}, "names no interrupt")],
)
def test_an_answer_to_another_question_leaves_the_thread_as_it_was(
    http: httpx.Client, answer: Any, says: str
) -> None:
    thread_id, _ = asked(http)
    before, state_before = row(http, thread_id), state(http, thread_id)

    assert says in refused(resume(http, thread_id, answer))
    assert row(http, thread_id) == before
    assert state(http, thread_id) == state_before
    assert last_run(http, thread_id)["status"] == "error"
    assert resume(http, thread_id, "R")["answer"] == "R"


@pytest.mark.requirement("COMMAND-007")
def test_a_question_that_was_answered_is_not_answered_again(http: httpx.Client) -> None:
    thread_id, (question,) = asked(http)
    assert resume(http, thread_id, {question: "R"})["answer"] == "R"

    assert question in refused(resume(http, thread_id, {question: "S"}))
    assert "has finished" in refused(resume(http, thread_id, "S"))
    assert state(http, thread_id)["values"]["answer"] == "R"
    assert row(http, thread_id)["status"] == "idle"


def test_an_answer_must_say_which_of_many_questions_it_is_for(http: httpx.Client) -> None:
    thread_id, questions = asked(http, "fan", items=["a", "b"])
    assert "2 interrupts" in refused(resume(http, thread_id, "R", "fan"))
    one = resume(http, thread_id, {questions[0]: "1"}, "fan")
    assert [item["id"] for item in one["__interrupt__"]] == questions[1:]

    assert questions[0] in refused(resume(http, thread_id, {questions[0]: "again"}, "fan"))
    assert resume(http, thread_id, "2", "fan")["out"] == ["a=1", "b=2"]


def test_a_question_inside_of_a_subgraph_can_be_answered(http: httpx.Client) -> None:
    thread_id, (question,) = asked(http, "parent", stop=True)

    assert UNKNOWN in refused(resume(http, thread_id, {UNKNOWN: 1}, "parent"))
    assert "__error__" not in resume(http, thread_id, {question: "R"}, "parent")


def test_a_graph_that_was_stopped_between_nodes_takes_any_answer(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "x"}, interrupt_before=["b"])

    assert resume(http, thread_id, "go", "echo")["log"] == ["a:x", "b"]


def test_it_is_decided_when_the_run_begins_not_when_it_is_created(http: httpx.Client) -> None:
    thread_id, _ = asked(http)
    running = start(http, thread_id)
    body = {"command": {"resume": {UNKNOWN: 1}}, "strict_resume": True}
    run_id = create(http, thread_id, "ask", **body)
    http.post(f"/threads/{thread_id}/runs/{running}/cancel", params={"action": "rollback"})

    refused(http.get(f"/threads/{thread_id}/runs/{run_id}/join").json())
    assert row(http, thread_id)["status"] == "interrupted"


def test_a_stream_ends_with_the_error(http: httpx.Client) -> None:
    thread_id, _ = asked(http)
    body = {"assistant_id": "ask", "command": {"resume": {UNKNOWN: 1}}, "strict_resume": True}
    frames = stream(http, f"/threads/{thread_id}/runs/stream", body)

    assert [name for name, _ in frames] == ["metadata", "error"]
    assert frames[-1][1]["error"] == "UnknownInterruptError"


def test_without_it_such_answers_are_passed_over(http: httpx.Client) -> None:
    thread_id, (question,) = asked(http)
    values = resume(http, thread_id, {UNKNOWN: 1}, strict_resume=False)

    assert [item["id"] for item in values["__interrupt__"]] == [question]


@pytest.mark.parametrize("wrong", ["yes", 1, []])
def test_it_is_a_switch(http: httpx.Client, wrong: Any) -> None:
    body = {"assistant_id": "ask", "strict_resume": wrong}
    answer = http.post(f"/threads/{new_thread(http)}/runs", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("strict_resume")


async def test_the_sdk_is_told_that_it_takes_effect(client: LangGraphClient) -> None:
    info: Any = await client.http.get("/info")
    assert info["flags"]["strict_resume"] is True
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "ask", input={"q": "x"})
    with pytest.raises(Exception, match="UnknownInterruptError"):
        await client.runs.wait(
            thread_id, "ask", command={"resume": {UNKNOWN: 1}}, strict_resume=True
        )
    assert (await client.threads.get(thread_id))["status"] == "interrupted"
