"""Reading requests and writing JSON: what all handlers share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from lgserve import jsonio
from lgserve.api.fields import describe
from lgserve.api.keys import AUTHENTICATOR, OPTIONS, PRINCIPAL, SERVICES, Services
from lgserve.core.errors import (
    BadRequestError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnauthorizedError,
)
from lgserve.core.ids import parse_uuid
from lgserve.core.models import EVERYTHING, Json, Page, Scope
from lgserve.core.principals import Principal

ModelT = TypeVar("ModelT", bound=BaseModel)

#: Deeper than anything that is said on purpose, and less than any of our parsers and encoders bear.
MAX_DEPTH = 150
#: SQL's integers end here; no list is longer.
LARGEST = 2**63 - 1

_NOT_JSON = "Invalid JSON in request body"
_JSON_HEADERS = {"Content-Type": "application/json"}


def services_of(request: web.Request) -> Services:
    """Return the use cases."""
    return request.app[SERVICES]


def scope_of(request: web.Request) -> Scope:
    """Return the metadata that what this request may see must contain.

    Raises:
        ForbiddenError: the project's handlers decide; ask them (`lgserve.api.auth.permit`).
    """
    authenticator = request.app.get(AUTHENTICATOR)
    return EVERYTHING if authenticator is None else authenticator.scope(principal_of(request))


def principal_of(request: web.Request) -> Principal:
    """Return who calls.

    Raises:
        UnauthorizedError: nobody was asked for.
    """
    if PRINCIPAL not in request:
        raise UnauthorizedError
    return request[PRINCIPAL]


def user_of(request: web.Request) -> Principal | None:
    """Return who calls, None on a server that does not ask."""
    return request.get(PRINCIPAL)


async def read_body(request: web.Request, model: type[ModelT]) -> ModelT:
    """Return the request's JSON body, checked; its content type does not matter.

    Raises:
        InvalidRequestError: no JSON, or a field that is wrong; the message names it.
        PayloadTooLargeError: larger than the server takes.
    """
    return checked(decode(await _read(request)), model)


def checked(value: Any, model: type[ModelT]) -> ModelT:
    """Return a value as what it must be.

    Raises:
        InvalidRequestError: a field is wrong; the message names it.
    """
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise InvalidRequestError(describe(exc)) from None


async def read_array(request: web.Request, model: type[ModelT]) -> list[ModelT]:
    """Return the request's JSON body, an array with at least one entry, each checked.

    Raises:
        InvalidRequestError: no array, an empty one, or a wrong entry; the message names it.
    """
    entries = decode(await _read(request))
    if not isinstance(entries, list):
        raise InvalidRequestError("request body: Input should be an array")
    if not entries:
        raise InvalidRequestError("request body: Input should have at least 1 entry")
    return [_entry(model, index, entry) for index, entry in enumerate(entries)]


def _entry(model: type[ModelT], index: int, entry: Any) -> ModelT:
    try:
        return model.model_validate(entry)
    except ValidationError as exc:
        raise InvalidRequestError(describe(exc, (index,))) from None
    except InvalidRequestError as exc:
        raise InvalidRequestError(f"[{index}]: {exc.message}") from None


def decode(raw: bytes) -> Any:
    """Return the value of a JSON text from a client.

    Raises:
        InvalidRequestError: empty, no JSON, or nested absurdly deep.
    """
    try:
        value = jsonio.loads(raw)
    except jsonio.InvalidJsonError:
        raise InvalidRequestError(_NOT_JSON) from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidRequestError(f"{_NOT_JSON}: nested deeper than {MAX_DEPTH} levels")
    return value


async def read_raw(request: web.Request) -> bytes:
    """Return the request's body as it came.

    Raises:
        PayloadTooLargeError: larger than the server takes.
    """
    return await _read(request)


async def _read(request: web.Request) -> bytes:
    limit = request.app[OPTIONS].max_body_bytes
    try:
        if (request.content_length or 0) <= limit:
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        pass
    except web.RequestPayloadError:
        raise BadRequestError("The request body cannot be read to its end") from None
    raise PayloadTooLargeError(f"The request body is larger than {limit} bytes")


def _depth(value: Any) -> int:
    """Return how deep a decoded value is nested, level by level: recursion would hit its limit."""
    depth, level = 0, [value]
    while level:
        level = [
            member
            for item in level
            if isinstance(item, dict | list)
            for member in (item.values() if isinstance(item, dict) else item)
        ]
        depth += bool(level)
    return depth


def uuid_of(request: web.Request, noun: Literal["thread", "run"]) -> str:
    """Return the id in the path, in its canonical form."""
    found = parse_uuid(request.match_info[f"{noun}_id"])
    if found is None:
        raise InvalidRequestError(f"Invalid {noun} ID: must be a UUID")
    return found


def flag(request: web.Request, name: str) -> bool:
    """Return a yes-or-no query parameter; anything but 1 and true is no, as in the reference."""
    return request.query.get(name, "").lower() in ("1", "true")


def integer(request: web.Request, name: str, default: int, *, low: int, high: int = LARGEST) -> int:
    """Return a whole number from the query."""
    text = request.query.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise InvalidRequestError(f"Invalid {name} {text}")
    if not low <= int(text) <= high:
        raise InvalidRequestError(f"Invalid {name} {text}: must be {low} to {high}")
    return int(text)


def names(request: web.Request, name: str) -> tuple[str, ...]:
    """Return a list from the query: of repeated parameters, with commas, or as JSON has lists."""
    given = request.query.getall(name, ())
    return tuple(part for text in given for part in _parts(text) if part)


def _parts(text: str) -> list[str]:
    """Return the names in one parameter; some versions of the JavaScript SDK send JSON there."""
    if text.startswith("["):
        with suppress(InvalidRequestError):
            found = decode(text.encode("utf-8", "surrogatepass"))
            return [part for part in found if isinstance(part, str)]
    return [part.strip() for part in text.split(",")]


def object_parameter(request: web.Request, name: str) -> dict[str, Any] | None:
    """Return a JSON object from the query; None if it is not given."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        value = decode(text.encode("utf-8", "surrogatepass"))
    except InvalidRequestError:
        value = None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"Invalid {name}: must be a JSON object")
    return value


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON; text that is encoded already is sent as it stands."""
    body = value if type(value) is Json else jsonio.dumps_wire(value)
    return web.Response(
        body=body, status=status, headers={**_JSON_HEADERS, **headers} if headers else _JSON_HEADERS
    )


def page_headers(page: Page, shown: int, total: int) -> dict[str, str]:
    """Return the headers of a page: how many there are in all, and where the next one begins."""
    headers = {"X-Pagination-Total": str(total)}
    if shown and page.offset + shown < total:
        headers["X-Pagination-Next"] = str(page.offset + shown)
    return headers
