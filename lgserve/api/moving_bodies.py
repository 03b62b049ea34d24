"""A thread as it travels: one JSON object, with each value once, in base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from lgserve import jsonio
from lgserve.api.fields import Body, Config, Object, ThreadId, Whole, no_config
from lgserve.api.thread_bodies import Minutes
from lgserve.core.clock import to_iso
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import Thread
from lgserve.core.moving import Blob, MovedCheckpoint
from lgserve.core.vocabulary import ThreadStatus, TtlStrategy
from lgserve.services.moving import moved_ttl

FORMAT, VERSION = "lgserve.thread", 1

_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
_Namespace = Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")]
_Place = Annotated[Whole, Field(ge=0)]
#: LangGraph reads a checkpoint's number out of its id.
_CheckpointId = Annotated[str, Field(pattern=_UUID)]
_Version = (
    Annotated[int, Field(ge=0, lt=2**63)]
    | Annotated[float, Field(ge=0, lt=2**63)]
    | Annotated[str, Field(max_length=200)]
)


class TtlMember(Body):
    """How long a thread is kept."""

    strategy: TtlStrategy
    minutes: Minutes | None = None


class ThreadMember(Body):
    """A thread but for its checkpoints."""

    thread_id: ThreadId
    created_at: str
    updated_at: str
    state_updated_at: str
    metadata: Object
    status: ThreadStatus
    config: Config = Field(default_factory=no_config)
    values: Any = None
    interrupts: dict[str, list[Object]] | None = None
    error: Any = None
    ttl: TtlMember | None = None

    def thread(self, metadata: Object) -> Thread:
        """Return it as a thread that has settled, with this metadata."""
        waits = any((self.interrupts or {}).values())
        settled: ThreadStatus = "interrupted" if waits else "idle"
        ttl = self.ttl
        return Thread(
            thread_id=self.thread_id,
            created_at=_moment("created_at", self.created_at),
            updated_at=_moment("updated_at", self.updated_at),
            state_updated_at=_moment("state_updated_at", self.state_updated_at),
            metadata=jsonio.dumps_wire(metadata),
            status=settled if self.status == "busy" else self.status,
            config=jsonio.dumps_wire(self.config),
            values=_json(self.values),
            interrupts=_json(self.interrupts),
            error=_json(self.error),
            ttl=None if ttl is None else moved_ttl(ttl.strategy, ttl.minutes),
        )


class WriteMember(Body):
    """What a task wrote to a channel after a checkpoint."""

    task_id: _Id
    channel: str
    value: _Place


class CheckpointMember(Body):
    """A checkpoint; numbers are places in `blobs`."""

    namespace: _Namespace
    checkpoint_id: _CheckpointId
    parent_id: _CheckpointId | None
    metadata: Object
    versions: dict[str, _Version]
    data: _Place
    values: dict[str, _Place]
    writes: list[WriteMember] = Field(fail_fast=True)


class ThreadImportBody(Body):
    """POST /threads/import: what `GET /threads/{thread_id}/export` has answered."""

    format: Literal["lgserve.thread"]
    version: Literal[1]
    thread: ThreadMember
    #: Encoding and base64 of each value.
    blobs: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(fail_fast=True)
    checkpoints: list[CheckpointMember] = Field(fail_fast=True)

    def moved(self) -> list[MovedCheckpoint]:
        """Return the checkpoints, decoded as far as that is safe for everybody.

        Raises:
            InvalidRequestError: what is said to be base64 is none, a place is none, or a checkpoint
            is there twice.
        """
        places = {(each.namespace, each.checkpoint_id) for each in self.checkpoints}
        if len(places) < len(self.checkpoints):
            raise InvalidRequestError("checkpoints: one of them is there twice")
        blobs = [_blob(number, kind, text) for number, (kind, text) in enumerate(self.blobs)]
        return [_checkpoint(each, blobs) for each in self.checkpoints]


def export_view(thread: Thread, checkpoints: Sequence[MovedCheckpoint]) -> dict[str, Any]:
    """Return a thread as it travels."""
    blobs = _Blobs()
    ttl = thread.ttl
    return {
        "format": FORMAT,
        "version": VERSION,
        "thread": {
            "thread_id": thread.thread_id,
            "created_at": thread.created_at,
            "updated_at": thread.updated_at,
            "state_updated_at": thread.state_updated_at,
            "metadata": thread.metadata,
            "status": thread.status,
            "config": thread.config,
            "values": thread.values,
            "interrupts": thread.interrupts,
            "error": thread.error,
            "ttl": None if ttl is None else {"strategy": ttl.strategy, "minutes": ttl.minutes},
        },
        "checkpoints": [
            {
                "namespace": each.namespace,
                "checkpoint_id": each.checkpoint_id,
                "parent_id": each.parent_id,
                "metadata": each.metadata,
                "versions": each.versions,
                "data": blobs.place(each.data),
                "values": {name: blobs.place(blob) for name, blob in each.values.items()},
                "writes": [
                    {"task_id": task_id, "channel": channel, "value": blobs.place(blob)}
                    for task_id, channel, blob in each.writes
                ],
            }
            for each in checkpoints
        ],
        "blobs": blobs.texts,
    }


class _Blobs:
    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self._places: dict[Blob, int] = {}

    def place(self, blob: Blob) -> int:
        """Return where a value stands, which is written when it is first met."""
        if blob not in self._places:
            self._places[blob] = len(self.texts)
            self.texts.append((blob[0], base64.b64encode(blob[1]).decode()))
        return self._places[blob]


def _blob(number: int, kind: str, text: str) -> Blob:
    try:
        return kind, base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError(f"blobs[{number}]: not base64") from None


def _checkpoint(given: CheckpointMember, blobs: Sequence[Blob]) -> MovedCheckpoint:
    def at(place: int) -> Blob:
        if place >= len(blobs):
            raise InvalidRequestError(
                f"checkpoint {given.checkpoint_id}: there is no blob {place}, only {len(blobs)}"
            )
        return blobs[place]

    return MovedCheckpoint(
        namespace=given.namespace,
        checkpoint_id=given.checkpoint_id,
        parent_id=given.parent_id,
        metadata=given.metadata,
        versions=given.versions,
        data=at(given.data),
        values={name: at(place) for name, place in given.values.items()},
        writes=[(each.task_id, each.channel, at(each.value)) for each in given.writes],
    )


def _moment(name: str, text: str) -> str:
    """Return a moment as it is stored."""
    try:
        moment = datetime.fromisoformat(text)
        return to_iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidRequestError(f"thread.{name}: {text!r} is no moment") from None


def _json(value: Any) -> Any:
    return None if value is None else jsonio.dumps_wire(value)
