"""Operations of protocol v2."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api import shapes as s
from lgserve.api.command_bodies import Wanted
from lgserve.api.operations.table import EVENTS, JSON, Answer, Operation, Route

_EVENTS_PATH = "/threads/{thread_id}/stream/events"

OPERATIONS: Mapping[Route, Operation] = {
    ("POST", "/threads/{thread_id}/commands"): Operation(
        name="protocol_thread_command_post", summary="Protocol v2 Command", tag="Streaming",
        body=s.ProtocolCommand,
        answers={
            200: Answer(
                about="What came of the command.", shape=s.ProtocolSuccess | s.ProtocolError,
                media=(JSON,),
            ),
            400: Answer(
                about="This is no command.", shape=s.ProtocolError | s.ErrorResponse,
                media=(JSON,),
            ),
        },
    ),
    ("POST", _EVENTS_PATH): Operation(
        name="protocol_thread_events_post", summary="Protocol v2 Event Stream (SSE)",
        tag="Streaming", body=Wanted, errors=(404,),
        answers={200: Answer(
            about="Server-sent events, what is stored first; the stream does not end.",
            media=(EVENTS,),
        )},
    ),
    ("GET", _EVENTS_PATH): Operation(
        name="protocol_thread_events_get", summary="Protocol v2 Event Stream (WebSocket)",
        tag="Streaming", errors=(403, 404, 422, 426),
        answers={101: Answer(about="A WebSocket, for commands and events.")},
    ),
}  # fmt: skip
