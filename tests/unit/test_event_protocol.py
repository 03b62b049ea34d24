"""Protocol v2 without a server: what becomes of LangGraph's events, and of frames in a log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.types import Interrupt

from lgserve import jsonio
from lgserve.api.command_bodies import Wanted
from lgserve.api.event_filters import filter_of
from lgserve.core.models import Json, Run, StreamEvent
from lgserve.core.protocol_frames import (
    FLAG,
    data_of,
    frame,
    in_other_protocol,
    params_of,
    payload_of,
    request_of,
)
from lgserve.engine.event_protocol import TASKS, EventTranslator
from lgserve.services.event_views import ProtocolEvent, RunView

_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="|"))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


def _event(method: str, data: Any, namespace: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "method": method,
        "params": {"namespace": list(namespace), "timestamp": 5, "data": data, **more},
    }


def _told(*events: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the names and the data of what becomes of events."""
    translator = EventTranslator()
    frames = [each for event in events for each in translator.frames(event)]
    found = [StreamEvent(seq=1, name=name, frame=text) for name, text in frames]
    return [(each.name, json.loads(payload_of(data_of(each)))) for each in found]


def test_an_interrupt_is_asked_once_where_it_was_met_first() -> None:
    interrupt = Interrupt(value="go?", id="i1")
    asked = {"interrupt_id": "i1", "payload": "go?", "value": "go?"}
    assert _told(
        _event("updates", {"__interrupt__": (interrupt,)}, ("child:1",)),
        _event("values", {"n": 1}, ("child:1",), interrupts=(interrupt,)),
        _event("values", {"n": 0}, interrupts=(interrupt,)),
    ) == [("input|child:1", asked), ("values|child:1", {"n": 1}), ("values", {"n": 0})]


def test_messages_lose_what_says_nothing() -> None:
    state = {
        "messages": [HumanMessage("hi", id="1"), AIMessage("", id="2", tool_calls=[
            {"name": "t", "args": {}, "id": "c", "type": "tool_call"}])],
        "nested": {"kept": None, "message": ToolMessage("done", tool_call_id="c", id="3")},
    }  # fmt: skip
    ((_, told),) = _told(_event("values", state))
    call = {"name": "t", "args": {}, "id": "c", "type": "tool_call"}
    assert told == {
        "messages": [
            {"type": "human", "content": "hi", "id": "1"},
            {"type": "ai", "content": "", "id": "2", "tool_calls": [call]},
        ],
        "nested": {
            "kept": None,
            "message": {
                "type": "tool", "content": "done", "id": "3", "tool_call_id": "c",
                "status": "success",
            },
        },
    }  # fmt: skip


def test_a_message_that_comes_whole_is_told_piece_by_piece() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    said = AIMessage("hello", id="m", usage_metadata=usage)
    told = [data for _, data in _told(_event("messages", (said, {"langgraph_node": "n"})))]
    assert [data["event"] for data in told] == [
        "message-start", "content-block-start", "content-block-delta", "content-block-finish",
        "message-finish",
    ]  # fmt: skip
    assert {data["id"] for data in told} == {"m"}
    assert told[0]["role"] == "ai"
    assert told[0]["metadata"] == {"langgraph_node": "n"}
    assert told[2]["delta"] == {"type": "text-delta", "text": "hello"}
    assert told[-1]["usage"] == usage


def test_parts_of_two_messages_at_once_keep_their_ids() -> None:
    def part(run: str, **data: Any) -> dict[str, Any]:
        return _event("messages", (data, {"run_id": run}))

    told = _told(
        part("a", event="message-start", role="ai", id="m1"),
        part("b", event="message-start", role="ai", id="m2"),
        part("a", event="content-block-delta", index=0),
        part("b", event="message-finish"),
        part("a", event="message-finish"),
    )
    assert [data["id"] for _, data in told] == ["m1", "m2", "m1", "m2", "m1"]


def test_what_nobody_says_is_not_told() -> None:
    assert _told(_event("messages", (RemoveMessage("x"), {}))) == []
    assert _told(_event("debug", {})) == []


def test_tasks_and_projections_come_through_their_channels() -> None:
    task = {"namespace": ["a:1"], "timestamp": 6, "data": {"id": "t", "error": ValueError("x")}}
    assert _told(_event(f"custom:{TASKS}", task), _event("custom:mine", 5)) == [
        ("tasks|a:1", {"id": "t", "error": "ValueError('x')"}),
        ("custom", {"name": "mine", "payload": 5}),
    ]


def test_a_subgraph_that_was_drained_is_interrupted_and_keeps_its_name() -> None:
    started = {"event": "started", "namespace": ["a:1"], "graph_name": "a"}
    told = _told(
        _event("lifecycle", started),
        _event("lifecycle", {"event": "drained", "namespace": ["a:1"]}),
    )
    assert [name for name, _ in told] == ["lifecycle|a:1", "lifecycle|a:1"]
    assert (told[1][1]["event"], told[1][1]["graph_name"]) == ("interrupted", "a")


@given(_JSON, st.lists(_NAMES, max_size=3), _NAMES)
def test_any_value_comes_out_of_a_frame_as_it_went_in(
    value: Any, namespace: list[str], interrupt_id: str
) -> None:
    place = jsonio.dumps(namespace)
    params = params_of(place, 7, jsonio.dumps(value))
    assert json.loads(params) == {"namespace": namespace, "timestamp": 7, "data": value}
    assert json.loads(payload_of(params)) == value

    asked = params_of(place, 7, request_of(jsonio.dumps(interrupt_id), jsonio.dumps(value)))
    name, text = frame("input", asked)
    shown = in_other_protocol(StreamEvent(seq=1, name=name, frame=text))
    assert shown is not None
    assert shown.name == "updates"
    assert json.loads(data_of(shown)) == {"__interrupt__": [{"value": value, "id": interrupt_id}]}


def _run(**kwargs: Any) -> Run:
    moment = "2026-01-01T00:00:00.000000+00:00"
    empty = Json(b"{}")
    return Run(
        run_id="r", thread_id="t", assistant_id="a", graph_id="g", status="success",
        metadata=empty, kwargs=Json(json.dumps(kwargs).encode()), multitask_strategy="enqueue",
        created_at=moment, updated_at=moment, due_at=moment, attempt=1, epoch=9,
    )  # fmt: skip


def _frames(*told: tuple[str, Any]) -> list[StreamEvent]:
    return [
        StreamEvent(seq=n, name=name, frame=frame(name, jsonio.dumps(data))[1])
        for n, (name, data) in enumerate(told, 1)
    ]


def _viewed(view: RunView, frames: list[StreamEvent]) -> list[ProtocolEvent]:
    found = [event for each in frames for event in view.event(each)]
    return found + list(view.end(_run(), "success", None))


def test_frames_of_the_other_protocol_get_numbers_of_their_own() -> None:
    interrupts = [{"id": f"i{n}", "value": n} for n in range(3)]
    told = _viewed(
        RunView(_run(stream_mode=["values"]), 1000),
        _frames(("metadata", {}), ("values", {"n": 1, "__interrupt__": interrupts})),
    )
    assert [event.method for event in told] == [
        "lifecycle", "input.requested", "input.requested", "input.requested", "values", "lifecycle",
    ]  # fmt: skip
    numbers = [event.seq for event in told]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 1000
    assert len({event.event_id for event in told}) == len(told)
    assert json.loads(told[-1].params)["data"]["event"] == "interrupted"
    assert json.loads(told[-2].params)["data"] == {"n": 1}


def test_frames_of_protocol_v2_are_numbered_as_they_stand() -> None:
    params = {"namespace": [], "timestamp": 1, "data": {}}
    told = _viewed(
        RunView(_run(**{FLAG: True}), 1000), _frames(("metadata", {}), ("values", params))
    )
    assert [(event.seq, event.event_id) for event in told] == [
        (1001, "9-1"), (1002, "9-2"), (1003, "10-0"),
    ]  # fmt: skip
    assert json.loads(told[1].encode()) == {
        "type": "event", "event_id": "9-2", "seq": 1002, "method": "values", "params": params,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "namespace", "shown"),
    [
        ({}, ("a:1", "b:2"), True),
        ({"depth": 0}, (), True),
        ({"depth": 0}, ("a:1",), False),
        ({"namespaces": [["a"]]}, ("a:1",), True),
        ({"namespaces": [["a:2"]]}, ("a:1",), False),
        ({"namespaces": [["a:1"]]}, (), False),
        ({"namespaces": [["a"]], "depth": 0}, ("a:1", "b:2"), False),
        ({"namespaces": [["a"], ["c"]], "depth": 1}, ("c:1", "b:2"), True),
        ({"namespaces": []}, ("a:1",), True),
    ],
)
def test_a_place_in_the_tree_is_chosen_by_prefix_and_depth(
    wanted: Any, namespace: tuple[str, ...], shown: bool
) -> None:
    chosen = filter_of(Wanted.model_validate({"channels": ["values"], **wanted}))
    event = ProtocolEvent(
        seq=1, event_id="1-1", channel="values", namespace=namespace, params=b"{}"
    )
    assert chosen.shows(event) is shown
