"""One try to deliver a webhook: signed, to an address that is checked again, and not redirected."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from lgserve import __version__, jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import EMPTY_OBJECT, Json
from lgserve.core.webhook_signing import signature
from lgserve.core.webhooks import (
    WebhookDelivery,
    WebhookMessage,
    WebhookPolicy,
    check_url,
    forbidden_reason,
)

if TYPE_CHECKING:
    from lgserve.core.ports import Clock

#: Bytes of an answer that are remembered.
_EXCERPT = 500
#: Refusals that may pass: too slow, too early, too many.
_PASSING = (408, 425, 429)
_CONNECT_SECONDS = 10.0
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How messages are sent."""

    policy: WebhookPolicy = field(default_factory=WebhookPolicy)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Empty sends all members.
    allowed_fields: tuple[str, ...] = ()
    secrets: Sequence[bytes] = field(default=(), repr=False)
    timeout_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What came of a try."""

    delivered: bool = False
    #: Whether it may come to another end when it is tried again, and when the receiver wants that.
    passing: bool = False
    retry_after_seconds: float | None = None
    status_code: int | None = None
    error: str | None = None
    response: str | None = None


class ForbiddenAddressError(OSError):
    """A name leads to an address that must not be called."""


class _CheckingResolver(AbstractResolver):
    """Resolves names, and leaves out what must not be called: connected is what was checked.

    Each name in a thread of its own: one that nobody answers for must not keep others waiting, as
    it would in the few threads of the loop.
    """

    def __init__(self, policy: WebhookPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = [_resolved(host, entry) for entry in await _looked_up(host, port, family)]
        reasons = [forbidden_reason(each["host"], self._policy) for each in found]
        allowed = [each for each, reason in zip(found, reasons, strict=True) if reason is None]
        if found and not allowed:
            raise ForbiddenAddressError(f"Webhook host blocked: {reasons[0]}")
        return allowed

    async def close(self) -> None:
        """Leave lookups that are under way to themselves."""


async def _looked_up(host: str, port: int, family: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def settle(found: list[Any] | OSError) -> None:
        if answer.done():  # it took too long
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def look_up() -> None:
        found: list[Any] | OSError
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        except OSError as exc:
            found = exc
        except UnicodeError as exc:
            found = OSError(str(exc))
        with contextlib.suppress(RuntimeError):  # the server has gone
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=look_up, name="lgserve-lookup", daemon=True).start()
    return await answer


def _resolved(name: str, entry: Any) -> ResolveResult:
    family, _, protocol, _, address = entry
    return ResolveResult(
        hostname=name,
        host=str(address[0]),
        port=int(address[1]),
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


class WebhookSender:
    """Sends messages; `open` before use, `close` after."""

    def __init__(self, options: SendOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Be ready to send; on the loop that sends."""
        connector = aiohttp.TCPConnector(
            resolver=_CheckingResolver(self._options.policy),
            use_dns_cache=False,
            limit=0,
            force_close=True,
            socket_factory=self._socket,
        )
        limit = self._options.timeout_seconds
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=limit, connect=min(limit, _CONNECT_SECONDS)),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Break off what is under way."""
        if self._session is not None:
            await self._session.close()

    async def send(self, delivery: WebhookDelivery) -> SendResult:
        """Try once; whatever happens is a result."""
        message = delivery.message
        try:
            target = check_url(message.url, self._options.policy)
            url = URL(target.url)
        except (InvalidRequestError, ValueError) as exc:
            return SendResult(error=str(exc))
        if url.raw_host != target.host:
            return SendResult(error=f"Invalid webhook hostname '{url.raw_host}'")
        body = self._body(message)
        try:
            return await self._post(url, body, self._headers(message, body))
        except TimeoutError:
            limit = self._options.timeout_seconds
            return SendResult(passing=True, error=f"no answer within {limit:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            forbidden = _forbidden(exc)
            return SendResult(passing=forbidden is None, error=forbidden or _told(exc))

    async def _post(self, url: URL, body: bytes, headers: Mapping[str, str]) -> SendResult:
        if self._session is None:
            raise RuntimeError("the sender is not open")
        async with self._session.post(
            url, data=io.BytesIO(body), headers=headers, allow_redirects=False
        ) as answer:
            return await self._judged(answer)

    async def _judged(self, answer: aiohttp.ClientResponse) -> SendResult:
        status = answer.status
        if 200 <= status < 300:
            return SendResult(delivered=True, status_code=status, response=await _excerpt(answer))
        passing = status >= 500 or status in _PASSING
        wait = answer.headers.get("Retry-After") if status in (429, 503) else None
        return SendResult(
            passing=passing,
            retry_after_seconds=None if wait is None else _seconds(wait, self._clock.now()),
            status_code=status,
            error=_refusal(status, answer.headers.get("Location")),
            response=await _excerpt(answer),
        )

    def _body(self, message: WebhookMessage) -> bytes:
        """Return a message as it is sent now."""
        if message.kind != "run":
            return bytes(message.payload)
        fields = self._options.allowed_fields
        sent_at = {"webhook_sent_at": to_iso(self._clock.now())}
        if fields:
            whole = {**jsonio.loads(message.payload), **sent_at}
            return bytes(jsonio.dumps_wire({k: v for k, v in whole.items() if k in fields}))
        return bytes(_joined(message.payload, jsonio.dumps(sent_at)))

    def _headers(self, message: WebhookMessage, body: bytes) -> dict[str, str]:
        stamp = int(self._clock.now().timestamp())
        given = {**(self._options.headers if message.kind == "run" else {}), **message.headers}
        headers = {
            "User-Agent": f"lgserve/{__version__}",
            "Accept-Encoding": "identity",
            **_credentials(message.url),
            **given,
            "Content-Type": "application/json",
            "webhook-id": message.webhook_id,
            "webhook-timestamp": str(stamp),
        }
        secrets = self._options.secrets
        if secrets:
            headers["webhook-signature"] = signature(secrets, message.webhook_id, stamp, body)
        return headers

    def _socket(self, info: Any) -> socket.socket:
        """Make the socket for an address, the last to know it: nothing else is ever connected."""
        family, kind, protocol, _, address = info
        if reason := forbidden_reason(str(address[0]), self._options.policy):
            raise ForbiddenAddressError(f"Webhook host blocked: {reason}")
        return socket.socket(family=family, type=kind, proto=protocol)


def _joined(payload: Json, more: Json) -> Json:
    """Add members to an encoded object."""
    return more if payload == EMPTY_OBJECT else Json(b"%b,%b" % (payload[:-1], more[1:]))


def _credentials(url: str) -> dict[str, str]:
    """Return the header that stands for a user and a password in an address."""
    found = URL(url)
    if found.user is None and found.password is None:
        return {}
    pair = f"{found.user or ''}:{found.password or ''}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


async def _excerpt(answer: aiohttp.ClientResponse) -> str | None:
    """Return the beginning of an answer; that it cannot be read does not undo it."""
    try:
        found = await answer.content.read(_EXCERPT)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    return found.decode("utf-8", "replace") or None


def _refusal(status: int, location: str | None) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed ({(location or '')[:200]})"
    return f"HTTP {status}"


def _seconds(text: str, now: datetime) -> float | None:
    """Return how long a receiver wants to be left alone: it says seconds, or a date."""
    try:
        wait = float(text) if text.strip().isdigit() else _until(text, now)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)


def _until(text: str, now: datetime) -> float:
    return (parsedate_to_datetime(text) - now).total_seconds()


def _forbidden(exc: BaseException) -> str | None:
    found = next((e for e in _causes(exc) if isinstance(e, ForbiddenAddressError)), None)
    return None if found is None else str(found)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        inner = getattr(exc, "os_error", None)
        exc = inner if inner is not None and inner is not exc else exc.__cause__


def _told(exc: BaseException) -> str:
    """Say what went wrong on the way."""
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "DNS resolution failed"
    inner = getattr(exc, "os_error", None)
    text = (inner.strerror if inner is not None else None) or str(exc)
    return (text or type(exc).__name__)[:300]
