"""The project's own `langgraph_sdk.Encryption`: its handlers, as a cipher.

Handlers run on the user loop, one call a value. What a context handler says is kept beside what it
was said for, and comes back when that is opened.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph_sdk.encryption.types import DecryptResult, EncryptionContext

from lgserve import jsonio
from lgserve.core.errors import StorageError

if TYPE_CHECKING:
    from lgserve.engine.user_loop import UserLoopThread

T = TypeVar("T")

Object = dict[str, Any]

#: Sealed by the handler for JSON, by that for blobs, or, without one, not at all.
_OF_JSON, _OF_BLOB, _AS_IS = b"j", b"b", b"-"
#: What JSON handlers are for: all else is sealed whole.
_KWARGS = ("run", "kwargs")
#: How long a thread waits for a handler.
_SECONDS = 60.0
#: Bytes that say how long the context is.
_LENGTH = 4


class HandlerCipher:
    """See `lgserve.core.ciphers.Cipher`."""

    waits = True

    def __init__(self, user_loop: UserLoopThread) -> None:
        self._user_loop = user_loop
        self._encryption: Any = None

    def use(self, encryption: Any) -> None:
        """Take the project's `Encryption`, once it is there."""
        self._encryption = encryption

    def seal(self, model: str, field: str, data: bytes) -> bytes:
        """Return what is stored in place of some bytes; not on the user loop."""
        return self._from_thread(lambda: self.aseal(model, field, data))

    def open(self, model: str, field: str, sealed: bytes) -> bytes:
        """Return the bytes again; not on the user loop."""
        return self._from_thread(lambda: self.aopen(model, field, sealed))

    def _from_thread(self, work: Callable[[], Any]) -> bytes:
        if threading.get_ident() == self._user_loop.thread_id:
            raise RuntimeError("encryption handlers cannot be waited for on their own loop")
        asked = asyncio.run_coroutine_threadsafe(work(), self._user_loop.loop)
        try:
            return bytes(asked.result(_SECONDS))
        except TimeoutError:
            asked.cancel()
            raise StorageError("The project's encryption handler does not answer") from None

    async def aseal(self, model: str, field: str, data: bytes, user: Any = None) -> bytes:
        """Have the project's handler encrypt; on the user loop."""
        metadata = await self._context(model, field, user)
        head = json.dumps(metadata).encode()
        if self._has_json and (model, field) == _KWARGS:
            kind, sealed = _OF_JSON, await self._seal_kwargs(metadata, data)
        elif self._has_blobs:
            kind, sealed = _OF_BLOB, await self._seal_blob(model, field, metadata, data)
        else:
            kind, sealed = _AS_IS, data
        return kind + len(head).to_bytes(_LENGTH, "big") + head + sealed

    async def _seal_blob(self, model: str, field: str, metadata: Object, data: bytes) -> bytes:
        context = EncryptionContext(model=model, field=field, metadata=metadata)
        encrypt = self._encryption._blob_encryptor  # noqa: SLF001 - the SDK has no other way
        sealed = await _result(encrypt(context, data), f"encrypt the {field} of a {model}")
        if not isinstance(sealed, bytes):
            raise StorageError("The project's encrypt.blob handler must return bytes")
        return sealed

    async def _seal_kwargs(self, metadata: Object, data: bytes) -> bytes:
        """Encrypt the parts of a run's arguments that are objects, each by its own call."""
        encrypt = self._encryption._json_encryptor  # noqa: SLF001 - the SDK has no other way
        kwargs = jsonio.loads(data)
        for name, part in _parts(kwargs):
            context = EncryptionContext(model="run", field=name, metadata=metadata)
            sealed = await _result(encrypt(context, part), f"encrypt the {name} of a run")
            if not isinstance(sealed, dict) or sealed.keys() != part.keys():
                raise StorageError("The project's encrypt.json handler must keep all keys")
            _put(kwargs, name, sealed)
        return jsonio.dumps(kwargs)

    async def _open_kwargs(self, metadata: Object, data: bytes) -> bytes:
        decrypt = self._encryption._json_decryptor  # noqa: SLF001 - the SDK has no other way
        kwargs = jsonio.loads(data)
        for name, part in _parts(kwargs):
            context = EncryptionContext(model="run", field=name, metadata=metadata)
            found = await _result(decrypt(context, part), f"decrypt the {name} of a run")
            _put(kwargs, name, found.plaintext if isinstance(found, DecryptResult) else found)
        return jsonio.dumps(kwargs)

    async def aopen(self, model: str, field: str, sealed: bytes) -> bytes:
        """Have the project's handler decrypt; on the user loop."""
        kind, sealed = sealed[:1], sealed[1:]
        end = _LENGTH + int.from_bytes(sealed[:_LENGTH], "big")
        metadata, rest = json.loads(sealed[_LENGTH:end]), sealed[end:]
        if kind == _AS_IS:
            return rest
        if kind == _OF_JSON:
            return await self._open_kwargs(metadata, rest)
        context = EncryptionContext(model=model, field=field, metadata=metadata)
        decrypt = self._encryption._blob_decryptor  # noqa: SLF001 - the SDK has no other way
        found = await _result(decrypt(context, rest), f"decrypt the {field} of a {model}")
        # A replacement, after a key was rotated, would be stored here; what is stored stays valid.
        plain = found.plaintext if isinstance(found, DecryptResult) else found
        if not isinstance(plain, bytes):
            raise StorageError("The project's decrypt.blob handler must return bytes")
        return plain

    @property
    def _has_blobs(self) -> bool:
        return self._encryption._blob_encryptor is not None  # noqa: SLF001 - as above

    @property
    def _has_json(self) -> bool:
        return self._encryption._json_encryptor is not None  # noqa: SLF001 - as above

    async def _context(self, model: str, field: str, user: Any) -> Object:
        derive = self._encryption._context_handler  # noqa: SLF001 - as above
        if derive is None or user is None:
            return {}
        context = EncryptionContext(model=model, field=field)
        return dict(await _result(derive(user, context), "say the context of encryption") or {})


def _parts(kwargs: Object) -> list[tuple[str, Object]]:
    """Return what of a run's arguments is encrypted: the objects among them."""
    config = kwargs.get("config")
    found = [(name, kwargs.get(name)) for name in ("input", "command", "context")]
    if isinstance(config, dict):
        found.append(("configurable", config.get("configurable")))
    return [(name, part) for name, part in found if isinstance(part, dict) and part]


def _put(kwargs: Object, name: str, part: Object) -> None:
    if name == "configurable":
        kwargs["config"] = {**kwargs["config"], "configurable": part}
    else:
        kwargs[name] = part


async def _result(work: Awaitable[T], what: str) -> T:
    """Await a handler; what it raises is a storage error that says what failed."""
    try:
        return await work
    except Exception as exc:  # whatever the user's code raises
        raise StorageError(f"The project's encryption cannot {what}: {exc!r}") from exc
