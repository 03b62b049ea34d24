"""What A2A's clients see: answers as they grow, and what was said, in one order."""

from __future__ import annotations

from typing import Any

from lgserve.core.a2a import A2aTask
from lgserve.core.a2a_deltas import GrowingAnswer
from lgserve.core.a2a_parts import parts_of
from lgserve.core.a2a_views import Outcome, Said, history_of, response_parts
from lgserve.services.a2a_requests import answer_of, input_of

TASK = A2aTask(
    first_run_id="r1", run_id="r1", thread_id="t", assistant_id="a", context_id="t",
    state="completed", status_at="2026-01-01T00:00:00.000000+00:00",
)  # fmt: skip


def _chunk(name: str, text: str, *, last: bool = False) -> dict[str, Any]:
    position = "last" if last else None
    return {"type": "AIMessageChunk", "id": name, "content": text, "chunk_position": position}


def _heard(*chunks: dict[str, Any]) -> tuple[list[tuple[str, bool]], str]:
    answer = GrowingAnswer()
    deltas = [tuple(delta) for chunk in chunks for delta in answer.hear(chunk)]
    return deltas, answer.text  # type: ignore[return-value]


def test_tokens_are_appended() -> None:
    deltas, text = _heard(_chunk("a", "x"), _chunk("a", ""), _chunk("a", "y", last=True))
    assert deltas == [("x", False), ("y", True)]
    assert text == "xy"


def test_of_two_who_speak_at_once_the_second_is_heard_when_the_first_has_ended() -> None:
    deltas, text = _heard(
        _chunk("a", "1"), _chunk("b", "x"), _chunk("a", "2"), _chunk("b", "y"),
        _chunk("a", "3", last=True), _chunk("b", "z"),
    )  # fmt: skip
    assert deltas == [("1", False), ("2", True), ("3", True), ("xy", False), ("z", True)]
    assert text == "xyz"


def test_a_whole_message_needs_no_end() -> None:
    whole = {"type": "ai", "id": "a", "content": "whole"}
    deltas, _ = _heard(whole, {"type": "tool", "id": "t", "content": "no"}, _chunk("b", "next"))
    assert deltas == [("whole", False), ("next", False)]


def test_messages_without_text_say_nothing() -> None:
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "tool_call", "name": "f"}]
    deltas, text = _heard(_chunk("a", ""), {"type": "ai", "id": "b", "content": blocks})
    assert (deltas, text) == ([], "")


def test_texts_in_a_row_are_one_part() -> None:
    assert parts_of(["a", {"type": "text", "text": "b"}, {"type": "image", "url": "u"}, "c"]) == [
        {"text": "ab"}, {"url": "u"}, {"text": "c"},
    ]  # fmt: skip
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert parts_of([data]) == [{"raw": "aGk=", "mediaType": "image/png"}]


def _said(name: str, position: int | None, task: str = "t:r1") -> Said:
    message = {"messageId": name, "role": "ROLE_USER", "parts": [{"text": name}]}
    return Said(message=message, task_id=task, position=position)


def _texts(state: list[tuple[str, str, str]], *said: Said) -> list[str]:
    messages = [{"type": kind, "id": name, "content": text} for kind, name, text in state]
    outcome = Outcome(values={"messages": messages}, said=said)
    return [each["parts"][0]["text"] for each in history_of(TASK, outcome)]


def test_what_the_state_does_not_have_stands_where_it_was_said() -> None:
    state = [("human", "m1", "m1"), ("ai", "x", "ask"), ("ai", "y", "thanks")]
    assert _texts(state, _said("m1", 0), _said("m2", 2)) == ["m1", "ask", "m2", "thanks"]
    assert _texts(state, _said("m1", 0), _said("m2", None)) == ["m1", "ask", "thanks", "m2"]


def test_what_a_state_has_forgotten_was_said_all_the_same() -> None:
    state = [("human", "m2", "m2"), ("ai", "y", "answer")]
    assert _texts(state, _said("m1", 0), _said("m2", 2)) == ["m1", "m2", "answer"]


def test_tools_and_systems_are_not_part_of_the_conversation() -> None:
    state = [("system", "s", "be good"), ("human", "m1", "m1"), ("tool", "t", "42")]
    assert _texts(state, _said("m1", 0)) == ["m1"]


def test_an_answer_is_what_was_said_in_this_turn() -> None:
    messages = [
        {"type": "human", "id": "m1", "content": "m1"},
        {"type": "ai", "id": "x", "content": "old"},
        {"type": "human", "id": "m2", "content": "m2"},
    ]
    said = (_said("m1", 0), _said("m2", 2))
    assert response_parts(Outcome(values={"messages": messages}, said=said)) == []


def test_data_and_text_are_the_input_together() -> None:
    message = {"messageId": "m", "role": "ROLE_USER",
               "parts": [{"text": "a"}, {"data": {"x": 1}}, {"text": "b"}]}  # fmt: skip
    assert input_of(message) == {
        "x": 1, "messages": [{"role": "human", "content": "a\nb", "id": "m"}],
    }  # fmt: skip
    assert answer_of(message) == {"text": "a\nb", "data": {"x": 1}}
