"""Which server is asked, with which key, and what a failure looks like."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve


def write_state(folder: Path, url: str, pid: int, started_at: str = "") -> None:
    file = folder / ".lgserve" / "server.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"pid": pid, "url": url, "started_at": started_at, "version": "1"}))


def source(lgserve: Lgserve, *arguments: str) -> str:
    return dict(lgserve("info", *arguments).table)["from"]


def test_the_running_server_of_the_folder_is_found_from_below(
    lgserve: Lgserve, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LGSERVE_URL")
    write_state(tmp_path, api.url, os.getpid())
    (tmp_path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "deep")
    assert source(lgserve) == str(tmp_path / ".lgserve" / "server.json")


def test_the_word_of_a_dead_server_is_ignored(
    lgserve: Lgserve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LGSERVE_URL")
    write_state(tmp_path, "http://127.0.0.1:9", 2**22 + 1)
    result = lgserve("info", "--timeout", "1ms")
    assert "(this address comes from the default)" in result.err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process began")
@pytest.mark.parametrize("kind", ["zombie", "reused"])
def test_a_process_that_only_has_the_id_of_the_server_is_no_server(
    lgserve: Lgserve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.delenv("LGSERVE_URL")
    with subprocess.Popen(["sleep", "0" if kind == "zombie" else "60"]) as process:
        if kind == "zombie":
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        write_state(tmp_path, "http://127.0.0.1:9", process.pid, "2020-01-01T00:00:00+00:00")
        result = lgserve("info", "--timeout", "1ms")
        process.kill()
    assert "(this address comes from the default)" in result.err


def test_a_server_that_answers_is_believed_whatever_the_clock_says(
    lgserve: Lgserve, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LGSERVE_URL")
    write_state(tmp_path, api.url, os.getpid(), "2020-01-01T00:00:00+00:00")
    assert source(lgserve) == str(tmp_path / ".lgserve" / "server.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x", "url": 1}'])
def test_a_spoiled_state_file_is_ignored(
    lgserve: Lgserve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.delenv("LGSERVE_URL")
    write_state(tmp_path, "", 1)
    (tmp_path / ".lgserve" / "server.json").write_text(text)
    assert "from the default" in lgserve("info", "--timeout", "1ms").err


def test_a_flag_wins_over_the_environment(
    lgserve: Lgserve, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_URL", "http://127.0.0.1:9")
    assert source(lgserve, "--url", api.url + "/") == "--url"


@pytest.mark.parametrize(
    ("environment", "arguments", "key"),
    [
        ({}, (), None),
        ({"LANGGRAPH_API_KEY": "b"}, (), "b"),
        ({"LGSERVE_API_KEY": "a", "LANGGRAPH_API_KEY": "b"}, (), "a"),
        ({"LGSERVE_API_KEY": "a"}, ("--api-key", "c"), "c"),
    ],
)
def test_the_key_is_sent_where_there_is_one(
    lgserve: Lgserve,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    arguments: tuple[str, ...],
    key: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lgserve("info", *arguments)
    assert api.headers[0].get("x-api-key") == key


def test_headers_are_sent(lgserve: Lgserve, api: Api) -> None:
    lgserve("info", "-H", "X-One: 1", "--header", "x-two:2")
    assert (api.headers[0]["x-one"], api.headers[0]["x-two"]) == ("1", "2")
    assert lgserve("info", "-H", "nonsense").status == 2


@pytest.mark.parametrize(
    ("status", "exit_status", "code"),
    [
        (400, 9, "E_REFUSED"),
        (401, 4, "E_UNAUTHENTICATED"),
        (403, 4, "E_FORBIDDEN"),
        (404, 5, "E_NOT_FOUND"),
        (409, 6, "E_CONFLICT"),
        (422, 9, "E_REFUSED"),
        (429, 75, "E_LATER"),
        (500, 1, "E_SERVER"),
        (503, 75, "E_LATER"),
    ],
)
def test_a_refusal_has_its_exit_status(
    lgserve: Lgserve, api: Api, status: int, exit_status: int, code: str
) -> None:
    api.answer = (status, b'{"detail":"because\\nof more"}')
    result = lgserve("info")
    assert (result.status, result.out) == (exit_status, "")
    assert f"code:  {code}" in result.err


def test_an_error_says_what_the_server_said(lgserve: Lgserve, api: Api) -> None:
    api.answer = (422, b'{"detail":"0 is less than 1\\n\\nFailed validating"}')
    assert lgserve("info").err == (
        f"error: 422 from {api.url}/info: 0 is less than 1\ncode:  E_REFUSED\n"
    )


def test_a_wrong_key_names_where_it_came_from(
    lgserve: Lgserve, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGGRAPH_API_KEY", "x")
    api.answer = (401, b"{}")
    assert lgserve("info").err == (
        f"error: 401 from {api.url}: API key missing or wrong\n"
        "hint:  key source: LANGGRAPH_API_KEY (environment) · set another with --api-key or "
        "LGSERVE_API_KEY\ncode:  E_UNAUTHENTICATED\n"
    )


def test_with_json_the_error_is_json_on_stderr(lgserve: Lgserve, api: Api) -> None:
    api.answer = (404, b'{"detail":"Not Found"}')
    result = lgserve("info", "-o", "json")
    message = f"404 from {api.url}/info: Not Found"
    hint = "is this a LangGraph server? (address from LGSERVE_URL)"
    error = {"code": "E_NOT_FOUND", "message": message, "hint": hint}
    assert json.loads(result.err) == {"error": error}
    assert result.out == ""


def test_the_candidates_of_an_ambiguous_id_are_in_the_message_of_a_json_error(
    lgserve: Lgserve, api: Api
) -> None:
    api.threads.append({**api.threads[0], "thread_id": "00000003-1111-4000-8000-000000000000"})
    result = lgserve("threads", "show", "00000003", "-o", "json")
    error: dict[str, Any] = json.loads(result.err)["error"]
    assert set(error) == {"code", "message", "hint"}
    assert "00000003-1111-4000-8000-000000000000" in error["message"]


def test_a_server_that_is_not_there_is_unreachable(lgserve: Lgserve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result = lgserve("info", "--url", f"http://127.0.0.1:{port}")
    assert result.status == 7
    assert result.err == (
        f"error: cannot reach http://127.0.0.1:{port} (connection refused)\n"
        "hint:  start it with `lgserve dev`, or point elsewhere: --url, LGSERVE_URL "
        "(this address comes from --url)\ncode:  E_UNREACHABLE\n"
    )


def test_a_server_that_does_not_answer_is_given_up_in_time(lgserve: Lgserve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = lgserve("info", "--url", url, "--timeout", "100ms")
    assert result.status == 124
    assert "did not answer within 0.1 s" in result.err


def test_what_is_no_api_is_said_to_be_none(lgserve: Lgserve, api: Api) -> None:
    api.answer = (200, b"<html>")
    assert "does not answer in JSON" in lgserve("info").err


@pytest.mark.parametrize("answer", [b'{"ok": true}', b"[1]", b"null", b'"x"'])
@pytest.mark.parametrize(
    "arguments",
    [
        ("info",), ("graphs", "list"), ("threads", "list"), ("runs", "list"), ("chat",),
        ("assistants", "list"), ("crons", "list"), ("threads", "export", "--all", "-f", "-"),
    ],
)  # fmt: skip
def test_json_of_something_else_is_no_fault_of_ours(
    lgserve: Lgserve, api: Api, arguments: tuple[str, ...], answer: bytes
) -> None:
    api.answer = (200, answer)
    result = lgserve(*arguments)
    assert (result.status, result.out) == (1, "")
    assert result.err.splitlines()[1:] == [
        "hint:  is this a LangGraph server? (address from LGSERVE_URL)", "code:  E_NOT_AN_API",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "answer", "hint"),
    [
        (501, b"<!DOCTYPE HTML>", "is this a LangGraph server? (address from LGSERVE_URL)"),
        (405, b"no", "is this a LangGraph server? (address from LGSERVE_URL)"),
        (404, b'{"detail": "Thread with ID 1 not found"}', "list them: lgserve threads list"),
        (404, b'{"detail": "Run 1 not found"}', "list them: lgserve runs list"),
    ],
)
def test_what_is_not_there_has_a_hint(
    lgserve: Lgserve, api: Api, status: int, answer: bytes, hint: str
) -> None:
    api.answer = (status, answer)
    assert lgserve("threads", "list").err.splitlines()[1] == f"hint:  {hint}"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "it closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[", "its answer broke off"),
    ],
)
def test_a_server_that_goes_away_is_not_called_no_web_server(
    lgserve: Lgserve, said: bytes, why: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            client.recv(65536)
            client.sendall(said)
            client.close()

        speaking = threading.Thread(target=answer, daemon=True)
        speaking.start()
        result = lgserve("info", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        speaking.join(60)
    assert (result.status, result.out) == (7, "")
    assert f"({why})" in result.err


def test_what_is_no_web_server_is_unreachable(lgserve: Lgserve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            client.recv(1000)
            client.sendall(b"SSH-2.0\r\n\r\n")
            client.close()

        speaking = threading.Thread(target=answer)
        speaking.start()
        result = lgserve("info", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        speaking.join(5)
    assert result.status == 7
    assert "not an HTTP server" in result.err


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://x:99999"])
def test_what_is_no_address_is_wrong_usage(lgserve: Lgserve, url: str) -> None:
    assert lgserve("info", "--url", url).status == 2


def test_a_connection_the_server_has_closed_is_opened_anew(lgserve: Lgserve, api: Api) -> None:
    api.hang_up = True
    assert lgserve("info").status == 0


@pytest.mark.parametrize("text", ["5x", "-1s", "0", ""])
def test_a_timeout_that_is_none_is_wrong_usage(lgserve: Lgserve, text: str) -> None:
    assert "is not a duration" in lgserve("info", "--timeout", text).err


def test_the_environment_chooses_the_format(
    lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_OUTPUT", "id")
    assert len(lgserve("threads", "list").out.splitlines()) == 3
    monkeypatch.setenv("LGSERVE_OUTPUT", "xml")
    assert lgserve("threads", "list").status == 2


def test_a_traceback_is_shown_on_request_only(
    lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("info", "--url", "http://127.0.0.1:9")
    assert "Traceback" not in lgserve(*arguments).err
    assert "Traceback" in lgserve(*arguments, "--debug").err
    monkeypatch.setenv("LGSERVE_DEBUG", "1")
    assert "Traceback" in lgserve(*arguments).err
