"""People in the loop, with `langgraph_sdk`: interrupts, answers, commands."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient

from tests.api.sdk import JsonObject, state_of, thread_now, thread_of, wait


async def asked(client: LangGraphClient) -> str:
    """Return a thread on which `ask` has asked for a name."""
    thread_id = await thread_of(client)
    await wait(client, thread_id, "ask", input={"q": "name?"})
    return thread_id


@pytest.mark.requirement("RUN-009")
async def test_a_question_shows_in_the_result_the_thread_and_its_state(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "ask", input={"q": "name?"})
    (question,) = values.pop("__interrupt__")
    thread = await thread_now(client, thread_id)
    state = await state_of(client, thread_id)
    (task,) = state["tasks"]
    plain = {"id": question["id"], "value": {"question": "name?"}}

    assert values == {"q": "name?", "log": ["prepare"]}
    assert question == {**plain, "response_schema": None}
    assert (thread["status"], thread["values"]) == ("interrupted", values)
    assert thread["interrupts"] == {task["id"]: [plain]}
    assert (state["next"], state["interrupts"]) == (["human"], [plain])
    assert (task["name"], task["interrupts"]) == ("human", [plain])
    (run,) = await client.runs.list(thread_id)
    assert run["status"] == "success"


@pytest.mark.requirement("COMMAND-001")
@pytest.mark.parametrize("answer", ["Ann", 0, False, ["a"], {"first": "Ann"}, ""])
async def test_an_answer_goes_to_the_one_who_asked(client: LangGraphClient, answer: Any) -> None:
    thread_id = await asked(client)
    values = await wait(client, thread_id, "ask", command={"resume": answer})
    thread = await thread_now(client, thread_id)

    assert values["answer"] == answer
    assert values["log"] == ["prepare", "human", f"finish:{answer}"]
    assert (thread["status"], thread["interrupts"], thread["values"]) == ("idle", {}, values)


@pytest.mark.requirement("COMMAND-002")
async def test_an_answer_may_come_with_a_change_of_the_state(client: LangGraphClient) -> None:
    thread_id = await asked(client)
    values = await wait(
        client, thread_id, "ask", command={"update": {"q": "changed"}, "resume": "Ann"}
    )

    assert (values["q"], values["answer"]) == ("changed", "Ann")


async def test_an_answer_may_be_written_into_the_state(client: LangGraphClient) -> None:
    thread_id = await asked(client)
    await client.threads.update_state(thread_id, {"answer": "written"}, as_node="human")
    assert (await thread_now(client, thread_id))["interrupts"] == {}

    assert (await wait(client, thread_id, "ask"))["log"] == ["prepare", "finish:written"]


@pytest.mark.requirement("RUN-020")
async def test_new_input_to_an_interrupted_thread_starts_over(client: LangGraphClient) -> None:
    thread_id = await asked(client)
    values = await wait(client, thread_id, "ask", input={"q": "again?"})

    assert values["log"] == ["prepare", "prepare"]
    assert values["__interrupt__"][0]["value"] == {"question": "again?"}


@pytest.mark.requirement("COMMAND-001")
async def test_several_questions_are_answered_one_by_one_by_their_ids(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "fan", input={"items": ["x", "y", "z"]})
    ids = {one["value"]["item"]: one["id"] for one in values["__interrupt__"]}
    assert sorted(ids) == ["x", "y", "z"]
    values = await wait(client, thread_id, "fan", command={"resume": {ids["y"]: "Y"}})
    left = {one["value"]["item"] for one in values["__interrupt__"]}
    thread = await thread_now(client, thread_id)
    assert left == {"x", "z"}
    assert thread["status"] == "interrupted"
    assert {one["value"]["item"] for some in thread["interrupts"].values() for one in some} == left
    values = await wait(
        client, thread_id, "fan", command={"resume": {ids["x"]: "X", ids["z"]: "Z"}}
    )

    assert values == {"items": ["x", "y", "z"], "out": ["x=X", "y=Y", "z=Z"]}
    assert (await thread_now(client, thread_id))["status"] == "idle"


@pytest.mark.requirement("STATE-017")
async def test_a_question_in_a_subgraph_is_answered_like_any_other(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "parent", input={"text": "t", "stop": True})
    state = await state_of(client, thread_id, subgraphs=True)
    (task,) = state["tasks"]

    assert values["__interrupt__"][0]["value"] == "stop in sub"
    assert values["log"] == ["outer_start"]
    assert task["state"]["values"]["log"] == ["outer_start", "sub_one"]
    assert task["state"]["next"] == ["sub_two"]
    # What the thread shows is its own, not the subgraph's.
    assert (await thread_now(client, thread_id))["values"]["log"] == ["outer_start"]
    values = await wait(client, thread_id, "parent", command={"resume": "go"})
    assert values["log"] == ["outer_start", "outer_start", "sub_one", "sub_two:go"]


@pytest.mark.requirement("STATE-008")
async def test_the_state_of_a_subgraph_can_be_written(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "parent", input={"text": "t", "stop": True})
    (task,) = (await state_of(client, thread_id))["tasks"]
    inner = task["checkpoint"]
    await client.threads.update_state(thread_id, {"stop": False}, checkpoint=inner)
    assert (await state_of(client, thread_id, checkpoint=inner))["values"]["stop"] is False

    values = await wait(client, thread_id, "parent")
    assert values["log"] == ["outer_start", "outer_start", "sub_one", "sub_two"]


@pytest.mark.requirement("COMMAND-002")
@pytest.mark.parametrize(
    ("goto", "log"),
    [
        ("b", ["a:one", "b", "b"]),
        (["b"], ["a:one", "b", "b"]),
        ({"node": "a", "input": {"text": "sent"}}, ["a:one", "b", "a:sent", "b"]),
        ([{"node": "b", "input": {"n": 7}}], ["a:one", "b", "b"]),
    ],
)
async def test_a_command_goes_to_nodes(client: LangGraphClient, goto: Any, log: list[str]) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "echo", input={"text": "one"})
    values = await wait(client, thread_id, "echo", command={"goto": goto})

    assert values["log"] == log


@pytest.mark.requirement("COMMAND-002")
async def test_a_command_updates_and_goes_on(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    await wait(client, thread_id, "echo", input={"text": "one"})
    values = await wait(
        client, thread_id, "echo", command={"update": {"log": ["told"]}, "goto": "b"}
    )
    assert values["log"] == ["a:one", "b", "told", "b"]

    values = await wait(client, thread_id, "echo", command={"update": [["text", "new"]]})
    assert values["text"] == "new"


@pytest.mark.requirement("RUN-017")
@pytest.mark.parametrize(
    ("where", "log", "ahead"),
    [
        ({"interrupt_before": ["b"]}, ["a:s"], ["b"]),
        ({"interrupt_after": ["a"]}, ["a:s"], ["b"]),
        ({"interrupt_before": "*"}, [], ["a"]),
    ],
)
async def test_a_run_stops_before_or_after_the_nodes_it_names_and_goes_on(
    client: LangGraphClient, where: JsonObject, log: list[str], ahead: list[str]
) -> None:
    thread_id = await thread_of(client)
    values = await wait(client, thread_id, "echo", input={"text": "s"}, **where)
    thread = await thread_now(client, thread_id)

    assert "__interrupt__" not in values
    assert values["log"] == log
    assert (thread["status"], thread["interrupts"]) == ("interrupted", {})
    assert (await state_of(client, thread_id))["next"] == ahead
    assert (await wait(client, thread_id, "echo"))["log"] == ["a:s", "b"]


@pytest.mark.requirement("RUN-013")
async def test_a_stateless_run_can_ask_but_not_be_answered(client: LangGraphClient) -> None:
    values = await wait(client, None, "ask", input={"q": "name?"})

    assert values["__interrupt__"][0]["value"] == {"question": "name?"}
