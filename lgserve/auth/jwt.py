"""JSON web tokens: signed with a shared secret, or by an issuer whose public keys are known.

Which algorithms count is fixed by the config, never taken from the token: a public key is no
secret, and `none` is no algorithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from lgserve.auth.jwks import KeySet
from lgserve.auth.owners import OwnerPolicy, credential
from lgserve.core.errors import UnauthorizedError
from lgserve.core.principals import IncomingRequest, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtOptions:
    """Which tokens are accepted; either `secret` or `jwks` is given."""

    secret: str | None = field(default=None, repr=False)
    #: A file, or an http(s) URL.
    jwks: str | None = None
    algorithms: tuple[str, ...] = ("HS256",)
    issuer: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    leeway_seconds: float = 0.0
    #: The claim that names the owner of what the bearer creates.
    owner_claim: str = "sub"


class JwtAuthenticator(OwnerPolicy):
    """Knows the owner a token speaks for; see `lgserve.core.ports.Authenticator`."""

    def __init__(self, options: JwtOptions) -> None:
        self._options = options
        self._keys = KeySet(options.jwks) if options.jwks is not None else None

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Return the owner that the token names."""
        token = credential(request)
        try:
            claims = self._verified(token, await self._candidates(token))
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            raise UnauthorizedError(f"The token is not valid: {exc}") from None
        return _principal(claims, self._options.owner_claim)

    async def _candidates(self, token: str) -> list[Any]:
        """Return the keys the token may be signed with."""
        if self._keys is None:
            return [self._options.secret]
        header = jwt.get_unverified_header(token)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in self._options.algorithms:
            raise jwt.InvalidAlgorithmError("The specified alg value is not allowed")
        found = await self._keys.find(key_id, algorithm)
        if not found:
            raise jwt.InvalidKeyError("no known key has signed it")
        return found

    def _verified(self, token: str, keys: list[Any]) -> Mapping[str, Any]:
        options = self._options
        failure: jwt.PyJWTError | None = None
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=list(options.algorithms),
                    audience=options.audience or None,
                    issuer=options.issuer or None,
                    leeway=options.leeway_seconds,
                )
            except jwt.InvalidSignatureError as exc:
                failure = exc
        raise failure or jwt.InvalidTokenError("no key")


def _principal(claims: Mapping[str, Any], owner_claim: str) -> Principal:
    owner = claims.get(owner_claim)
    if not isinstance(owner, str) or not owner:
        raise UnauthorizedError(f"The token is not valid: it has no claim {owner_claim}")
    return Principal(
        {
            "identity": owner,
            "display_name": str(claims.get("name") or owner),
            "permissions": _permissions(claims),
            "claims": dict(claims),
        }
    )


def _permissions(claims: Mapping[str, Any]) -> list[str]:
    """Return the permissions, or else the scopes; OAuth writes those as one text."""
    given = claims.get("permissions") or claims.get("scope") or claims.get("scp") or []
    if isinstance(given, str):
        return given.split()
    return [str(item) for item in given] if isinstance(given, list) else []
