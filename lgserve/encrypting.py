"""Encryption in the composition root: which cipher, loaded, and shown to be the right one.

Sealed is what goes through graphs and what comes of it: a run's arguments, the values and writes of
checkpoints, interrupts, errors, the logs of resumable runs, what crons are to run and webhooks to
tell. Readable stay what searches look at, and what says how things hang together: metadata, the
stored configs of threads and assistants, and store items. A search by values still finds, by
opening each thread's latest state.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph_sdk import Encryption

from lgserve.core.errors import ConfigurationError, LgserveError
from lgserve.engine.handler_cipher import HandlerCipher
from lgserve.graphs.loader import ExportLoader
from lgserve.graphs.tracebacks import describe_error
from lgserve.settings import aes_key
from lgserve.storage.seals import Seals

if TYPE_CHECKING:
    from lgserve.core.ciphers import Cipher
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.project_config import ProjectConfig
    from lgserve.storage.database import SqliteDatabase

_log = logging.getLogger("lgserve")

#: What is sealed to see, at the next start, whether it can be opened.
_CHECK = b"lgserve"
_PLACE = ("database", "check")
#: The SDK has no other way to ask for them.
_HANDLERS = {
    "encrypt.blob": "_blob_encryptor",
    "decrypt.blob": "_blob_decryptor",
    "encrypt.json": "_json_encryptor",
    "decrypt.json": "_json_decryptor",
}


#: What is sealed, and what is not: as `/info` tells it.
_SEALED = ("runs", "checkpoints", "thread values", "run logs", "a2a messages", "crons", "webhooks")
_READABLE = ("metadata", "assistants", "thread configs", "store", "ids, names, times and states")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionParts:
    """How one server encrypts; without a cipher it does not."""

    cipher: Cipher | None
    #: What `/info` calls it.
    name: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """What `/info` tells of it."""
        return {"kind": self.name, "sealed": _SEALED, "readable": _READABLE}

    @property
    def seals(self) -> Seals:
        """What seals columns."""
        return Seals(self.cipher)

    async def load(
        self, project: ProjectConfig, user_loop: UserLoopThread, database: SqliteDatabase
    ) -> None:
        """Import the project's handlers, if it has any, and see whether the database can be read.

        Raises:
            ConfigurationError: they cannot be imported, or the database has another key.
        """
        if isinstance(self.cipher, HandlerCipher):
            self.cipher.use(await _load(project, user_loop))
        await _check(self.cipher, user_loop, database)


def wire_encryption(project: ProjectConfig, user_loop: UserLoopThread) -> EncryptionParts:
    """Return encryption as the config and the environment want it; nothing starts here.

    Raises:
        ConfigurationError: both want it, or the key is none.
    """
    key, path = aes_key(project), project.blocks.get("encryption", {}).get("path")
    if path is None:
        if key is None:
            return EncryptionParts(cipher=None)
        from lgserve.storage.ciphers import AesCipher  # only who encrypts pays for it

        return EncryptionParts(cipher=AesCipher(key), name="aes-gcm")
    where = project.where("encryption", "path")
    if not isinstance(path, str) or not all(path.rpartition(":")):
        raise ConfigurationError(
            f"{where}: must be in the format './path/to/file.py:attribute_name'"
        )
    if key is not None:
        raise ConfigurationError(f"{where}: LANGGRAPH_AES_KEY is set too; choose one of them")
    return EncryptionParts(cipher=HandlerCipher(user_loop), name="custom")


async def _load(project: ProjectConfig, user_loop: UserLoopThread) -> Any:
    path = project.blocks["encryption"]["path"]
    where = f'{project.where("encryption", "path")}: "{path}"'

    async def work() -> Any:
        return ExportLoader(project.root, project.import_paths).load(path)

    try:
        found = await user_loop.run(work)
    except (Exception, SystemExit) as exc:
        told = describe_error(exc, project.root, project.import_paths).text
        raise ConfigurationError(f"{where} cannot be loaded:\n{told}") from exc
    if not isinstance(found, Encryption):
        raise ConfigurationError(f"{where}: expected an Encryption, got a {type(found).__name__}")
    _look_for_handlers(found, where)
    return found


def _look_for_handlers(found: Any, where: str) -> None:
    """Refuse one half of a pair; say what a missing pair leaves readable."""
    have = {name: getattr(found, member) is not None for name, member in _HANDLERS.items()}
    for kind in ("blob", "json"):
        if have[f"encrypt.{kind}"] != have[f"decrypt.{kind}"]:
            missing = f"{'decrypt' if have[f'encrypt.{kind}'] else 'encrypt'}.{kind}"
            raise ConfigurationError(f"{where} has no {missing} handler")
    if not have["encrypt.blob"] and not have["encrypt.json"]:
        raise ConfigurationError(f"{where} has no handlers: nothing would be encrypted")
    if not have["encrypt.blob"]:
        _log.warning("%s has no blob handlers: checkpoints and events stay readable", where)


async def _check(
    cipher: Cipher | None, user_loop: UserLoopThread, database: SqliteDatabase
) -> None:
    """See whether what was sealed at an earlier start can be opened; seal it at the first one."""
    row = await database.read(lambda c: c.execute("SELECT sealed FROM encryption_check").fetchone())
    if cipher is None:
        if row is not None:
            raise ConfigurationError(
                "the database is encrypted: set the LANGGRAPH_AES_KEY, or the encryption.path,"
                " that it was encrypted with"
            )
        return
    if row is None:
        sealed = await user_loop.run(lambda: cipher.aseal(*_PLACE, _CHECK))

        def note(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO encryption_check VALUES (?)", (sealed,))

        await database.write(note)
        return
    try:
        opened = await user_loop.run(lambda: cipher.aopen(*_PLACE, row[0]))
    except (LgserveError, ValueError) as exc:
        raise ConfigurationError(
            f"the database was encrypted with another key; nothing was changed ({exc})"
        ) from exc
    if opened != _CHECK:
        raise ConfigurationError("the database was encrypted with another key; nothing was changed")
