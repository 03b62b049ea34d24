"""`lgserve store` against a real server."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lgserve.cli.arguments import dotted, parse_namespace, value_at
from lgserve.cli.errors import CliError

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

THEME = '{"mode":"dark","sizes":[1,{"big":true}]}'


@pytest.fixture(autouse=True)
def _empty(real: Lgserve) -> None:
    for item in real("store", "list", "--all", "-o", "json").json:
        namespace = json.dumps(item["namespace"])
        real("store", "delete", namespace, item["key"], "--yes", "-q")


def put(real: Lgserve, namespace: str, key: str, value: Any, *options: str) -> None:
    assert real("store", "put", namespace, key, json.dumps(value), *options).status == 0


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("users.42.prefs", ["users", "42", "prefs"]),
        (r"a\.b.c", ["a.b", "c"]),
        (r"a\\.c", ["a\\", "c"]),
        ('["a.b", "c"]', ["a.b", "c"]),
        ("one", ["one"]),
        ("", []),
    ],
)
def test_a_namespace_is_written_with_dots(text: str, labels: list[str]) -> None:
    assert parse_namespace(text) == labels
    assert parse_namespace(dotted(labels)) == labels


@pytest.mark.parametrize("text", [".a", "a.", "a..b", "[1]", "["])
def test_what_is_no_namespace_is_wrong_usage(text: str) -> None:
    with pytest.raises(CliError) as raised:
        parse_namespace(text)
    assert raised.value.exit_code == 2


def test_a_path_leads_into_lists_and_objects() -> None:
    value = json.loads(THEME)
    assert value_at(value, "sizes[1].big") is True
    assert value_at(value, "sizes.0") == 1
    with pytest.raises(CliError, match="nothing at sizes"):
        value_at(value, "sizes[7]")


def test_an_item_is_put_from_an_argument_a_file_or_standard_input(
    real: Lgserve, tmp_path: Path
) -> None:
    (tmp_path / "value.json").write_text('{"from": "file"}')
    real("store", "put", "n", "argument", '{"from": "argument"}')
    real("store", "put", "n", "file", f"@{tmp_path / 'value.json'}")
    real("store", "put", "n", "dash", "-", stdin='{"from": "dash"}')
    real("store", "put", "n", "pipe", stdin='{"from": "pipe"}')
    rows = real("store", "list", "n", "-o", "json").json
    assert {row["key"]: row["value"]["from"] for row in rows} == {
        "argument": "argument", "file": "file", "dash": "dash", "pipe": "pipe",
    }  # fmt: skip


def test_a_put_shows_what_was_stored(real: Lgserve) -> None:
    result = real("store", "put", "users.42", "theme", THEME, "--ttl", "30d")
    shown = dict(result.table)
    assert (shown["put"], shown["size"]) == ("users.42/theme", "40 B")
    assert re.match(r"\d{4}-\d\d-\d\dT", shown["expires"])
    item = real("store", "put", "users.42", "theme", "{}", "--metadata", "n:=1", "-o", "json").json
    assert (item["namespace"], item["key"], item["metadata"]) == (
        ["users", "42"],
        "theme",
        {"n": 1},
    )


def test_what_a_server_drops_of_a_put_is_said(lgserve: Lgserve, api: Api) -> None:
    api.answer = (200, b'{"namespace": ["n"], "key": "k", "value": {}}')
    result = lgserve("store", "put", "n", "k", "{}", "--ttl", "5m", "--metadata", "a=b")
    assert result.status == 0
    assert "this server has dropped the metadata\n" in result.err
    assert "this server has dropped the time to live" in result.err


def test_a_replaced_item_keeps_its_birthday(real: Lgserve) -> None:
    first, second = (
        real("store", "put", "n", "k", "{}", "-o", "json").json["created_at"] for _ in range(2)
    )
    assert first == second


def test_a_value_or_a_part_of_it_comes_alone(real: Lgserve) -> None:
    real("store", "put", "users.42", "theme", THEME)
    get = ("store", "get", "users.42", "theme")
    assert real(*get, "--raw", "--path", "mode").out == "dark\n"
    assert real(*get, "--path", "mode", "-o", "json").out == '"dark"\n'
    assert real(*get, "--raw", "--path", "sizes[1]").out == '{"big": true}\n'
    assert json.loads(real(*get, "--raw").out) == json.loads(THEME)
    missing = real(*get, "--path", "colour")
    assert (missing.status, missing.out) == (5, "")
    assert "hint:  it has: mode, sizes" in missing.err


def test_similar_keys_are_named_when_one_is_not_found(real: Lgserve) -> None:
    for key in ("theme", "locale"):
        put(real, "users.42.prefs", key, {})
    result = real("store", "get", "users.42.prefs", "thme")
    assert (result.status, result.out) == (5, "")
    assert result.err == (
        'error: no item "thme" in users.42.prefs\n'
        "hint:  similar keys: theme · list them: lgserve store list users.42.prefs\n"
        "code:  E_NOT_FOUND\n"
    )


def test_items_are_found_by_value_and_by_metadata(real: Lgserve) -> None:
    for n in range(3):
        put(real, "a.b", str(n), {"n": n, "even": n % 2 == 0}, "--metadata", f"by=user{n}")
    find = ("store", "search", "a", "-o", "json")

    def keys(*options: str) -> list[str]:
        return sorted(row["key"] for row in real(*find, *options).json)

    assert keys() == ["0", "1", "2"]
    assert keys("--filter", "n:=1") == ["1"]
    assert keys("--filter", '{"n": {"$gt": 0}}', "--filter", "even:=true") == ["2"]
    assert keys("--metadata", "by=user0") == ["0"]
    assert keys("--filter", "n=1") == []


def test_lists_are_cut_and_say_so(real: Lgserve) -> None:
    for n in range(3):
        put(real, "a", str(n), {"n": n})
    result = real("store", "list", "a", "--limit", "2")
    assert [line[0] for line in result.table] == ["NAMESPACE", "a", "a"]
    assert result.err == "there are more · next: --offset 2, or --all\n"
    assert len(real("store", "list", "a", "--all", "-o", "id").out.splitlines()) == 3
    assert real("store", "list", "a", "--offset", "2", "-q").err == ""


def test_namespaces_are_listed_and_their_items_counted(real: Lgserve) -> None:
    for namespace, key in (("users.1", "a"), ("users.1", "b"), ("users.2", "a"), ("notes", "a")):
        put(real, namespace, key, {})
    list_them = ("store", "namespaces", "-o", "json")
    assert real(*list_them, "--prefix", "users").json == [
        {"namespace": ["users", "1"]}, {"namespace": ["users", "2"]},
    ]  # fmt: skip
    assert real(*list_them, "--max-depth", "1", "--count").json == [
        {"namespace": ["notes"], "items": 1}, {"namespace": ["users"], "items": 3},
    ]  # fmt: skip
    assert real("store", "namespaces", "--suffix", "2", "-o", "id").out == "users.2\n"


def test_an_export_is_read_back(real: Lgserve, tmp_path: Path) -> None:
    put(real, "a.b", "kept", {"n": 1}, "--metadata", "by=me")
    put(real, "a.b", "short", {"n": 2}, "--ttl", "30d")
    file = tmp_path / "items.jsonl.gz"
    assert real("store", "export", "a", "-f", str(file)).err == "exported 2 items\n"
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert (lines[0]["format"], lines[0]["version"], len(lines)) == ("lgserve.store", 1, 3)
    before = real("store", "list", "-o", "json").json
    real("store", "delete", "a.b", "", "--prefix", "--yes")
    assert real("store", "list", "-o", "json").json == []
    assert real("store", "import", str(file), "-o", "json").json == {
        "imported": 2, "skipped": 0, "expired": 0,
    }  # fmt: skip
    after = real("store", "list", "-o", "json").json

    def shown(rows: list[dict[str, Any]]) -> list[Any]:
        fields = ("key", "value", "metadata")
        return sorted([row[name] for name in fields] for row in rows)

    assert shown(after) == shown(before)
    assert [row["expires_at"] is None for row in sorted(after, key=lambda row: row["key"])] == [
        True, False,
    ]  # fmt: skip


def test_an_import_heeds_what_is_there(real: Lgserve, tmp_path: Path) -> None:
    put(real, "a", "k", {"n": 1})
    line = '{"namespace": ["a"], "key": "k", "value": {"n": 2}}\n'
    gone = '{"namespace": ["a"], "key": "old", "value": {}, "expires_at": "2020-01-01T00:00:00Z"}\n'
    counts = real("store", "import", "-", "--on-conflict", "skip", "-o", "json", stdin=line + gone)
    assert counts.json == {"imported": 0, "skipped": 1, "expired": 1}
    failed = real("store", "import", "-", "--on-conflict", "fail", stdin=line)
    assert (failed.status, failed.out) == (6, "")
    real("store", "import", "-", "--dry-run", stdin=line)
    assert real("store", "get", "a", "k", "--raw").out == '{"n": 1}\n'
    real("store", "import", "-", stdin=line)
    assert real("store", "get", "a", "k", "--raw").out == '{"n": 2}\n'


@pytest.mark.parametrize("text", ["[]\n", "nonsense\n", '{"format": "other"}\n', '{"key": "k"}\n'])
def test_what_is_no_export_is_refused(real: Lgserve, text: str) -> None:
    result = real("store", "import", "-", stdin=text)
    assert (result.status, result.out) == (2, "")


def test_nothing_is_deleted_unless_it_is_confirmed(real: Lgserve) -> None:
    put(real, "a", "k", {})
    result = real("store", "delete", "a", "k", stdin="y\n")
    assert (result.status, result.out) == (2, "")
    assert "hint:  to do it: lgserve store delete a k --yes\n" in result.err
    assert real("store", "delete", "a", "k", "--dry-run", "-o", "id").out == "k\n"
    assert real("store", "delete", "a", "k", "--yes", "-o", "json").json == [
        {"namespace": ["a"], "key": "k"}
    ]
    assert real("store", "delete", "a", "k", "--yes", "--ignore-missing", "-o", "json").json == []


def test_a_person_is_asked(real: Lgserve, monkeypatch: pytest.MonkeyPatch) -> None:
    put(real, "a", "k", {})
    monkeypatch.setattr("lgserve.cli.confirming._can_ask", lambda: True)
    refused = real("store", "delete", "a", "k", stdin="n\n")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == 'delete "k" in a? [y/N] nothing was deleted\n'
    assert real("store", "delete", "a", "k", stdin="y\n").status == 0
    assert real("store", "list", "-o", "json").json == []


def test_items_and_bytes_are_counted(real: Lgserve) -> None:
    put(real, "a.b", "1", {"n": 1}, "--ttl", "1h")
    put(real, "a.c", "2", {"n": 2})
    put(real, "d", "3", {"n": 3})
    stats = real("store", "stats", "-o", "json").json
    assert {name: stats[name] for name in ("items", "bytes", "namespaces", "expiring")} == {
        "items": 3, "bytes": 21, "namespaces": 3, "expiring": 1,
    }  # fmt: skip
    assert stats["by_namespace"] == {"a": 2, "d": 1}
    assert real("store", "stats", "a", "-o", "json").json["by_namespace"] == {"a.b": 1, "a.c": 1}


def test_an_item_is_gone_when_its_time_is_over(real: Lgserve) -> None:
    put(real, "a", "k", {}, "--ttl", "1ms")
    assert real("store", "get", "a", "k").status == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("put", "a", "b", "{}"),
        ("get", "a", "b"),
        ("list",),
        ("search", "a"),
        ("namespaces",),
        ("stats",),
        ("export",),
        ("delete", "a", "b", "--yes"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_store_that_is_switched_off_is_said_to_be(
    lgserve: Lgserve, arguments: tuple[str, ...]
) -> None:
    result = lgserve("store", *arguments)
    assert (result.status, result.out) == (5, "")
    assert "error: the store is switched off on this server\n" in result.err
    assert "http.disable_store" in result.err


@pytest.mark.parametrize("text", ["0", "-5m", "nan"])
def test_a_time_to_live_that_is_none_is_refused(real: Lgserve, text: str) -> None:
    result = real("store", "put", "n", "k", "{}", "--ttl", text)
    assert result.status == 2
    assert f"--ttl '{text}' is not a duration" in result.err


def test_the_help_of_import_says_what_is_not_kept(lgserve: Lgserve) -> None:
    told = " ".join(lgserve("store", "import", "--help").out.split())
    assert "The API takes no times: an item is created when it is imported" in told
