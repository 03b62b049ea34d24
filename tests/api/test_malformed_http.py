"""What is no proper HTTP gets the status it deserves, and JSON like every other answer."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

_CREATE = b"POST /threads HTTP/1.1\r\nHost: x\r\n"


def told(server_url: str, raw: bytes) -> tuple[int, str, Any]:
    """Send bytes over a connection of their own; return status, content type and body."""
    place = urlsplit(server_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(raw)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    named = dict(header.lower().split(": ", 1) for header in headers)
    return int(status.split()[1]), named["content-type"], json.loads(body)


@pytest.mark.parametrize(
    "raw",
    [
        _CREATE + b"Content-Length: abc\r\n\r\n",
        _CREATE + b"Content-Length: -1\r\n\r\n",
        _CREATE + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        _CREATE + b"X-Odd: \x01\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET /threads/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /threads/a?x=\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_bad_request(server_url: str, raw: bytes) -> None:
    status, content_type, body = told(server_url, raw)

    assert (status, content_type) == (400, "application/json")
    assert list(body) == ["detail"]
    assert 0 < len(body["detail"]) < 200
    assert "\n" not in body["detail"]


@pytest.mark.parametrize("path", [b"/ok", b"/threads", b"/nowhere"])
def test_an_expectation_that_nobody_knows_fails(server_url: str, path: bytes) -> None:
    raw = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 200-zz\r\n\r\n"

    assert told(server_url, raw) == (
        417,
        "application/json",
        {"detail": "Unknown Expect: 200-zz"},
    )


def test_a_client_that_asks_first_is_told_to_continue(server_url: str) -> None:
    place = urlsplit(server_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(_CREATE + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
