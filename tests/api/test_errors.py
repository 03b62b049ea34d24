"""Errors are JSON with a sentence, whatever is sent, and the connection lives on."""

from __future__ import annotations

import gzip
import http.client
from urllib.parse import urlsplit

import httpx
import pytest

UNKNOWN = "8a2e6a86-c08b-446e-8a7f-acfbad0fcd5e"


def detail(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["detail"]
    return str(body["detail"])


@pytest.mark.requirement("HTTP-004", "HTTP-006")
def test_an_unknown_route_is_404(http: httpx.Client) -> None:
    assert detail(http.get("/nope"), 404) == "Not Found"


@pytest.mark.requirement("HTTP-007")
def test_a_wrong_method_is_405_and_says_which_are_right(http: httpx.Client) -> None:
    answer = http.put("/threads")

    assert detail(answer, 405) == "Method Not Allowed"
    assert answer.headers["allow"] == "POST"


@pytest.mark.requirement("HTTP-008")
def test_a_slash_too_many_leads_to_the_route_without(http: httpx.Client) -> None:
    answer = http.get("/info/?a=%2Fb&c=1")

    assert (answer.status_code, answer.headers["location"]) == (307, "/info?a=%2Fb&c=1")
    assert http.post("/threads/search/", json={}).status_code == 307
    assert detail(http.get("/nope/"), 404) == "Not Found"


@pytest.mark.requirement("HTTP-009")
@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("/threads/not-a-uuid", "thread"),
        ("/threads/not-a-uuid/state", "thread"),
        ("/threads/%00/history", "thread"),
        (f"/threads/{UNKNOWN}/runs/bad", "run"),
        ("/runs/bad", "run"),
    ],
)
def test_an_id_that_is_none_is_422(http: httpx.Client, path: str, noun: str) -> None:
    assert detail(http.get(path), 422) == f"Invalid {noun} ID: must be a UUID"


@pytest.mark.requirement("THREAD-008")
@pytest.mark.parametrize(
    "path",
    ["", "/state", "/history", "/runs", f"/state/{UNKNOWN}"],
)
def test_a_missing_thread_is_404(http: httpx.Client, path: str) -> None:
    answer = http.get(f"/threads/{UNKNOWN}{path}")

    assert detail(answer, 404) == f"Thread with ID {UNKNOWN} not found"


@pytest.mark.requirement("HTTP-010")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{not json",
        b'{"metadata":{"x":NaN}}',
        b'{"metadata":{"x":1e999}}',
        b'{"metadata":{"x":"\\ud800"}}',
        b'{"metadata":{"x":"\xff"}}',
        b"[" * 100_000,
        b"[" * 900 + b"]" * 900,
        b'{"metadata":' + b'{"a":' * 200 + b"1" + b"}" * 201,
        b'{"metadata":{"x":' + b"9" * 5000 + b"}}",
    ],
)
@pytest.mark.parametrize("path", ["/threads", "/assistants/count", "/runs/wait"])
def test_what_is_no_json_is_422(http: httpx.Client, path: str, body: bytes) -> None:
    assert detail(http.post(path, content=body), 422).startswith("Invalid JSON in request body")


@pytest.mark.requirement("HTTP-002")
def test_the_content_type_of_a_body_does_not_matter(http: httpx.Client) -> None:
    headers = {"content-type": "text/plain"}

    assert http.post("/threads/count", content=b"{}", headers=headers).status_code == 200


@pytest.mark.requirement("HTTP-003")
def test_unknown_fields_are_ignored(http: httpx.Client) -> None:
    assert http.post("/threads", json={"unknown_field": 5}).status_code == 200


def test_a_compressed_body_is_read(http: httpx.Client) -> None:
    headers = {"content-encoding": "gzip"}
    packed = gzip.compress(b'{"metadata":{"packed":true}}')

    assert http.post("/threads", content=packed, headers=headers).json()["metadata"] == {
        "packed": True
    }


def test_a_body_that_cannot_be_unpacked_is_400(http: httpx.Client) -> None:
    answer = http.post("/threads", content=b"{}", headers={"content-encoding": "gzip"})

    assert detail(answer, 400) == "The request body cannot be read to its end"


@pytest.mark.requirement("HTTP-005")
def test_the_connection_is_kept_after_an_error(server_url: str) -> None:
    address = urlsplit(server_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    for method, path, body, status in [
        ("GET", "/nope", None, 404),
        ("GET", "//evil.test/info/", None, 404),
        ("POST", "/threads", b"{", 422),
        ("POST", "/threads", b'{"thread_id":5}', 422),
        ("GET", f"/threads/{UNKNOWN}", None, 404),
        ("GET", "/ok", None, 200),
    ]:
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.will_close) == (status, False)
    connection.close()
