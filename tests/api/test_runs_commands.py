"""Commands: what they may ask for, and what they come to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.run_tools import create, last_run, new_thread, start, state, thread_status, wait

QUESTION = {"question": "x"}


def asked(http: httpx.Client) -> str:
    """Return a thread that waits for an answer."""
    thread_id = new_thread(http)
    wait(http, thread_id, "ask", input={"q": "x"})
    return thread_id


def post(http: httpx.Client, thread_id: str, **body: Any) -> httpx.Response:
    return http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "ask", **body})


@pytest.mark.requirement("COMMAND-005")
@pytest.mark.parametrize(
    "command",
    [
        {"resume": None},
        {"update": None, "goto": None},
        {"update": {}},
        {"goto": []},
        {"bogus": 1},
        {"goto": {"node": "finish"}},
        {"goto": 5},
        {"update": "x"},
        [],
        "x",
    ],
)
def test_a_command_that_asks_for_nothing_is_refused(http: httpx.Client, command: Any) -> None:
    thread_id = asked(http)
    answer = post(http, thread_id, command=command)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("command")
    assert thread_status(http, thread_id) == "interrupted"


@pytest.mark.requirement("COMMAND-004")
def test_an_empty_command_counts_as_none(http: httpx.Client) -> None:
    thread_id = asked(http)
    answer = post(http, thread_id, command={}).json()
    assert (answer["log"], answer["__interrupt__"][0]["value"]) == (["prepare"], QUESTION)

    assert post(http, thread_id, command={}, input={"q": "new"}).json()["q"] == "new"


@pytest.mark.requirement("COMMAND-006")
def test_a_thread_that_has_not_run_has_nothing_to_resume(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = post(http, thread_id, command={"resume": 1})

    assert answer.status_code == 400
    assert "nothing to resume" in answer.json()["detail"]
    assert http.get(f"/threads/{thread_id}/runs").json() == []


def test_a_thread_whose_only_run_was_deleted_has_nothing_to_resume(http: httpx.Client) -> None:
    thread_id = asked(http)
    run_id = last_run(http, thread_id)["run_id"]
    assert http.delete(f"/threads/{thread_id}/runs/{run_id}").status_code == 204

    error = post(http, thread_id, command={"resume": 1}).json()["__error__"]
    assert error["error"] == "EmptyInputError"
    assert "nothing to resume" in error["message"]


def test_an_answer_may_wait_for_the_run_that_will_ask(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    create(http, thread_id, "slow", input={"seconds": 0.2, "ticks": 1})
    create(http, thread_id, "ask", input={"q": "x"})

    assert wait(http, thread_id, "ask", command={"resume": "R"})["log"][-1] == "finish:R"


@pytest.mark.requirement("RUN-013")
def test_a_stateless_run_cannot_resume(http: httpx.Client) -> None:
    answer = http.post("/runs/wait", json={"assistant_id": "ask", "command": {"resume": 1}})

    assert answer.status_code == 400
    assert answer.json() == {"detail": "You must provide a thread_id when resuming."}


@pytest.mark.parametrize("resume", [False, 0, "", [], [1, 2], {"a": 1}, {"0" * 32: "unknown id"}])
def test_any_answer_but_null_is_one(http: httpx.Client, resume: Any) -> None:
    thread_id = asked(http)
    values = post(http, thread_id, command={"resume": resume}).json()

    if resume and isinstance(resume, dict) and "0" * 32 in resume:  # answers nobody's question
        assert values["__interrupt__"][0]["value"] == QUESTION
    else:
        assert values["answer"] == resume
        assert thread_status(http, thread_id) == "idle"


@pytest.mark.requirement("COMMAND-003")
@pytest.mark.parametrize(
    "goto", ["finish", ["finish"], {"node": "finish", "input": {"answer": "s"}}]
)
def test_going_elsewhere_leaves_the_open_question_open(http: httpx.Client, goto: Any) -> None:
    thread_id = asked(http)
    values = post(http, thread_id, command={"goto": goto, "update": {"answer": "u"}}).json()

    assert values["log"] == ["prepare"]
    assert values["__interrupt__"][0]["value"] == QUESTION
    assert thread_status(http, thread_id) == "interrupted"


@pytest.mark.requirement("COMMAND-004")
def test_going_to_an_unknown_node_changes_nothing(http: httpx.Client) -> None:
    thread_id = asked(http)
    before = state(http, thread_id)["values"]
    values = post(http, thread_id, command={"goto": "nowhere"}).json()

    assert values.pop("__interrupt__")[0]["value"] == QUESTION
    assert values == before == state(http, thread_id)["values"]


@pytest.mark.requirement("RUN-009")
def test_the_result_holds_every_question_that_was_asked_at_once(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    both = wait(http, thread_id, "fan", input={"items": ["a", "b"]})
    first, second = both["__interrupt__"]
    assert [first["value"], second["value"]] == [{"item": "a"}, {"item": "b"}]
    assert (both["items"], both["out"]) == (["a", "b"], [])

    one = wait(http, thread_id, "fan", command={"resume": {second["id"]: "two"}})
    assert one["__interrupt__"] == [first]
    done = wait(http, thread_id, "fan", command={"resume": {first["id"]: "one"}})
    assert done == {"items": ["a", "b"], "out": ["a=one", "b=two"]}


@pytest.mark.parametrize("again", [{"q": "z"}, [["q", "y"], ["log", ["more"]], ["answer", "z"]]])
def test_an_update_takes_the_place_of_one_that_waits_for_the_next_step(
    http: httpx.Client, again: Any
) -> None:
    thread_id = asked(http)
    post(http, thread_id, command={"update": {"q": "y", "log": ["kept"], "answer": "old"}})
    second = post(http, thread_id, command={"update": again}).json()
    named = {"q": "y", **dict(again)}["q"]

    assert (second["q"], second["__interrupt__"][0]["value"]) == (named, {"question": named})
    assert state(http, thread_id)["values"]["q"] == named
    more = ["more"] if "log" in dict(again) else []
    last = post(http, thread_id, command={"resume": "now", "update": {"q": "last"}}).json()
    assert (last["q"], last["answer"]) == ("last", "now")
    assert last["log"] == ["prepare", "kept", *more, "human", "finish:now"]


def test_a_step_that_failed_may_be_tried_again_with_its_update(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    body = {"assistant_id": "boom", "command": {"update": {"text": "bad"}, "goto": "err"}}
    post(http, thread_id, assistant_id="boom", input={"text": "fine"})

    for _ in range(3):
        assert "boom: bad" in post(http, thread_id, **body).text
    assert state(http, thread_id)["values"]["text"] == "bad"
    body["command"] = {"update": {"text": "fine"}, "goto": "err"}
    assert post(http, thread_id, **body).json()["log"] == ["ok", "survived", "survived"]


def test_an_update_that_contradicts_itself_leaves_the_thread_as_it_was(http: httpx.Client) -> None:
    thread_id = asked(http)
    refused = post(http, thread_id, command={"update": [["q", "y"], ["q", "z"]]}).json()

    assert refused["__error__"]["error"] == "InvalidUpdateError"
    assert state(http, thread_id)["values"]["q"] == "x"
    assert post(http, thread_id, command={"resume": "now"}).json()["answer"] == "now"


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("goto", ["human", {"node": "human", "input": {"q": "x"}}])
@pytest.mark.parametrize("strict", [False, True])
def test_a_finished_thread_that_is_sent_to_a_question_waits_for_its_answer(
    http: httpx.Client, durability: str, goto: Any, strict: bool
) -> None:
    thread_id = asked(http)
    post(http, thread_id, command={"resume": "first"})
    went = post(http, thread_id, command={"goto": goto}, durability=durability).json()
    [question] = went["__interrupt__"]
    thread = http.get(f"/threads/{thread_id}").json()

    assert thread["status"] == "interrupted"
    assert list(thread["interrupts"].values()) == [[{"id": question["id"], "value": QUESTION}]]
    resume = {"resume": {question["id"]: "second"}}
    answered = post(http, thread_id, command=resume, strict_resume=strict).json()
    assert answered["log"][-2:] == ["human", "finish:second"]
    thread = http.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["interrupts"]) == ("idle", {})


def test_a_busy_thread_may_be_resumed_later(http: httpx.Client) -> None:
    thread_id = asked(http)
    running = start(http, thread_id)
    run_id = create(http, thread_id, "ask", command={"resume": "later"})
    http.post(f"/threads/{thread_id}/runs/{running}/cancel", params={"action": "rollback"})

    joined = http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()
    assert joined["answer"] == "later"
