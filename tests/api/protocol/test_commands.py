"""Commands of protocol v2: what each does, and how each refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.protocol_tools import command, data_of, is_end, read, start, subscribed, until

_HI = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.requirement("PROTOCOL-002")
@pytest.mark.parametrize(
    ("text", "ident"),
    [
        ("[]", None), ("{}", None), ('{"method":"run.start"}', None),
        ('{"id":"x","method":"run.start"}', None), ('{"id":true,"method":"run.start"}', None),
        ('{"id":7}', 7), ('{"id":7,"method":5}', 7),
    ],
)  # fmt: skip
async def test_what_is_no_command_is_a_bad_request(
    http: httpx.AsyncClient, thread_id: str, text: str, ident: int | None
) -> None:
    answer = await http.post(f"/threads/{thread_id}/commands", content=text)
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "error",
        "id": ident,
        "error": "invalid_argument",
        "message": "Protocol commands must include an integer id and string method.",
    }


async def test_what_is_no_json_is_a_bad_request(http: httpx.AsyncClient, thread_id: str) -> None:
    answer = await http.post(f"/threads/{thread_id}/commands", content="{")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid JSON body"})


@pytest.mark.requirement("PROTOCOL-001")
@pytest.mark.parametrize(
    ("method", "params", "error", "message"),
    [
        ("zz", {}, "unknown_command", "Unknown protocol command: zz"),
        ("run.start", {}, "invalid_argument", "run.start requires an assistant_id."),
        ("run.start", {"assistant_id": "nope"}, "unknown_error", "422: Invalid assistant: 'nope'."),
        ("run.start", {"assistant_id": "echo", "config": 5}, "invalid_argument", "params.config"),
        (
            "run.start", {"assistant_id": "echo", "config": {"configurable": 5}},
            "invalid_argument", "params.config.configurable",
        ),
        (
            "run.start", {"assistant_id": "echo", "multitaskStrategy": "x"}, "invalid_argument",
            "params.multitask_strategy",
        ),
        ("input.respond", {}, "invalid_argument", "input.respond requires an interrupt_id."),
        (
            "input.respond", {"interrupt_id": "x", "response": 1}, "no_such_run",
            "No interrupted run is bound to this thread.",
        ),
        ("agent.getTree", {}, "no_such_run", "No active run is bound to this thread."),
        ("state.fork", {"checkpoint_id": "x"}, "no_such_checkpoint", "Unknown checkpoint: x"),
        ("input.inject", {"message": {"role": "user", "content": "x"}}, "no_such_run", "No"),
        ("input.inject", {"message": {"role": "ai", "content": "x"}}, "invalid_argument", "params"),
        ("subscription.subscribe", {"channels": ["values"]}, "not_supported", "Subscriptions"),
        (
            "subscription.unsubscribe", {"subscription_id": "zz"}, "no_such_subscription",
            "Unknown subscription: zz",
        ),
        ("state.get", {}, "unknown_error", "404: Thread with ID"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_with_a_code(
    http: httpx.AsyncClient, thread_id: str, method: str, params: Any, error: str, message: str
) -> None:
    answer = await command(http, thread_id, method, **params)
    assert (answer["type"], answer["id"], answer["error"]) == ("error", 1, error)
    assert answer["message"].startswith(message)


async def test_a_thread_id_that_is_none_is_an_error(http: httpx.AsyncClient) -> None:
    answer = await command(http, "not-an-id", "run.start", assistant_id="echo")
    assert answer["error"] == "unknown_error"
    assert answer["message"].startswith("422: Invalid thread ID")


@pytest.mark.requirement("PROTOCOL-003")
async def test_a_run_starts_on_a_thread_that_is_made_for_it(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    answer = await command(
        http, thread_id, "run.start", assistant_id="echo", input={"text": "x"},
        metadata={"mine": 1}, config={"recursion_limit": 7},
    )  # fmt: skip
    assert answer["meta"] == {"applied_through_seq": 0}
    await read(http, thread_id)
    run = (await http.get(f"/threads/{thread_id}/runs/{answer['result']['run_id']}")).json()
    assert run["metadata"]["mine"] == 1
    assert run["kwargs"]["config"]["recursion_limit"] == 7
    assert (run["kwargs"]["resumable"], run["kwargs"]["subgraphs"]) == (True, True)


@pytest.mark.requirement("PROTOCOL-001")
async def test_a_command_tells_behind_which_event_its_own_come(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "one"})
    first = await read(http, thread_id)
    answer = await command(http, thread_id, "run.start", assistant_id="echo", input={"text": "two"})
    seen = answer["meta"]["applied_through_seq"]
    assert seen >= first[-1]["seq"]
    own = await read(http, thread_id, since=seen)
    assert data_of(own, "updates")[0] == {"a": {"log": ["a:two"]}}


@pytest.mark.requirement("PROTOCOL-003")
async def test_input_to_a_thread_that_waits_is_the_answer(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "approval", {"text": "go?"})
    await read(http, thread_id)
    await start(http, thread_id, "approval", {"yes": True})
    events = await read(http, thread_id, 2)
    assert data_of(events, "values")[-1]["answer"] == {"yes": True}


@pytest.mark.requirement("PROTOCOL-004")
async def test_an_answer_given_at_once_waits_for_the_run_that_asked(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    async with subscribed(http, thread_id) as events:
        await start(http, thread_id, "approval", {"text": "go?"})
        asked = await until(events, lambda event: event["method"] == "input.requested")
        interrupt_id = asked[-1]["params"]["data"]["interrupt_id"]
        answers = await asyncio.gather(
            *(
                command(http, thread_id, "input.respond", interrupt_id=interrupt_id, response=n)
                for n in range(3)
            )
        )
        await until(events, is_end)
        rest = await until(events, is_end)
    assert sorted(each["type"] for each in answers) == ["error", "error", "success"]
    assert data_of(rest, "values")[-1]["log"][0] == "asked"


@pytest.mark.requirement("PROTOCOL-004")
async def test_several_interrupts_are_answered_together_or_one_by_one(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "twice", {"text": "x"})
    asked = data_of(await read(http, thread_id), "input.requested")
    by_value = {each["value"]: each["interrupt_id"] for each in asked}
    assert set(by_value) == {"first?", "second?"}
    one = {"interrupt_id": by_value["first?"], "response": "a"}
    assert (await command(http, thread_id, "input.respond", **one))["type"] == "success"
    await read(http, thread_id, 2)
    two = {"responses": [{"interrupt_id": by_value["second?"], "response": "b"}]}
    assert (await command(http, thread_id, "input.respond", **two))["type"] == "success"
    events = await read(http, thread_id, 3)
    assert sorted(data_of(events, "values")[-1]["log"]) == ["one:a", "two:b"]
    again = await command(http, thread_id, "input.respond", **one)
    assert again["error"] in ("no_such_run", "no_such_interrupt")


@pytest.mark.requirement("PROTOCOL-004")
async def test_an_unknown_interrupt_is_named(http: httpx.AsyncClient, thread_id: str) -> None:
    await start(http, thread_id, "approval", {"text": "go?"})
    await read(http, thread_id)
    answer = await command(http, thread_id, "input.respond", interrupt_id="bad", response=1)
    assert answer["error"] == "no_such_interrupt"
    assert answer["message"] == "Unknown or already-consumed interrupt: bad"


async def test_the_tree_shows_every_graph_and_how_it_stands(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "nested", _HI)
    await read(http, thread_id)
    tree = (await command(http, thread_id, "agent.getTree"))["result"]["tree"]
    (middle,) = tree["children"]
    (inner,) = middle["children"]
    graphs = [(node["graph_name"], node["status"]) for node in (tree, middle, inner)]
    assert graphs == [("nested", "completed"), ("middle", "completed"), ("inner", "completed")]
    assert len(inner["namespace"]) == 2


@pytest.mark.requirement("PROTOCOL-005")
async def test_state_and_checkpoints_are_read(http: httpx.AsyncClient, thread_id: str) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    await read(http, thread_id)
    state = (await command(http, thread_id, "state.get", namespace=[]))["result"]
    assert state["values"] == {"text": "x", "log": ["a:x", "b"]}
    some = (await command(http, thread_id, "state.get", namespace=[], keys=["text"]))["result"]
    assert some["values"] == {"text": "x"}
    listed = (await command(http, thread_id, "state.listCheckpoints"))["result"]["checkpoints"]
    assert [(each["step"], each.get("node_name")) for each in listed] == [
        (2, "b"), (1, "a"), (0, "__start__"), (-1, None),
    ]  # fmt: skip
    assert listed[0]["id"] == state["checkpoint"]["id"]
    page = await command(http, thread_id, "state.listCheckpoints", limit=1, before=listed[1]["id"])
    assert [each["id"] for each in page["result"]["checkpoints"]] == [listed[2]["id"]]


async def test_an_unknown_namespace_has_no_state(http: httpx.AsyncClient, thread_id: str) -> None:
    await start(http, thread_id, "nested", _HI)
    await read(http, thread_id)
    answer = await command(http, thread_id, "state.get", namespace=["nobody:1"])
    assert answer["error"] == "no_such_namespace"


@pytest.mark.requirement("PROTOCOL-005")
async def test_an_injected_message_goes_to_the_agent(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "chorus", _HI)
    await read(http, thread_id)
    message = {"role": "user", "content": "and now?"}
    answer = await command(http, thread_id, "input.inject", namespace=[], message=message)
    assert answer["type"] == "success"
    events = await read(http, thread_id, 2)
    said = [each["content"] for each in data_of(events, "values")[-1]["messages"]]
    assert "and now?" in said
