"""The operations of A2A."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve.api.operations.table import EVENTS, JSON, Answer, Operation, Route

_ONE = "/a2a/{assistant_id}"
_ABOUT = (
    "JSON-RPC 2.0 as the Agent2Agent protocol has it, of versions 1.0 (SendMessage,"
    " SendStreamingMessage, GetTask, ListTasks, CancelTask, SubscribeToTask,"
    " …TaskPushNotificationConfig, GetExtendedAgentCard) and 0.3 (message/send, message/stream,"
    " tasks/get, tasks/cancel, tasks/resubscribe, tasks/pushNotificationConfig/…). A context is a"
    " thread; a task is a run, or several that follow one another."
)
_CARD: Mapping[int, Answer] = {
    200: Answer(about="The agent's card.", shape=dict[str, Any], media=(JSON,)),
    400: Answer(about="There is no such agent.", shape=dict[str, Any], media=(JSON,)),
}


def _card(name: str, *parameters: str) -> Operation:
    return Operation(
        name=name, summary="Agent Card", tag="A2A", answers=_CARD, parameters=parameters
    )


OPERATIONS: Mapping[Route, Operation] = {
    ("POST", _ONE): Operation(
        name="post_a2a", summary="A2A Post", tag="A2A", about=_ABOUT, body=dict[str, Any],
        answers={
            200: Answer(
                about="The answer, errors included, or a stream of them.",
                shape=dict[str, Any], media=(JSON, EVENTS),
            ),
            400: Answer(
                about="The client does not accept what is to come.",
                shape=dict[str, Any], media=(JSON,),
            ),
        },
        parameters=("A2A-Version",),
    ),
    ("GET", _ONE): _card("get_a2a_card"),
    ("GET", f"{_ONE}/.well-known/agent-card.json"): _card("get_a2a_well_known_card"),
    ("GET", f"{_ONE}/.well-known/agent.json"): _card("get_a2a_old_well_known_card"),
    ("GET", "/.well-known/agent-card.json"): _card("get_agent_card", "agent"),
    ("GET", "/.well-known/agent.json"): _card("get_old_agent_card", "agent"),
}  # fmt: skip
