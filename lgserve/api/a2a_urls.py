"""The address at which clients reach this server: what all absolute URLs begin with."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from lgserve.api.keys import OPTIONS

if TYPE_CHECKING:
    from aiohttp import web

    from lgserve.api.keys import ApiOptions

_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[\w.~-]+)+")


def base_url(request: web.Request) -> str:
    """Return the address that all routes are below, without a slash at its end.

    That is what the settings say; else what a proxy says that is trusted; else what was called.
    """
    options = request.app[OPTIONS]
    if options.public_url is not None:
        public, prefix = options.public_url, options.mount_prefix
        return public if prefix and public.endswith(prefix) else public + prefix
    forwarded = _forwarded(request, options) or ""
    if forwarded:
        return forwarded + options.mount_prefix
    return f"{request.scheme}://{_host(request.host) or _own(request)}{options.mount_prefix}"


def _forwarded(request: web.Request, options: ApiOptions) -> str | None:
    """Return what the proxy next to this server says it was called."""
    if not is_trusted(request.remote, options.trusted_proxies):
        return None
    host = _host(_last(request, "X-Forwarded-Host")) or _host(request.host) or _own(request)
    scheme = _last(request, "X-Forwarded-Proto").lower()
    scheme = scheme if scheme in ("http", "https") else request.scheme
    prefix = _last(request, "X-Forwarded-Prefix").rstrip("/")
    return f"{scheme}://{host}{prefix if _PREFIX.fullmatch(prefix) else ''}"


def _last(request: web.Request, name: str) -> str:
    """Return what the nearest proxy says: those before it may say anything."""
    return request.headers.get(name, "").rpartition(",")[2].strip()


def _host(text: str) -> str | None:
    return text if _HOST.fullmatch(text) else None


def _own(request: web.Request) -> str:
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    if not name:
        return "localhost"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def is_trusted(remote: str | None, proxies: tuple[str, ...]) -> bool:
    """Tell whether an address is that of a proxy that is believed."""
    if not proxies or remote is None:
        return False
    if "*" in proxies:
        return True
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(each, strict=False) for each in proxies)
