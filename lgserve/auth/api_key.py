"""API keys: `lgs_<id>_<secret>`, kept as hashes; for development also keys that the config names.

A key is random, so one round of SHA-256 protects it. Its id leads to the row, the hash decides, in
constant time. Every request looks: a key that was revoked opens nothing from that moment on.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lgserve.auth.owners import OwnerPolicy, credential
from lgserve.core.clock import to_iso
from lgserve.core.errors import UnauthorizedError
from lgserve.core.principals import ApiKey, IncomingRequest, Principal

if TYPE_CHECKING:
    from datetime import datetime

    from lgserve.core.ports import Clock, Storage

_PREFIX = "lgs"


def new_key(
    owner: str, name: str | None, now: datetime, expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """Make a key: what is stored of it, and the key itself, which is never seen again."""
    key_id = secrets.token_hex(6)
    text = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    stored = ApiKey(
        key_id=key_id,
        owner=owner,
        name=name,
        hash=_hash(text),
        created_at=to_iso(now),
        expires_at=None if expires_at is None else to_iso(expires_at),
    )
    return stored, text


class ApiKeyAuthenticator(OwnerPolicy):
    """Knows the owner of a key; see `lgserve.core.ports.Authenticator`."""

    def __init__(self, storage: Storage, clock: Clock, keys: Mapping[str, str]) -> None:
        self._storage = storage
        self._clock = clock
        #: Owners by the hash of the keys that the config gives them.
        self._named = {_hash(key): owner for owner, key in keys.items()}

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Return the owner of the key that was sent."""
        given = credential(request)
        digest = _hash(given)
        owner = self._named.get(digest) or await self._stored_owner(given, digest)
        if owner is None:
            raise UnauthorizedError("The API key is not valid")
        return Principal({"identity": owner})

    async def _stored_owner(self, given: str, digest: bytes) -> str | None:
        prefix, _, rest = given.partition("_")
        if prefix != _PREFIX:
            return None
        key_id = rest.partition("_")[0]
        stored = await self._storage.lookup(lambda tx: tx.api_keys.find(key_id))
        if stored is None or not hmac.compare_digest(stored.hash, digest):
            return None
        return stored.owner if stored.is_valid(to_iso(self._clock.now())) else None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
