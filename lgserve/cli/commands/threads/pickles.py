"""The folder `.langgraph_api` of `langgraph dev`: pickles, read only when they are trusted.

Trusted or not, only plain data is built: what else a pickle names becomes a stand-in that keeps the
members of the object and calls nothing. Values of channels are not decoded here; the server does
that, as it does with every import.
"""

from __future__ import annotations

import base64
import pickle
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lgserve.cli.commands.threads.moving import WHOLE, broken_file

Record = dict[str, Any]
_OPS, _CHECKPOINTS = ".langgraph_ops.pckl", ".langgraph_checkpoint.{}.pckl"
_BESIDE = ("channel_values", "channel_versions")
#: What a pickle may build: data without behaviour.
_DATA = {
    ("uuid", "UUID"), ("uuid", "SafeUUID"), ("datetime", "datetime"), ("datetime", "timezone"),
    ("datetime", "timedelta"), ("datetime", "date"), ("collections", "defaultdict"),
    ("collections", "OrderedDict"), ("_codecs", "encode"), ("decimal", "Decimal"),
    *((module, name) for module in ("builtins", "__builtin__")
      for name in ("dict", "list", "set", "frozenset", "tuple", "bytes", "bytearray", "int",
                   "float", "bool", "str", "complex")),
}  # fmt: skip


def read_folder(folder: Path) -> Iterator[Record]:
    """Yield the threads of a folder, with all their checkpoints."""
    ops = _read(folder / _OPS)
    storage, writes, blobs = (_read_some(folder / _CHECKPOINTS.format(n)) for n in (1, 2, 3))
    shared = {key[1:]: value for key, value in blobs.items()}  # copies share their source's values
    for thread in ops.get("threads") or ():
        thread_id = str(thread["thread_id"])
        yield _Thread(thread_id, storage, writes, {**shared, **_own(blobs, thread_id)}).record(
            thread
        )


def _own(blobs: Mapping[Any, Any], thread_id: str) -> dict[Any, Any]:
    return {key[1:]: value for key, value in blobs.items() if str(key[0]) == thread_id}


class _Thread:
    """Collects what the files say of one thread."""

    def __init__(
        self,
        thread_id: str,
        storage: Mapping[Any, Any],
        writes: Mapping[Any, Any],
        blobs: Mapping[Any, Any],
    ) -> None:
        self._thread_id = thread_id
        self._storage = storage.get(thread_id) or {}
        self._writes = writes
        self._values = blobs
        self._places: dict[tuple[str, bytes], int] = {}

    def record(self, thread: Mapping[str, Any]) -> Record:
        """Return the thread as an export would have it."""
        checkpoints = [
            self._checkpoint(namespace, checkpoint_id, stored)
            for namespace, by_id in self._storage.items()
            for checkpoint_id, stored in by_id.items()
        ]
        return {
            "format": WHOLE,
            "version": 1,
            "thread": _thread(thread),
            "checkpoints": checkpoints,
            "blobs": [(kind, base64.b64encode(data).decode()) for kind, data in self._places],
        }

    def _checkpoint(self, namespace: str, checkpoint_id: str, stored: Any) -> Record:
        (_, data), (_, metadata), parent_id = stored
        checkpoint = _unpack(data)
        versions = checkpoint["channel_versions"]
        beside = {name: value for name, value in checkpoint.items() if name not in _BESIDE}
        found = {name: self._values.get((namespace, name, v)) for name, v in versions.items()}
        return {
            "namespace": namespace,
            "checkpoint_id": checkpoint_id,
            "parent_id": parent_id,
            "metadata": _unpack(metadata),
            "versions": versions,
            "data": self._place(("msgpack", _pack(beside))),
            "values": {
                name: self._place(value)
                for name, value in found.items()
                if value is not None and value[0] != "empty"
            },
            "writes": self._writes_of(namespace, checkpoint_id),
        }

    def _writes_of(self, namespace: str, checkpoint_id: str) -> list[Record]:
        stored = self._writes.get((self._thread_id, namespace, checkpoint_id)) or {}
        order = sorted(stored.items(), key=lambda item: (item[1][3], item[0]))
        return [
            {"task_id": task_id, "channel": channel, "value": self._place(value)}
            for _, (task_id, channel, value, _) in order
        ]

    def _place(self, value: Any) -> int:
        kind, data = value
        return self._places.setdefault((kind, bytes(data)), len(self._places))


def _thread(thread: Mapping[str, Any]) -> Record:
    names = ("created_at", "updated_at", "state_updated_at", "metadata", "status", "config",
             "values", "interrupts", "error")  # fmt: skip
    row = {name: _plain(thread.get(name)) for name in names}
    row["state_updated_at"] = row["state_updated_at"] or row["updated_at"]
    row["config"] = row["config"] or {}
    return {"thread_id": str(thread["thread_id"]), **row}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; an object is what its members are."""
    if isinstance(value, _StandIn):
        return _plain(value.members())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class _StandIn:
    """What stands for an object whose class is not called."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __call__(self, *_: Any, **__: Any) -> _StandIn:
        return _StandIn()

    def members(self) -> Any:
        """Return the members of the object, as far as the pickle tells them."""
        state = self.state[0] if isinstance(self.state, tuple) and self.state else self.state
        if isinstance(state, Mapping):
            inner = state.get("__dict__")
            return inner if isinstance(inner, Mapping) else state
        return None


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the class of plain data, or a stand-in."""
        return super().find_class(module, name) if (module, name) in _DATA else _StandIn


def _read_some(file: Path) -> dict[Any, Any]:
    return _read(file) if file.exists() else {}


def _read(file: Path) -> dict[Any, Any]:
    try:
        with file.open("rb") as stream:
            found = _Reader(stream).load()
    except OSError as exc:
        raise broken_file(str(file), f"it cannot be read: {exc.strerror}") from None
    except Exception as exc:  # noqa: BLE001 - a broken pickle fails in any way
        raise broken_file(str(file), f"it is no pickle of the reference: {exc}") from None
    if not isinstance(found, dict):
        raise broken_file(str(file), "it is no pickle of the reference")
    return dict(found) if not isinstance(found, defaultdict) else found


def _unpack(data: bytes) -> Any:
    import ormsgpack  # only for those who have such a folder

    return ormsgpack.unpackb(data, ext_hook=lambda *_: None, option=ormsgpack.OPT_NON_STR_KEYS)


def _pack(value: Any) -> bytes:
    import ormsgpack

    return bytes(ormsgpack.packb(value, option=ormsgpack.OPT_NON_STR_KEYS))
