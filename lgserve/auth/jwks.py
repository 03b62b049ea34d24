"""The public keys of a token issuer: a JWKS file or URL, cached, read again when a key is new."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt

from lgserve.core.errors import UnavailableError

#: Seconds after which keys are fetched anew: a key that was withdrawn stops working then.
_FRESH_SECONDS = 600.0
#: Seconds between two fetches that tokens with unknown key ids can cause.
_PAUSE_SECONDS = 10.0
_TIMEOUT_SECONDS = 5.0
_LARGEST = 1024 * 1024

_log = logging.getLogger("lgserve")


class KeySet:
    """Finds the keys a token may be signed with; `source` is a file, or an http(s) URL."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._is_url = source.startswith(("http://", "https://"))
        self._keys: tuple[jwt.PyJWK, ...] | None = None
        self._read_at = 0.0
        self._lock: asyncio.Lock | None = None

    async def find(self, key_id: str | None, algorithm: str) -> list[Any]:
        """Return the keys that have the id, or, without one, all that fit the algorithm.

        Raises:
            UnavailableError: the keys cannot be read, and there are none from before.
        """
        found = self._known(key_id, algorithm)
        if not found or self._age() > _FRESH_SECONDS:
            await self._refresh(even_if_new=not found)
            found = self._known(key_id, algorithm)
        return found

    def _known(self, key_id: str | None, algorithm: str) -> list[Any]:
        return [
            key.key
            for key in self._keys or ()
            if key_id in (None, key.key_id) and _fits(key, algorithm)
        ]

    def _age(self) -> float:
        return time.monotonic() - self._read_at if self._keys is not None else float("inf")

    async def _refresh(self, *, even_if_new: bool) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:  # one reads, the others find what it brought
            if self._age() < (_PAUSE_SECONDS if even_if_new else _FRESH_SECONDS):
                return
            try:
                self._keys = parse(await self._read())
            except (OSError, ValueError, TimeoutError, aiohttp.ClientError) as exc:
                _log.warning("the keys %s cannot be read: %r", self._source, exc)
                if self._keys is None:
                    raise UnavailableError(
                        "The keys of the token issuer cannot be read; try again shortly"
                    ) from exc
            self._read_at = time.monotonic()

    async def _read(self) -> bytes:
        if not self._is_url:
            return await asyncio.to_thread(Path(self._source).read_bytes)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(self._source, headers={"Accept": "application/json"}) as response,
        ):
            response.raise_for_status()
            return await response.content.read(_LARGEST)


def parse(text: bytes) -> tuple[jwt.PyJWK, ...]:
    """Return the public keys of a JWKS document that sign; others in it are passed over.

    Raises:
        ValueError: it is no JWKS document.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError('it has no list "keys"')  # noqa: TRY004 - wrong text, not a wrong call
    return tuple(key for entry in document["keys"] if (key := _key(entry)) is not None)


def _key(entry: Any) -> jwt.PyJWK | None:
    """Return a key; a symmetric one is none: whoever reads the document could sign with it."""
    if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(entry)
    except jwt.PyJWTError as exc:
        _log.warning("a key of the token issuer is passed over: %s", type(exc).__name__)
        return None


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    """Tell whether the key is for the algorithm, or says nothing and is of its family."""
    named = key._jwk_data.get("alg")  # noqa: SLF001 - PyJWK fills in a default, and hides that
    if named is not None:
        return bool(named == algorithm)
    if key.key_type == "RSA":
        return algorithm[:2] in ("RS", "PS")
    return bool(key.algorithm_name == algorithm)
