"""Who may do what: the authenticator, and the keys that are stored."""

from __future__ import annotations

from typing import Any, Protocol

from lgserve.core.models import Scope
from lgserve.core.principals import Action, ApiKey, IncomingRequest, Principal, Resource


class Authenticator(Protocol):
    """Who is it, may they, and which rows are theirs. A server without one is open to everybody."""

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Return who calls.

        Raises:
            UnauthorizedError: no credentials, or wrong ones.
            AuthHandlerError: the project's handler refused.
        """
        ...

    async def authorize(
        self, principal: Principal, resource: Resource, action: Action, value: dict[str, Any]
    ) -> Scope:
        """Return what a row must contain for the principal to act on it.

        `value` is what is asked for; it may be changed, and what it says then is what is done.

        Raises:
            ForbiddenError: the principal may not.
            AuthHandlerError: the project's handler refused.
        """
        ...

    def scope(self, principal: Principal) -> Scope:
        """Return the scope of all that is the principal's, whatever is done with it.

        Raises:
            ForbiddenError: that depends on what is done: `authorize` has to be asked.
        """
        ...


class ApiKeys(Protocol):
    """Keys that open the API."""

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key, revoked or not, or None."""
        ...

    def insert(self, key: ApiKey) -> None:
        """Add a key."""
        ...

    def search(self, owner: str | None) -> list[ApiKey]:
        """Return all keys, or those of an owner, newest first."""
        ...

    def revoke(self, key_id: str, now: str) -> bool:
        """Make a key open nothing from now on; False if it is unknown or was revoked before."""
        ...
