"""What MCP says on the wire: versions, JSON-RPC messages, and the headers that repeat them.

Pure. Two eras meet at one address: *handshake* versions begin with `initialize`; a *stateless* one
(2026-07-28) tells version and capabilities in `_meta` of each request, and has no `initialize`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lgserve import __version__

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
STATELESS = "2026-07-28"
SUPPORTED = (STATELESS, *HANDSHAKE)
#: What a client speaks that does not say so: the header came with the version after it.
_UNSAID = "2025-03-26"
#: The only version that has batches.
BATCHING = "2025-03-26"
#: A result has `structuredContent`, and a tool an `outputSchema`, from here on.
_STRUCTURED_SINCE = "2025-06-18"
#: Wrong arguments are something for the model to read from here on, no error of the protocol.
_TOLD_SINCE = "2025-11-25"

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
#: Statuses of errors of the stateless version; those of the others are 200.
_STATUSES = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    METHOD_NOT_FOUND: 404,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    UNSUPPORTED_VERSION: 400,
}

_PREFIX = "io.modelcontextprotocol/"
VERSION_KEY = f"{_PREFIX}protocolVersion"
CAPABILITIES_KEY = f"{_PREFIX}clientCapabilities"
_SERVER_KEY = f"{_PREFIX}serverInfo"
VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
#: Which member of the parameters the header with the name repeats.
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ENCODED = ("=?base64?", "?=")

SERVER_INFO = {"name": "lgserve", "title": "lgserve", "version": __version__}
CAPABILITIES = {"tools": {"listChanged": False}}

MessageId = str | int | None
Object = dict[str, Any]


class RpcError(Exception):
    """An error of JSON-RPC; a status is given where the version does not decide it."""

    def __init__(
        self, code: int, message: str, *, data: Any = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a client; only a request has an id."""

    kind: Literal["request", "notification", "response"]
    message_id: MessageId = None
    method: str = ""
    params: Object
    #: The `_meta` of the parameters; empty if there is none.
    meta: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request, with the version by which it is answered."""

    message: Message
    version: str

    @property
    def stateless(self) -> bool:
        """Whether it is of the version without a handshake."""
        return self.version == STATELESS

    @property
    def structured(self) -> bool:
        """Whether its version has structured results."""
        return self.version >= _STRUCTURED_SINCE

    @property
    def tells_model(self) -> bool:
        """Whether wrong arguments are told as a result, for the model to read."""
        return self.version >= _TOLD_SINCE

    @property
    def elicits(self) -> bool:
        """Whether the client said with this request that it can ask its user to fill a form."""
        wanted = self.message.meta.get(CAPABILITIES_KEY) if self.stateless else None
        asking = wanted.get("elicitation") if isinstance(wanted, dict) else None
        return isinstance(asking, dict) and (not asking or "form" in asking)


def invalid_params(message: str) -> RpcError:
    """Return the error for parameters that are wrong."""
    return RpcError(INVALID_PARAMS, message)


def _malformed(message: str) -> RpcError:
    return RpcError(INVALID_REQUEST, message, status=400)


def read_message(value: Any) -> Message:
    """Return a message as what it is.

    Raises:
        RpcError: it is no message.
    """
    if not isinstance(value, dict):
        raise _malformed("Invalid message format: a message is a JSON object")
    if value.get("jsonrpc") != "2.0":
        raise _malformed("Invalid JSON-RPC message. Missing or invalid jsonrpc version.")
    if "method" not in value and ("result" in value or "error" in value):
        return Message(kind="response", params={}, meta={})
    if not isinstance(value.get("method"), str):
        raise _malformed("Invalid JSON-RPC message: method must be a string")
    if "id" in value and id_of(value) is None:
        raise _malformed("Invalid JSON-RPC message: id must be a string or an integer")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object", status=400)
    meta = params.get("_meta")
    return Message(
        kind="request" if "id" in value else "notification",
        message_id=id_of(value),
        method=value["method"],
        params=params,
        meta=meta if isinstance(meta, dict) else {},
    )


def id_of(value: Any) -> MessageId:
    """Return the id of a message, None if it has none that can be one."""
    return message_id_of(value.get("id")) if isinstance(value, dict) else None


def message_id_of(value: Any) -> MessageId:
    """Return a value if it can be the id of a message, else None."""
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def version_of(message: Message | None, headers: CIMultiDictProxy[str]) -> str:
    """Return the version that a message is of; of a batch there is only the header.

    Raises:
        RpcError: it contradicts itself, or names a version that is not spoken here.
    """
    said = headers.get(VERSION_HEADER)
    stated = None if message is None else message.meta.get(VERSION_KEY)
    if stated is not None:
        _check_repeated(VERSION_HEADER, said, stated)
    if said is not None and said not in SUPPORTED:
        data = {"supported": list(SUPPORTED), "requested": said}
        raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data, status=400)
    if stated is None and message is not None and message.method == "initialize":
        return HANDSHAKE[0]
    return said or _UNSAID


def check_envelope(message: Message, headers: CIMultiDictProxy[str]) -> None:
    """Check what each request of the stateless version says besides.

    Raises:
        RpcError: something is missing, or a header does not repeat the body.
    """
    for key, kind in ((VERSION_KEY, str), (CAPABILITIES_KEY, dict)):
        if not isinstance(message.meta.get(key), kind):
            noun = "a string" if kind is str else "an object"
            raise RpcError(INVALID_PARAMS, f"params._meta: {key} is required, {noun}", status=400)
    for name in (VERSION_HEADER, METHOD_HEADER, NAME_HEADER):
        if len(headers.getall(name, ())) > 1:
            raise _mismatch(f"the {name} header is given more than once")
    _check_repeated(METHOD_HEADER, headers.get(METHOD_HEADER), message.method)
    named = message.params.get(_NAMED.get(message.method, ""))
    if isinstance(named, str):
        _check_repeated(NAME_HEADER, _decoded(headers.get(NAME_HEADER)), named)


def _check_repeated(name: str, said: str | None, stated: Any) -> None:
    if said is None:
        raise _mismatch(f"the {name} header is required")
    if said != stated:
        raise _mismatch(f"{name} header value {said!r} does not match body value {stated!r}")


def _mismatch(message: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"Header mismatch: {message}", status=400)


def _decoded(said: str | None) -> str | None:
    """Return the value of a header that may be encoded."""
    before, after = _ENCODED
    if said is None or not (said.startswith(before) and said.endswith(after)):
        return said
    try:
        return base64.b64decode(said[len(before) : -len(after)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _mismatch(f"{NAME_HEADER} is not valid base64") from None


def negotiated(asked: Any) -> str:
    """Return the version that answers the one a handshake asks for."""
    return asked if asked in HANDSHAKE else HANDSHAKE[0]


def initialized(params: Mapping[str, Any]) -> Object:
    """Return the answer to a handshake."""
    return {
        "protocolVersion": negotiated(params.get("protocolVersion")),
        "capabilities": CAPABILITIES,
        "serverInfo": SERVER_INFO,
    }


def discovered() -> Object:
    """Return what the server says of itself to those who have no handshake."""
    return {"supportedVersions": list(SUPPORTED), "capabilities": CAPABILITIES, **uncached()}


def uncached() -> Object:
    """Return what a list says of how long it holds: assistants come and go, and are private."""
    return {"ttlMs": 0, "cacheScope": "private"}


def result_message(call: Call, result: Mapping[str, Any]) -> Object:
    """Return the answer to a request."""
    if call.stateless:
        meta = {_SERVER_KEY: SERVER_INFO, **result.get("_meta", {})}
        result = {"resultType": "complete", **result, "_meta": meta}
    return {"jsonrpc": "2.0", "id": call.message.message_id, "result": result}


def error_message(message_id: MessageId, error: RpcError) -> Object:
    """Return the answer to a request that failed."""
    told = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": message_id, "error": told}


def status_of(error: RpcError, version: str | None) -> int:
    """Return the HTTP status of an error."""
    if error.status is not None:
        return error.status
    return _STATUSES.get(error.code, 200) if version == STATELESS else 200


def check_batch(messages: Sequence[Any], version: str, most: int) -> None:
    """Refuse a batch where there cannot be one.

    Raises:
        RpcError: the version has no batches, or this one is empty or too long.
    """
    if version != BATCHING:
        raise _malformed(f"Invalid message format: version {version} has no batches")
    if not messages:
        raise _malformed("Invalid message format: the batch is empty")
    if len(messages) > most:
        raise _malformed(f"Invalid message format: a batch has at most {most} messages")
