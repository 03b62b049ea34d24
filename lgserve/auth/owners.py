"""What the built-in authenticators share: where credentials stand, and that all rows have an owner.

System assistants belong to nobody: everybody may see and run them, nobody may change them.
"""

from __future__ import annotations

from typing import Any

from lgserve.core.errors import InvalidRequestError, UnauthorizedError
from lgserve.core.models import Scope
from lgserve.core.principals import Action, IncomingRequest, Principal, Resource

#: The member of a row's metadata that names whose it is.
OWNER = "owner"
_SYSTEM = {"created_by": "system"}


def credential(request: IncomingRequest) -> str:
    """Return the key or token: a bearer token, else the `x-api-key` header.

    Raises:
        UnauthorizedError: there is neither.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if key := request.headers.get("x-api-key", "").strip():
        return key
    raise UnauthorizedError(
        "Authentication is needed: send the header x-api-key, or Authorization: Bearer"
    )


def refuse_system(resource: Resource, action: Action, value: dict[str, Any]) -> None:
    """Let no client pass an assistant off as the server's own, which everybody may run.

    Raises:
        InvalidRequestError: its metadata say so.
    """
    if resource != "assistants" or action not in ("create", "update"):
        return
    if (value.get("metadata") or {}).get("created_by") == _SYSTEM["created_by"]:
        raise InvalidRequestError("metadata.created_by: 'system' is reserved")


class OwnerPolicy:
    """The half of an authenticator that gives everybody their own rows and nothing else."""

    async def authorize(
        self, principal: Principal, resource: Resource, action: Action, value: dict[str, Any]
    ) -> Scope:
        """Return the owner's scope; of assistants, those of the system can be read too."""
        own = self.scope(principal)
        if resource != "assistants":
            return own
        if action in ("read", "search"):
            return {"$or": [own, _SYSTEM]}
        refuse_system(resource, action, value)
        return own

    def scope(self, principal: Principal) -> Scope:
        """Return the scope of all that is the principal's."""
        return {OWNER: principal.identity}
