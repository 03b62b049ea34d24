"""The header `Idempotency-Key`: a client that does not know whether it was heard may ask again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from lgserve import jsonio
from lgserve.api.http import json_response, user_of
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import RequestKey
from lgserve.services.idempotency import AnsweredBeforeError, Once

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

T = TypeVar("T")

HEADER = "Idempotency-Key"
#: Says that an answer is an old one.
REPLAYED = {"Idempotent-Replayed": "true"}
_LONGEST = 255


@web.middleware
async def answer_repeated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request that was answered before as it was answered then."""
    try:
        return await handler(request)
    except AnsweredBeforeError as repeated:
        return json_response(repeated.answered.answer, headers=REPLAYED)


async def once_of(request: web.Request, view: Callable[[T], Any]) -> Once[T] | None:
    """Return the request as one that has a name, if it has one; `view` makes its answer.

    Raises:
        InvalidRequestError: the name cannot be one.
    """
    name = request.headers.get(HEADER)
    if name is None:
        return None
    user = user_of(request)
    key = RequestKey(
        owner="" if user is None else user.identity,
        name=_checked(name.strip()),
        fingerprint=_fingerprint(request, await request.read()),
    )
    return Once(key=key, view=view)


def _checked(name: str) -> str:
    if not name:
        raise InvalidRequestError(f"{HEADER}: must not be empty")
    if len(name) > _LONGEST:
        raise InvalidRequestError(f"{HEADER}: must have at most {_LONGEST} characters")
    if not (name.isascii() and name.isprintable()):
        raise InvalidRequestError(f"{HEADER}: must be printable ASCII")
    return name


def _fingerprint(request: web.Request, raw: bytes) -> bytes:
    """Return a digest of what is asked for; how its JSON is written does not matter."""
    try:
        body = json.dumps(jsonio.loads(raw), sort_keys=True).encode()
    except jsonio.InvalidJsonError:  # empty, where nothing needs to be said
        body = raw
    asked = f"{request.method} {request.path}\n".encode("utf-8", "surrogateescape")
    return hashlib.sha256(asked + body).digest()
