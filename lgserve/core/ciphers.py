"""What encrypts at rest, and what of it each kind can do."""

from __future__ import annotations

from typing import Any, Protocol


class Cipher(Protocol):
    """Seals what is stored and opens it again.

    `seal` and `open` are for threads that may wait, never for the user loop; `aseal` and `aopen`
    are for the user loop.
    """

    @property
    def waits(self) -> bool:
        """Whether it may take long: then it must not be asked on the API's loop."""
        ...

    def seal(self, model: str, field: str, data: bytes) -> bytes:
        """Return what is stored in place of some bytes."""
        ...

    def open(self, model: str, field: str, sealed: bytes) -> bytes:
        """Return the bytes again.

        Raises:
            StorageError: they were sealed with another key, or were changed.
        """
        ...

    async def aseal(self, model: str, field: str, data: bytes, user: Any = None) -> bytes:
        """As `seal`, on the user loop; `user` is whose data it is, if that is known."""
        ...

    async def aopen(self, model: str, field: str, sealed: bytes) -> bytes:
        """As `open`, on the user loop."""
        ...
