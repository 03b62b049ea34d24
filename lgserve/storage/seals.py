"""Columns and values that are sealed: recognised by what they begin with.

What was written before encryption was switched on is read as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve.core.errors import StorageError
from lgserve.core.models import Json

if TYPE_CHECKING:
    from lgserve.core.ciphers import Cipher

#: No JSON, no frame and no msgpack of ours begins so.
SEALED = b"\x00lgserve-sealed\x00"


class Seals:
    """Seals columns with a cipher; without one they stand as they are."""

    def __init__(self, cipher: Cipher | None = None) -> None:
        self.cipher = cipher

    @property
    def on(self) -> bool:
        """Whether anything is sealed."""
        return self.cipher is not None

    def seal(self, model: str, field: str, data: bytes) -> bytes:
        """Return what is stored."""
        if self.cipher is None:
            return data
        return SEALED + self.cipher.seal(model, field, data)

    def open(self, model: str, field: str, data: bytes) -> bytes:
        """Return what was given to `seal`."""
        if not data.startswith(SEALED):
            return data
        if self.cipher is None:
            raise StorageError(f"The {field} of a {model} is encrypted, and there is no key")
        return self.cipher.open(model, field, data[len(SEALED) :])

    def seal_json(self, model: str, field: str, text: Json | None) -> bytes | None:
        """Return what is stored of a JSON text."""
        return None if text is None else self.seal(model, field, text)

    def open_json(self, model: str, field: str, data: bytes | None) -> Json | None:
        """Return the JSON text again."""
        return None if data is None else Json(self.open(model, field, data))


PLAIN = Seals()
