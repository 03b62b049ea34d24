"""Headers of a request in the runs that it creates (`http.configurable_headers`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lgserve.api.keys import OPTIONS
from lgserve.core.header_rules import configurable_of

if TYPE_CHECKING:
    from aiohttp import web

    from lgserve.services.run_requests import RunRequest


def with_headers(request: web.Request, wanted: RunRequest) -> RunRequest:
    """Return a run with the headers that the project's config lets through."""
    found = configurable_of(request.headers, request.app[OPTIONS].configurable_headers)
    return replace(wanted, configurable=found) if found else wanted
