"""`lgserve api`, `openapi`, `whoami` and `bench`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve
    from tests.servers import ServerProcess


def test_api_writes_what_is_answered(real: Lgserve) -> None:
    assert "lgserve_version" in real("api", "GET", "/info").json
    assert real("api", "get", "info", "-o", "yaml").out.startswith("version:")


def test_fields_are_the_query_of_a_get_and_the_body_of_a_post(lgserve: Lgserve, api: Api) -> None:
    api.answer = (200, b"[]")
    lgserve("api", "GET", "/x?a=1", "-f", "b=two words", "-f", "c:=[1,2]")
    lgserve("api", "POST", "/x", "-f", "limit:=3", "-f", "name=it")
    assert api.bodies[-2:] == [
        ("/x?a=1&b=two+words&c=1&c=2", None),
        ("/x", {"limit": 3, "name": "it"}),
    ]


def test_data_comes_as_json_from_a_file_or_from_stdin(real: Lgserve, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"limit": 1}')
    for given, stdin in (
        ('{"limit": 1}', None),
        (f"@{tmp_path}/body.json", None),
        ("-", '{"limit": 1}'),
    ):
        result = real("api", "POST", "/assistants/search", "-d", given, "-o", "json", stdin=stdin)
        assert (result.status, len(result.json)) == (0, 1)
    assert real("api", "POST", "/assistants/search", "-d", "{").status == 2
    both = real("api", "POST", "/x", "-d", "{}", "-f", "a=b")
    assert (both.status, both.out) == (2, "")


def test_include_writes_status_and_headers(real: Lgserve) -> None:
    head, _, body = real("api", "GET", "/info", "-i").out.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert "Content-Type: application/json" in head
    assert json.loads(body)["version"]


def test_a_stream_comes_as_it_is(real: Lgserve) -> None:
    body = '{"assistant_id": "echo", "input": {"text": "x"}}'
    out = real("api", "POST", "/runs/stream", "-d", body).out
    assert "event: metadata\n" in out.replace("\r", "")
    assert "event: values" in out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("GET", "/nope"), 5, "E_NOT_FOUND"),
        (("GET", "/threads/x"), 9, "E_REFUSED"),
        (("FETCH", "/info"), 2, "E_USAGE"),
        (("GET", "https://elsewhere.example/info"), 2, "E_USAGE"),
        (("GET", "/nöpe x"), 5, "E_NOT_FOUND"),
    ],
)
def test_a_refusal_is_an_error_with_an_empty_stdout(
    real: Lgserve, arguments: tuple[str, ...], status: int, code: str
) -> None:
    result = real("api", *arguments, "-o", "json")
    assert (result.status, result.out) == (status, "")
    assert json.loads(result.err)["error"]["code"] == code


def test_a_whole_address_of_the_server_will_do(real: Lgserve, server: ServerProcess) -> None:
    assert real("api", "GET", f"{server.url}/ok").json["ok"] is True


def test_openapi_is_written_as_json_yaml_or_to_a_file(real: Lgserve, tmp_path: Path) -> None:
    document = real("openapi").json
    assert document["openapi"].startswith("3.")
    assert "/threads/{thread_id}/state" in document["paths"]
    assert yaml.safe_load(real("openapi", "--yaml").out) == document
    for name in ("api.json", "api.yaml"):
        result = real("openapi", "-f", str(tmp_path / name))
        assert (result.status, result.out) == (0, "")
        assert yaml.safe_load((tmp_path / name).read_text()) == document
    assert real("openapi", "-f", str(tmp_path / "none" / "x.json")).status == 1


def test_whoami_names_every_source(lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGGRAPH_API_KEY", "sk-very-secret")
    monkeypatch.setenv("NO_COLOR", "1")
    result = lgserve("whoami", "--timeout", "5s", "-H", "x-a: hidden", "-o", "json")
    rows = {row["name"]: (row["value"], row["source"]) for row in result.json}
    assert rows["url"][1] == "LGSERVE_URL"
    assert rows["api_key"] == ("(set)", "LANGGRAPH_API_KEY (environment)")
    assert rows["timeout"] == ("5 s", "--timeout")
    assert rows["output"] == ("json", "--output")
    assert rows["color"] == ("off", "NO_COLOR")
    assert rows["header x-a"] == ("(set)", "--header")
    assert "secret" not in result.out
    assert "hidden" not in result.out


def test_whoami_needs_no_server(lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LGSERVE_URL")
    result = lgserve("whoami")
    assert result.table[1] == ["url", "http://127.0.0.1:2024", "the default"]


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["wait", "stream"])
def test_bench_measures_within_its_time(real: Lgserve, stream: tuple[str, ...]) -> None:
    began = time.monotonic()
    result = real(
        "bench", "-g", "echo", "-i", '{"text": "x"}', "--users", "2", "--duration", "500ms",
        *stream, "-o", "json",
    )  # fmt: skip
    assert result.status == 0, result.err
    item = result.json
    assert time.monotonic() - began < 20
    assert (item["graph"], item["errors"], item["runs"] > 0) == ("echo", 0, True)
    assert item["run_ms"]["p50"] <= item["run_ms"]["p99"]
    assert (item["time_to_first_event_ms"] is not None) == bool(stream)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--url", "http://192.0.2.1:1"), 2),
        (("--duration", "1h"), 2),
        (("-g", "nothing"), 5),
        (("-g", "boom", "-i", "{}"), 8),
        ((), 2),
    ],
)
def test_bench_refuses_what_it_should_not_load(
    real: Lgserve, arguments: tuple[str, ...], status: int
) -> None:
    result = real("bench", "--duration", "1s", *arguments, "-o", "json")
    assert (result.status, result.out) == (status, ""), result.err
    assert json.loads(result.err)["error"]["message"]
