"""`lgserve auth key`: on the data folder itself, whether or not a server runs."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

CONFIG = "graphs: {a: m:g}\nlgserve: {auth: {type: api_keys}}\n"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path) -> None:
    (tmp_path / "langgraph.yaml").write_text(CONFIG)


def test_a_key_is_shown_once_and_kept_as_a_hash(lgserve: Lgserve, tmp_path: Path) -> None:
    made = lgserve("auth", "key", "create", "alice", "--name", "ci", "-o", "json")

    row = json.loads(made.out)
    assert made.status == 0
    assert re.fullmatch(rf"lgs_{row['key_id']}_\S{{40,}}", row["key"])
    assert (row["owner"], row["name"], row["status"]) == ("alice", "ci", "valid")
    assert made.err == "the key is not shown again: keep it where it is safe\n"

    listed = lgserve("auth", "key", "list", "-o", "json")
    (shown,) = json.loads(listed.out)
    assert shown == {name: row[name] for name in row if name != "key"}
    secret = row["key"].split("_", 2)[2]
    for file in (tmp_path / ".lgserve").iterdir():
        assert secret.encode() not in file.read_bytes()


def test_keys_are_listed_in_columns_by_owner(lgserve: Lgserve) -> None:
    for owner in ("alice", "bob"):
        lgserve("auth", "key", "create", owner, "--expires", "30d")

    rows = lgserve("auth", "keys", "ls", "--owner", "bob").table
    assert rows[0] == ["ID", "OWNER", "NAME", "STATUS", "CREATED", "EXPIRES"]
    assert [row[1] for row in rows[1:]] == ["bob"]
    assert "\x1b" not in lgserve("auth", "key", "list").out


def test_a_revoked_key_stays_listed(lgserve: Lgserve) -> None:
    key_id = json.loads(lgserve("auth", "key", "create", "alice", "-o", "json").out)["key_id"]

    done = lgserve("auth", "key", "revoke", key_id[:6], "--yes")
    assert done.status == 0
    (row,) = json.loads(lgserve("auth", "key", "list", "-o", "json").out)
    assert (row["status"], row["revoked_at"] is None) == ("revoked", False)
    again = lgserve("auth", "key", "revoke", key_id, "--yes")
    assert (again.status, again.err) == (0, "it was revoked before\n")


def test_revoking_needs_yes_where_nobody_can_be_asked(lgserve: Lgserve) -> None:
    key_id = json.loads(lgserve("auth", "key", "create", "alice", "-o", "json").out)["key_id"]

    refused = lgserve("auth", "key", "revoke", key_id)

    assert (refused.status, refused.out) == (2, "")
    assert "error: a revoked key is never valid again, and nobody can be asked" in refused.err
    assert f"lgserve auth key revoke {key_id} --yes" in refused.err
    assert lgserve("auth", "key", "list").table[1][3] == "valid"


def test_a_key_that_is_not_there_is_5(lgserve: Lgserve) -> None:
    missing = lgserve("auth", "key", "revoke", "0000", "--yes", "-o", "json")

    assert (missing.status, missing.out) == (5, "")
    assert json.loads(missing.err)["error"]["code"] == "E_NOT_FOUND"


@pytest.mark.parametrize("arguments", [("",), ("alice", "--expires", "soon")])
def test_a_key_for_nobody_or_no_time_is_wrong_usage(
    lgserve: Lgserve, arguments: tuple[str, ...]
) -> None:
    refused = lgserve("auth", "key", "create", *arguments)

    assert (refused.status, refused.out) == (2, "")


def test_a_server_that_keeps_nothing_has_no_keys(lgserve: Lgserve) -> None:
    refused = lgserve("auth", "key", "create", "alice", "--data", ":memory:")

    assert (refused.status, refused.out) == (3, "")
    assert "lgserve.auth.keys" in refused.err


def test_a_project_that_asks_for_no_keys_is_noted(lgserve: Lgserve, tmp_path: Path) -> None:
    (tmp_path / "langgraph.yaml").write_text("graphs: {a: m:g}\n")

    assert "no server asks for it yet" in lgserve("auth", "key", "create", "alice").err


def test_the_data_folder_can_be_named(lgserve: Lgserve, tmp_path: Path) -> None:
    assert lgserve("auth", "key", "create", "alice", "--data", str(tmp_path / "d")).status == 0
    with sqlite3.connect(tmp_path / "d" / "lgserve.db") as connection:
        assert connection.execute("SELECT owner FROM api_keys").fetchall() == [("alice",)]
    connection.close()


@pytest.mark.parametrize("verb", ["dev", "serve"])
def test_other_machines_are_let_in_only_with_authentication(
    lgserve: Lgserve, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "langgraph.yaml").write_text("graphs: {a: m:g}\n")

    refused = lgserve(verb, "--host", "0.0.0.0")

    assert (refused.status, refused.out) == (2, "")
    assert "without authentication" in refused.err
    assert "--insecure-no-auth" in refused.err
