"""A receiver of webhooks on the standard library, which checks their signatures."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import queue
import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Signature = Literal["valid", "invalid", "missing"]

_MOST_BYTES = 256 * 1024**2
#: Seconds that a message may be old, or ahead: a later one is repeated by somebody.
_TOLERANCE = 300
_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What came; without a secret nothing is known of its signature."""

    received_at: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    signature: Signature | None

    @property
    def webhook_id(self) -> str | None:
        """The id, which is the same for all tries of a delivery."""
        return self.headers.get("webhook-id")

    @property
    def payload(self) -> Any:
        """What it says; text if that is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body.decode("utf-8", "replace")

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return {
            "webhook_id": self.webhook_id,
            "received_at": self.received_at,
            "path": self.path,
            "signature": self.signature,
            "headers": self.headers,
            "payload": self.payload,
        }


def read_secret(text: str) -> bytes:
    """Return the key of a secret.

    Raises:
        ValueError: it is none.
    """
    encoded = text.removeprefix("whsec_")
    try:
        if encoded == text or not encoded:
            raise ValueError
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("must be whsec_ and a key in base64") from None


def check_signature(
    secrets: list[bytes], headers: dict[str, str], body: bytes, now: float
) -> Signature | None:
    """Say whether a message was signed with one of the secrets, and lately."""
    if not secrets:
        return None
    given, stamp = headers.get("webhook-signature"), headers.get("webhook-timestamp", "")
    if not given:
        return "missing"
    if not stamp.isdigit() or abs(now - int(stamp)) > _TOLERANCE:
        return "invalid"
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    found = [part.removeprefix("v1,") for part in given.split() if part.startswith("v1,")]
    for secret in secrets:
        wanted = base64.b64encode(hmac.digest(secret, signed, sha256)).decode()
        if any(hmac.compare_digest(wanted.encode(), each.encode()) for each in found):
            return "valid"
    return "invalid"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, secrets: list[bytes], status: int) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.secrets = secrets
        self.status = status
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        #: What was answered first is shown first, though each request has a thread of its own.
        self.in_turn = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address  # who calls may go at any time


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            self._answer(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        verdict = check_signature(self.server.secrets, headers, body, time.time())
        message = Message(
            received_at=datetime.fromtimestamp(time.time(), UTC).isoformat(),
            method=self.command,
            path=self.path,
            headers=headers,
            body=body,
            signature=verdict,
        )
        with self.server.in_turn:
            self._answer(401 if verdict in ("invalid", "missing") else self.server.status)
            self.server.messages.put(message)

    def _body(self) -> bytes | None:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _MOST_BYTES:
            return None
        return self.rfile.read(int(length))

    def _answer(self, code: int) -> None:
        self.send_response(code)
        self.send_header("content-length", "0")
        self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Leave stderr to people."""


class Receiver:
    """Takes what comes to a listening socket while it is entered."""

    def __init__(self, listener: socket.socket, secrets: list[bytes], status: int) -> None:
        self._server = _Server(listener, secrets, status)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True
        )

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)

    def next(self, seconds: float) -> Message | None:
        """Return the next message; None if none comes in time."""
        try:
            return self._server.messages.get(timeout=seconds)
        except queue.Empty:
            return None
