"""Server-sent events, in the reference's bytes: CRLF lines, `: heartbeat` comments, id last.

Events that are ready together go out in one write. The API copies bytes that were encoded once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import web

from lgserve import jsonio
from lgserve.api.middleware import STARTED
from lgserve.core.errors import StorageError
from lgserve.core.models import StreamEvent
from lgserve.metrics import ACTIVE_STREAMS, TIME_TO_FIRST_EVENT_SECONDS

if TYPE_CHECKING:
    from lgserve.core.ports import Follower

_log = logging.getLogger("lgserve")

_HEARTBEAT = b": heartbeat\r\n\r\n"
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Connection": "keep-alive",
}

Shown = Callable[[str], bool]


async def send_events(
    request: web.Request,
    follower: Follower,
    *,
    headers: dict[str, str],
    ids: bool,
    shown: Shown | None,
    heartbeat_seconds: float,
) -> web.StreamResponse:
    """Copy a log to a client until the log ends or the client goes.

    Frames carry an id if `ids`. Raises ConnectionError when the client has gone.
    """

    async def frames() -> AsyncGenerator[bytes]:
        async for batch in follower:
            yield encode(batch, follower.epoch if ids else None, shown)

    try:
        return await send_frames(
            request, frames(), headers=headers, heartbeat_seconds=heartbeat_seconds
        )
    finally:
        follower.close()


async def send_frames(
    request: web.Request,
    frames: AsyncGenerator[bytes],
    *,
    headers: dict[str, str],
    heartbeat_seconds: float,
) -> web.StreamResponse:
    """Copy whole frames to a client, some at a time; of what is empty nothing is written.

    Raises ConnectionError when the client has gone.
    """
    response = web.StreamResponse(headers={**_HEADERS, **headers})
    beating: asyncio.Future[None] | None = None
    # Who only joins waits for whatever the run does next: that would say nothing of the server.
    began: float | None = request.get(STARTED) if request.method == "POST" else None
    ACTIVE_STREAMS.inc()
    try:
        await response.prepare(request)
        beating = asyncio.ensure_future(_beat(response, heartbeat_seconds))
        await _copy(response, frames, began=began)
        beating.cancel()
        await response.write_eof()
    finally:
        if beating is not None:
            beating.cancel()
        ACTIVE_STREAMS.dec()
    return response


async def _copy(
    response: web.StreamResponse, frames: AsyncGenerator[bytes], *, began: float | None
) -> None:
    """Write frames as they come; a reader that was too slow is told so, and cut off."""
    try:
        async with aclosing(frames):
            async for data in frames:
                if data:
                    await response.write(data)
                    if began is not None:
                        TIME_TO_FIRST_EVENT_SECONDS.observe(time.perf_counter() - began)
                        began = None
    except StorageError as exc:
        _log.warning("a stream was cut off: %s", exc)
        error = jsonio.dumps({"error": "StreamError", "message": exc.message})
        await response.write(b"event: error\r\ndata: %b\r\n\r\n" % error)


async def _beat(response: web.StreamResponse, seconds: float) -> None:
    """Send a comment at each interval, so that no proxy takes the stream for dead."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await response.write(_HEARTBEAT)
        except ConnectionError:
            return


def encode(batch: Sequence[StreamEvent], epoch: int | None, shown: Shown | None) -> bytes:
    """Return the bytes of a batch; events that are not shown leave no trace but their number."""
    if shown is not None:
        batch = [event for event in batch if shown(event.name)]
    if epoch is None:
        return b"".join([event.frame + b"\r\n" for event in batch])
    return b"".join([b"%bid: %d-%d\r\n\r\n" % (event.frame, epoch, event.seq) for event in batch])


def position(last_event_id: str | None, epoch: int) -> int | None:
    """Return the `seq` a client has seen: None for nothing asked, 0 for everything.

    An id that is none of this server's counts as the end of the log, as in the reference.
    """
    if last_event_id is None:
        return None
    text = last_event_id.strip()
    if text in ("-1", "0", "0-0", "-"):
        return 0
    head, _, tail = text.partition("-")
    if not (head.isascii() and head.isdigit() and tail.isascii() and tail.isdigit()):
        return _END
    if len(head) > 18 or len(tail) > 18:
        return _END
    if int(head) != epoch:
        return 0 if int(head) < epoch else _END
    return int(tail)


_END = 2**62
