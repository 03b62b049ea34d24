"""Webhooks: which addresses may be called, what is sent when, and what became of it. Pure."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from lgserve.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lgserve.core.models import Json

DeliveryStatus = Literal["pending", "delivered", "failed"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: What ends the part of an address that names user and host.
_AFTER_AUTHORITY = re.compile(r"[/?#]")
#: What parsers of addresses disagree about.
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_RELATIVE = (
    "Loopback webhooks (relative URLs and localhost) are disabled by default. To have a relative"
    " URL called on this server itself, over the network and without credentials, set"
    " webhooks.url.disable_loopback to false."
)
#: Metadata services of clouds, links, tests, multicast, and what is reserved: never a receiver.
_BLOCKED: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "::/128", "100::/64", "2001::/32", "2001:db8::/32",
        "2002::/16", "fd00:ec2::254/128", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_PRIVATE: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
#: Addresses of the old protocol, written in the new one.
_MAPPED = tuple(ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96", "::/96"))

_FIRST_DELAY, _LONGEST_DELAY = 1.0, 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """Which addresses may be called."""

    require_https: bool = False
    #: Exact names, or `*.example.com` for those below; empty allows all.
    allowed_domains: tuple[str, ...] = ()
    allowed_ports: tuple[int, ...] = ()
    max_url_length: int = 4096
    allow_loopback: bool = False
    #: Whether a path alone means this server.
    allow_relative: bool = False
    allow_private: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """An address that the policy allows, as far as that can be said without asking for its IP."""

    #: An IP address is written in the one usual way, however it was given.
    host: str
    port: int
    #: `scheme://host:port`: those who share it share what is slow about it.
    origin: str
    #: What is called: the address without user and fragment.
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """What is to be delivered."""

    webhook_id: str
    #: `run`: a run's end, to which the project's headers and `allowed_fields` apply.
    kind: str = "run"
    run_id: str
    thread_id: str
    #: Of the run's thread: says whose it is.
    metadata: Json
    url: str
    origin: str
    #: Headers of this one, beside those that all have.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: A JSON object.
    payload: Json = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """A message and how its delivery stands."""

    message: WebhookMessage
    status: DeliveryStatus
    #: Tries that were begun, in all and since somebody last asked for it.
    attempts: int
    tries: int
    created_at: str
    #: None: it is not tried again.
    next_attempt_at: str | None
    retry_until: str
    ended_at: str | None = None
    #: Of the last try.
    status_code: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAttempt:
    """One try: what the receiver answered, or why it did not."""

    number: int
    began_at: str
    seconds: float
    status_code: int | None = None
    error: str | None = None
    #: The beginning of what it answered.
    response: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFilter:
    """Which deliveries: each given member must hold."""

    run_id: str | None = None
    thread_id: str | None = None
    status: DeliveryStatus | None = None


def check_url(url: str, policy: WebhookPolicy) -> WebhookTarget:
    """Return what an address names.

    Raises:
        InvalidRequestError: it is none, or the policy forbids it.
    """
    if len(url) > policy.max_url_length:
        raise InvalidRequestError("Webhook URL too long")
    if url.startswith("/"):
        raise InvalidRequestError(_RELATIVE)
    parts, host, port = _parts(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise _blocked(f"scheme '{parts.scheme}' not allowed")
    if policy.require_https and parts.scheme != "https":
        raise InvalidRequestError("Webhook must use https")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    if policy.allowed_ports and port not in policy.allowed_ports:
        raise InvalidRequestError(f"Webhook port {port} not allowed")
    if policy.allowed_domains and not _is_named(host, policy.allowed_domains):
        raise InvalidRequestError("Webhook domain not allowed")
    host = _checked_host(host, policy)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    called = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
    return WebhookTarget(host=host, port=port, origin=f"{parts.scheme}://{place}", url=called)


def _parts(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError as exc:
        raise InvalidRequestError(f"Invalid webhook URL: {exc}") from None
    if not host:
        raise InvalidRequestError("Invalid webhook hostname ''")
    if _ODD.search(url):
        raise InvalidRequestError("Invalid webhook URL: it has spaces or control characters")
    if port == 0:
        raise InvalidRequestError("Invalid webhook URL: there is no port 0")
    return parts, host, port


def _checked_host(host: str, policy: WebhookPolicy) -> str:
    if host == "localhost" or host.endswith(".localhost"):
        if not policy.allow_loopback:
            raise _blocked("localhost address")
        return host
    address = literal_address(host)
    if address is None and not _HOST.fullmatch(host):
        raise InvalidRequestError(f"Invalid webhook hostname '{host}': write it in ASCII")
    if address is not None and (reason := forbidden_reason(address, policy)):
        raise _blocked(reason)
    return address or host


def literal_address(host: str) -> str | None:
    """Return the IP address that a host is, as it is usually written; None for a name.

    Raises:
        InvalidRequestError: it is like an address, and none.
    """
    try:
        if ":" in host:
            found = ipaddress.IPv6Address(host)
            return str(found.ipv4_mapped or found)
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(socket.inet_aton(host)))
    except (ValueError, OSError):
        raise InvalidRequestError(f"Invalid webhook hostname '{host}'") from None
    return None


def forbidden_reason(address: str, policy: WebhookPolicy) -> str | None:
    """Return why an IP address must not be called; None if it may."""
    try:
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return "not an IP address"
    if found.is_loopback:
        return None if policy.allow_loopback else "loopback IP range"
    if _within(found, _BLOCKED):
        return "blocked IP range"
    return "private IP range" if not policy.allow_private and _within(found, _PRIVATE) else None


def _plain(address: _Address) -> _Address:
    """Return the address of the old protocol that one of the new protocol leads to."""
    if isinstance(address, ipaddress.IPv6Address) and int(address) > 1:
        for network in _MAPPED:
            if address in network:
                return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _within(address: _Address, networks: tuple[_Network, ...]) -> bool:
    return any(address in network for network in networks)


def _is_named(host: str, domains: tuple[str, ...]) -> bool:
    return any(
        host.endswith(domain[1:]) if domain.startswith("*.") else host == domain
        for domain in domains
    )


def _blocked(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"Webhook host blocked: {reason}")


def shown_url(url: str) -> str:
    """Return an address without the password in it."""
    scheme, _, rest = url.partition("://")
    user, at, _ = _AFTER_AUTHORITY.split(rest, maxsplit=1)[0].rpartition("@")
    if not at or ":" not in user:
        return url
    return f"{scheme}://{user.partition(':')[0]}:***{rest[len(user) :]}"


def may_hold_password(kwargs: Json) -> bool:
    """Tell whether the webhook of a run may have a password, without reading what it was asked."""
    return kwargs.find(b"@") >= 0 and kwargs.find(b'"webhook":"') >= 0


def without_password(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was asked, its webhook as it is shown."""
    webhook = kwargs.get("webhook")
    return {**kwargs, "webhook": shown_url(webhook) if isinstance(webhook, str) else webhook}


def retry_delay(tries: int, lot: float) -> float:
    """Return the seconds until the next try after so many; `lot` is drawn from 0 to 1.

    1 s, 2 s, 4 s … a quarter of an hour, each a fifth more or less: not all come back at once.
    """
    return min(_FIRST_DELAY * 2.0 ** min(tries - 1, 30), _LONGEST_DELAY) * (0.8 + 0.4 * lot)
