"""Tickets: how the server knows that a request comes from the code of a run, and of whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lgserve.core.errors import UnauthorizedError
from lgserve.core.models import Scope
from lgserve.core.principals import Action, IncomingRequest, Principal, Resource

if TYPE_CHECKING:
    from lgserve.core.ports import Authenticator

#: The header that carries a ticket.
TICKET = "x-lgserve-ticket"
#: What says who calls; what the SDK takes from the environment does not count.
_CREDENTIALS = ("authorization", "cookie", "x-api-key")


class TicketAuthenticator:
    """Knows who calls from this process, and asks another authenticator about everybody else."""

    def __init__(
        self, authenticator: Authenticator, tickets: Mapping[str, Principal | None]
    ) -> None:
        self._others = authenticator
        self._tickets = tickets

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Return the user of the run that calls, unless the call has credentials of its own."""
        ticket = request.headers.get(TICKET, "")
        if ticket not in self._tickets or any(name in request.headers for name in _CREDENTIALS):
            return await self._others.authenticate(request)
        principal = self._tickets[ticket]
        if principal is None:
            raise UnauthorizedError(
                "Code outside of a run calls as nobody: give get_client() an api_key or headers"
            )
        return principal

    async def authorize(
        self, principal: Principal, resource: Resource, action: Action, value: dict[str, Any]
    ) -> Scope:
        """Ask the other authenticator."""
        return await self._others.authorize(principal, resource, action, value)

    def scope(self, principal: Principal) -> Scope:
        """Ask the other authenticator."""
        return self._others.scope(principal)
