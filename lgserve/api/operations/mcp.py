"""The operations of MCP, under the path that the field's clients know; `/mcp` is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve.api.operations.table import EVENTS, JSON, Answer, Operation, Route

_PATH = "/mcp/"
_ABOUT = (
    "JSON-RPC 2.0 as the Model Context Protocol has it, over streamable HTTP without sessions:"
    " initialize, ping, server/discover, tools/list and tools/call. Each assistant is a tool,"
    ' unless its metadata has `"mcp": false`. Protocol versions 2024-11-05 to 2026-07-28.'
)

OPERATIONS: Mapping[Route, Operation] = {
    ("POST", _PATH): Operation(
        name="post_mcp", summary="MCP Post", tag="MCP", about=_ABOUT,
        body=dict[str, Any] | list[dict[str, Any]],
        answers={
            200: Answer(
                about="The answer to a request, or an event stream that ends with it.",
                shape=dict[str, Any] | list[dict[str, Any]], media=(JSON, EVENTS),
            ),
            202: Answer(about="A notification was taken."),
            400: Answer(about="No message of the protocol.", shape=dict[str, Any]),
            404: Answer(about="No such method (2026-07-28).", shape=dict[str, Any]),
            415: Answer(about="The body is not said to be JSON."),
        },
        errors=(403,),
    ),
    ("GET", _PATH): Operation(
        name="get_mcp", summary="MCP Get", tag="MCP",
        about="Refused: there is no stream besides those of requests.",
        answers={405: Answer(about="Method Not Allowed.")}, errors=(403,),
    ),
    ("DELETE", _PATH): Operation(
        name="delete_mcp", summary="Terminate Session", tag="MCP",
        about="Refused: there are no sessions.",
        answers={404: Answer(about="There is no session.")}, errors=(403,),
    ),
}  # fmt: skip
