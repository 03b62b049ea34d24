"""JSON-RPC as A2A has it: reading calls, answering them, and saying what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lgserve import jsonio
from lgserve.api.http import decode, json_response, read_raw
from lgserve.core.a2a import (
    BAD_PARAMS,
    BAD_REQUEST,
    INTERNAL,
    NO_METHOD,
    NO_VERSION,
    NOT_JSON,
    VERSIONS,
    Object,
    Version,
)
from lgserve.core.errors import (
    A2aError,
    AuthHandlerError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    LgserveError,
    NotFoundError,
    PayloadTooLargeError,
    UnauthorizedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger("lgserve")

Action: TypeAlias = Literal[
    "send", "stream", "get", "list", "cancel", "subscribe", "card",
    "push_set", "push_get", "push_list", "push_delete",
]  # fmt: skip

METHODS: Mapping[str, tuple[Version, Action]] = {
    "SendMessage": ("1.0", "send"),
    "SendStreamingMessage": ("1.0", "stream"),
    "GetTask": ("1.0", "get"),
    "ListTasks": ("1.0", "list"),
    "CancelTask": ("1.0", "cancel"),
    "SubscribeToTask": ("1.0", "subscribe"),
    "CreateTaskPushNotificationConfig": ("1.0", "push_set"),
    "GetTaskPushNotificationConfig": ("1.0", "push_get"),
    "ListTaskPushNotificationConfigs": ("1.0", "push_list"),
    "DeleteTaskPushNotificationConfig": ("1.0", "push_delete"),
    "GetExtendedAgentCard": ("1.0", "card"),
    "message/send": ("0.3", "send"),
    "message/stream": ("0.3", "stream"),
    "tasks/get": ("0.3", "get"),
    "tasks/list": ("0.3", "list"),
    "tasks/cancel": ("0.3", "cancel"),
    "tasks/resubscribe": ("0.3", "subscribe"),
    "tasks/pushNotificationConfig/set": ("0.3", "push_set"),
    "tasks/pushNotificationConfig/get": ("0.3", "push_get"),
    "tasks/pushNotificationConfig/list": ("0.3", "push_list"),
    "tasks/pushNotificationConfig/delete": ("0.3", "push_delete"),
    "agent/getAuthenticatedExtendedCard": ("0.3", "card"),
}
STREAMING: frozenset[Action] = frozenset({"stream", "subscribe"})
_VERSION = "A2A-Version"
#: The words for what is wrong, as google.rpc's `ErrorInfo` has them.
_REASONS = {
    -32700: "PARSE_ERROR",
    -32600: "INVALID_REQUEST",
    -32601: "METHOD_NOT_FOUND",
    -32602: "INVALID_PARAMS",
    -32603: "INTERNAL_ERROR",
    -32001: "TASK_NOT_FOUND",
    -32002: "TASK_NOT_CANCELABLE",
    -32003: "PUSH_NOTIFICATION_NOT_SUPPORTED",
    -32004: "UNSUPPORTED_OPERATION",
    -32005: "CONTENT_TYPE_NOT_SUPPORTED",
    -32009: "VERSION_NOT_SUPPORTED",
}
_GOOGLE = "type.googleapis.com/google.rpc."
#: What HTTP says, not JSON-RPC: who calls may not, or is to come again.
_OF_HTTP = (
    AuthHandlerError, ForbiddenError, PayloadTooLargeError, UnauthorizedError, UnavailableError,
)  # fmt: skip
_OF_PARAMS = (BadRequestError, ConflictError, InvalidRequestError, NotFoundError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call, as far as it is JSON-RPC."""

    call_id: str | int | None
    method: str
    version: Version
    action: Action
    params: Object

    def envelope(self, result: Any) -> bytes:
        """Return the answer, encoded."""
        return jsonio.dumps_wire({"jsonrpc": "2.0", "id": self.call_id, "result": result})


class CallError(Exception):
    """A call that is none, with the id to answer it by."""

    def __init__(self, error: A2aError, call_id: Any = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.call_id = call_id


async def read_call(request: web.Request) -> Call:
    """Return the call in a request.

    Raises:
        CallError: it is none, or none of A2A's, or of a version that is not spoken here.
    """
    try:
        body = decode(await read_raw(request))
    except InvalidRequestError:
        raise CallError(A2aError(NOT_JSON, "Invalid JSON payload")) from None
    if not isinstance(body, dict):
        raise CallError(A2aError(BAD_REQUEST, "Invalid message format: expected object"))
    found = body.get("id")
    known = isinstance(found, str | int) and not isinstance(found, bool)
    call_id = found if known else None
    if not known and ("id" not in body or found is not None):
        raise _no_call("'id' must be a string or an integer", call_id)
    if body.get("jsonrpc") != "2.0":
        raise _no_call("'jsonrpc' must be \"2.0\"", call_id)
    method = body.get("method")
    if not isinstance(method, str) or not method:
        raise _no_call("'method' must be a string", call_id)
    return _call(call_id, method, body.get("params"), _asked_version(request))


def _no_call(message: str, call_id: Any) -> CallError:
    return CallError(A2aError(BAD_REQUEST, f"Invalid JSON-RPC request: {message}"), call_id)


def _call(call_id: Any, method: str, params: Any, asked: str) -> Call:
    if method not in METHODS:
        error = A2aError(NO_METHOD, f"Method not found: {method}", method=method)
        if asked and asked not in VERSIONS:
            error = _other_version(asked, method)
        raise CallError(error, call_id)
    version, action = METHODS[method]
    if asked and asked != version:
        raise CallError(_other_version(asked, method), call_id)
    if not isinstance(params, dict | None):
        raise CallError(A2aError(BAD_PARAMS, "'params' must be an object"), call_id)
    return Call(call_id=call_id, method=method, version=version, action=action, params=params or {})


def _asked_version(request: web.Request) -> str:
    """Return the version a client speaks, major and minor; empty if it does not say so."""
    asked = request.headers.get(_VERSION) or request.query.get(_VERSION) or ""
    return ".".join(asked.strip().split(".")[:2])


def _other_version(asked: str, method: str) -> A2aError:
    spoken = ", ".join(VERSIONS)
    why = f"A2A version '{asked}' is not supported (supported: {spoken})"
    if asked in VERSIONS:
        why = f"A2A version '{asked}' has no method '{method}'"
    return A2aError(NO_VERSION, why, version=asked, supported=spoken)


def error_body(error: Exception, call_id: Any) -> Object:
    """Return the answer to a call that cannot be carried out.

    Raises:
        LgserveError: HTTP is to say so.
    """
    if isinstance(error, _OF_HTTP):
        raise error
    return {"jsonrpc": "2.0", "id": call_id, "error": _error_object(_as_a2a(error))}


def error_response(error: Exception, call_id: Any) -> web.Response:
    """Return the response for it: with HTTP all is well."""
    return json_response(error_body(error, call_id))


def _as_a2a(error: Exception) -> A2aError:
    if isinstance(error, A2aError):
        return error
    if isinstance(error, _OF_PARAMS):
        return A2aError(BAD_PARAMS, error.message)
    if isinstance(error, LgserveError):
        return A2aError(INTERNAL, error.message)
    _log.error("an A2A call failed", exc_info=error)
    return A2aError(INTERNAL, "Internal error")


def _error_object(error: A2aError) -> Object:
    details: list[Object] = [
        {
            "@type": f"{_GOOGLE}ErrorInfo",
            "reason": _REASONS[error.code],
            "domain": "a2a-protocol.org",
            "metadata": error.about,
        }
    ]
    if error.field is not None:
        violation = {"field": error.field, "description": error.message}
        details.append({"@type": f"{_GOOGLE}BadRequest", "fieldViolations": [violation]})
    return {"code": error.code, "message": error.message, "data": details}
