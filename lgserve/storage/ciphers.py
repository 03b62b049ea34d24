"""AES-GCM with a key of the environment (`LANGGRAPH_AES_KEY`)."""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lgserve.core.errors import ConfigurationError, StorageError

_NONCE = 12
_SIZES = (16, 24, 32)


class AesCipher:
    """See `lgserve.core.ciphers.Cipher`; from any thread, at once."""

    waits = False

    def __init__(self, key: str) -> None:
        raw = key.encode()
        if len(raw) not in _SIZES:
            raise ConfigurationError(
                f"LANGGRAPH_AES_KEY must have 16, 24 or 32 bytes, not {len(raw)}"
            )
        self._aes = AESGCM(raw)

    def seal(self, model: str, field: str, data: bytes) -> bytes:
        """Return a nonce and the encrypted bytes."""
        del model, field
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._aes.encrypt(nonce, data, None)

    def open(self, model: str, field: str, sealed: bytes) -> bytes:
        """Return the bytes again."""
        try:
            return self._aes.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise StorageError(
                f"The {field} of a {model} was encrypted with another LANGGRAPH_AES_KEY"
            ) from None

    async def aseal(self, model: str, field: str, data: bytes, user: Any = None) -> bytes:
        """As `seal`."""
        del user
        return self.seal(model, field, data)

    async def aopen(self, model: str, field: str, sealed: bytes) -> bytes:
        """As `open`."""
        return self.open(model, field, sealed)
