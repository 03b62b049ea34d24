"""`lgserve db`, and commands with `--db`: on a real database, held by a server and not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lgserve as package
from lgserve.cli.database import holder
from lgserve.cli.database_link import linked

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve, Result
    from tests.servers import ServerProcess


@pytest.fixture(scope="module")
def filled(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a database with a thread that waits for an answer, made while the server runs."""
    from lgserve.cli.main import run

    file = tmp_path_factory.mktemp("filled") / "lgserve.db"
    for words in (
        ("runs", "start", "-a", "ask", "-i", '{"q": "well?"}', "--url", server.url),
        ("store", "put", "a.b", "key", '{"n": 1}', "--ttl", "5h", "--url", server.url),
        ("db", "backup", str(file), "--db", str(server.folder / "data")),
    ):
        assert run([*words, "-q"]) == 0
    return file


@pytest.fixture
def alone(filled: Path, tmp_path: Path) -> Path:
    """The folder of a database that nobody holds."""
    folder = tmp_path / "alone"
    folder.mkdir()
    shutil.copy(filled, folder)
    return folder


@pytest.fixture
def held(server: ServerProcess) -> Path:
    """The folder of a database that a server holds."""
    return server.folder / "data"


@pytest.fixture
def offline(lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch) -> Lgserve:
    """The command line with no server to talk to."""
    monkeypatch.setenv("LGSERVE_URL", "http://127.0.0.1:9")
    return lgserve


def error_of(result: Result) -> dict[str, Any]:
    assert result.out == ""
    found: dict[str, Any] = json.loads(result.err.splitlines()[-1])["error"]
    return found


def test_status_tells_what_is_in_it_and_who_holds_it(
    offline: Lgserve, alone: Path, held: Path, server: ServerProcess
) -> None:
    free = offline("db", "status", "--db", str(alone), "-o", "json").json
    assert (free["held_by"], free["schema"] == free["newest_schema"]) == (None, True)
    assert free["rows"]["threads"] >= 1
    assert free["rows"]["store items"] >= 1
    taken = offline("db", "status", "--db", str(held / "lgserve.db"), "-o", "json").json
    assert server.process is not None
    assert taken["held_by"] == str(server.process.pid)
    assert offline("db", "status", "--db", str(alone)).table[0][0] == "database"


def test_check_finds_nothing_wrong_and_damage(offline: Lgserve, alone: Path, held: Path) -> None:
    for folder in (alone, held):
        result = offline("db", "check", "--db", str(folder), "-o", "json")
        assert (result.status, result.json["problems"]) == (0, [])
    with (alone / "lgserve.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(200_000))
    result = offline("db", "check", "--db", str(alone), "-o", "json")
    assert (result.status, error_of(result)["code"]) in ((8, "E_UNSOUND"), (1, "E_STORAGE"))


def test_backup_is_one_file_and_never_overwrites(
    offline: Lgserve, held: Path, tmp_path: Path
) -> None:
    file = tmp_path / "monday.db"
    result = offline("db", "backup", str(file), "--db", str(held), "-o", "json")
    assert (result.status, result.json["bytes"]) == (0, file.stat().st_size)
    assert file.stat().st_mode & 0o077 == 0
    assert [item.name for item in tmp_path.iterdir()] == ["monday.db"]
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    again = offline("db", "backup", str(file), "--db", str(held), "-o", "json")
    assert (again.status, error_of(again)["code"]) == (6, "E_CONFLICT")
    assert offline("db", "backup", str(file), "--db", str(held), "--force").status == 0


def test_restore_brings_back_what_was_there(offline: Lgserve, alone: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    assert offline("db", "backup", str(file), "--db", str(alone)).status == 0
    before = offline("threads", "list", "--all", "--db", str(alone), "-o", "id").out
    offline("threads", "create", "--db", str(alone))
    assert offline("threads", "list", "--all", "--db", str(alone), "-o", "id").out != before
    refused = offline("db", "restore", str(file), "--db", str(alone), "-o", "json")
    assert (refused.status, error_of(refused)["code"]) == (2, "E_NOT_CONFIRMED")
    result = offline("db", "restore", str(file), "--db", str(alone), "--yes", "-o", "json")
    assert result.status == 0, result.err
    assert offline("threads", "list", "--all", "--db", str(alone), "-o", "id").out == before
    with sqlite3.connect(result.json["before"]) as connection:
        (count,) = connection.execute("SELECT count(*) FROM threads").fetchone()
    connection.close()
    assert count == len(before.splitlines()) + 1


def test_restore_fills_a_new_folder(offline: Lgserve, filled: Path, tmp_path: Path) -> None:
    assert offline("db", "restore", str(filled), "--db", str(tmp_path / "fresh")).status == 0
    assert offline("db", "check", "--db", str(tmp_path / "fresh")).status == 0


def test_restore_refuses_what_is_no_database(offline: Lgserve, alone: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 1000)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE a (b)").connection.close()
    for name, status in (("text", 1), ("other.db", 1), ("none", 2)):
        result = offline(
            "db", "restore", str(tmp_path / name), "--db", str(alone), "-y", "-o", "json"
        )
        assert result.status == status
        assert "backup" in error_of(result)["hint"]
        assert "lgserve db restore" not in error_of(result)["hint"]
    assert offline("db", "check", "--db", str(alone)).status == 0


@pytest.mark.parametrize("verb", [("vacuum",), ("restore", "FILE", "--yes")], ids=lambda v: v[0])
def test_what_changes_it_is_refused_while_a_server_holds_it(
    offline: Lgserve, held: Path, filled: Path, verb: tuple[str, ...]
) -> None:
    words = [str(filled) if word == "FILE" else word for word in verb]
    result = offline("db", *words, "--db", str(held), "-o", "json")
    error = error_of(result)
    assert (result.status, error["code"]) == (6, "E_IN_USE")
    assert "status, check and backup" in error["hint"]


def test_vacuum_gives_back_space(offline: Lgserve, alone: Path) -> None:
    with sqlite3.connect(alone / "lgserve.db") as connection:
        connection.execute("CREATE TABLE big (x)")
        connection.execute("INSERT INTO big VALUES (zeroblob(2000000))")
        connection.execute("DROP TABLE big")
    connection.close()
    item = offline("db", "vacuum", "--db", str(alone), "-o", "json").json
    assert item["bytes"] < item["bytes_before"] - 1_000_000
    assert (alone / "lgserve.db").stat().st_size == item["bytes"]


def test_migrate_brings_an_old_one_up_and_leaves_a_newer_one(
    offline: Lgserve, tmp_path: Path, alone: Path
) -> None:
    from importlib import resources

    first = resources.files("lgserve.storage") / "migrations" / "0001_initial.sql"
    with sqlite3.connect(tmp_path / "lgserve.db") as connection:
        connection.executescript(
            "CREATE TABLE schema_version (version INTEGER NOT NULL);"
            f"{first.read_text('utf-8')};INSERT INTO schema_version VALUES (1)"
        )
    connection.close()
    here = ("--db", str(tmp_path), "-o", "json")
    assert error_of(offline("threads", "list", *here))["hint"] == "lgserve db migrate"
    tried = offline("db", "migrate", "--dry-run", *here).json
    assert (tried["from"], tried["done"]) == (1, False)
    assert offline("db", "migrate", *here).json["done"] is True
    assert offline("db", "migrate", *here).json["done"] is False
    assert offline("threads", "list", *here).json == []
    with sqlite3.connect(alone / "lgserve.db") as connection:
        connection.execute("INSERT INTO schema_version VALUES (9999)")
    connection.close()
    newer = offline("db", "migrate", "--db", str(alone), "-o", "json")
    assert (newer.status, error_of(newer)["hint"]) == (1, "use a newer lgserve")


@pytest.mark.parametrize("verb", ["status", "check", "vacuum", "migrate"])
def test_where_there_is_no_database_it_says_so(offline: Lgserve, tmp_path: Path, verb: str) -> None:
    result = offline("db", verb, "--db", str(tmp_path), "-o", "json")
    assert (result.status, error_of(result)["code"]) == (5, "E_NOT_FOUND")
    assert list(tmp_path.iterdir()) == []
    assert offline("db", verb).status == 3  # nor is there a project


READING = [
    ("info",),
    ("threads", "list"),
    ("threads", "show", "THREAD"),
    ("threads", "state", "THREAD"),
    ("threads", "history", "THREAD"),
    ("runs", "list"),
    ("runs", "show", "RUN"),
    ("assistants", "list"),
    ("assistants", "show", "echo"),
    ("store", "get", "a.b", "key"),
    ("store", "list", "a"),
    ("store", "search", "a"),
    ("store", "namespaces"),
    ("crons", "list"),
]


@pytest.fixture
def names(offline: Lgserve, filled: Path) -> dict[str, str]:
    """The thread that waits for an answer, and its run."""
    with sqlite3.connect(f"{filled.as_uri()}?mode=ro", uri=True) as connection:
        run = connection.execute("SELECT thread_id, run_id FROM runs").fetchone()
    connection.close()
    return {"THREAD": str(run[0]), "RUN": str(run[1])}


@pytest.mark.parametrize("who", ["alone", "held"])
def test_commands_read_a_database_without_its_server(
    offline: Lgserve, names: dict[str, str], who: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(who)
    result = offline("threads", "list", "--all", "--db", str(folder), "-o", "id")
    assert names["THREAD"] in result.out.splitlines()
    assert ("it is only read" in result.err) == (who == "held")
    with linked(folder) as link:  # one process for all that follow
        for words in READING:
            arguments = [names.get(word, word) for word in words]
            result = offline(*arguments, "--url", link.url, "--api-key", link.key, "-o", "json")
            assert result.status == 0, (words, result.err)
            assert isinstance(result.json, dict | list), words
        stranger = offline("threads", "list", "--url", link.url, "--api-key", "guess")
        assert stranger.status == 4


def test_the_state_is_what_the_server_says(
    offline: Lgserve, names: dict[str, str], alone: Path, server: ServerProcess
) -> None:
    with linked(alone) as link:
        for words in (("threads", "state"), ("threads", "show"), ("threads", "history")):
            read = (*words, names["THREAD"], "-o", "json")
            ours = offline(*read, "--url", link.url, "--api-key", link.key).json
            theirs = offline(*read, "--url", server.url).json
            assert without_empty(ours) == without_empty(theirs), words


def without_empty(value: Any) -> Any:
    """Only a graph knows that a channel which was never written to begins as an empty list."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if isinstance(value, dict):
        kept = {name: without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in ([], {}, None)}
    return value


def test_the_process_ends_with_the_command(alone: Path) -> None:
    with linked(alone) as link:
        assert link.held_by is None
        assert holder(alone) is not None
    assert holder(alone) is None


def test_only_what_nobody_holds_is_written_to(
    offline: Lgserve, alone: Path, held: Path, names: dict[str, str]
) -> None:
    put = ("store", "put", "x", "y", '{"n": 2}')
    assert offline(*put, "--db", str(alone)).status == 0
    found = offline("store", "get", "x", "y", "--db", str(alone), "-o", "json").json
    assert found["value"] == {"n": 2}
    refused = offline(*put, "--db", str(held), "-q", "-o", "json")
    assert refused.status == 6
    assert "only be read" in error_of(refused)["message"]


def test_nothing_is_run_on_a_database(offline: Lgserve, alone: Path) -> None:
    result = offline("runs", "start", "-a", "echo", "-i", "{}", "--db", str(alone), "-o", "json")
    assert result.status != 0
    assert error_of(result)["message"]


def test_a_server_and_a_database_exclude_each_other(
    offline: Lgserve, alone: Path, tmp_path: Path
) -> None:
    both = offline("info", "--db", str(alone), "--url", "http://127.0.0.1:1", "-o", "json")
    assert (both.status, error_of(both)["code"]) == (2, "E_USAGE")
    nowhere = offline("info", "--db", str(tmp_path / "none"), "-o", "json")
    assert (nowhere.status, error_of(nowhere)["code"]) == (5, "E_NOT_FOUND")


@pytest.mark.parametrize("who", ["alone", "held"])
def test_a_database_has_no_graphs_to_run(
    offline: Lgserve, names: dict[str, str], who: str, request: pytest.FixtureRequest
) -> None:
    db = ("--db", str(request.getfixturevalue(who)))
    for words in (
        ("runs", "start", "-a", "echo", "-i", "{}"),
        ("chat", "echo"),
        ("graphs", "draw", "echo"),
    ):
        error = error_of(offline(*words, *db, "-o", "json"))
        assert error["hint"].startswith("a database has no graphs: "), words
    listed = offline("graphs", "list", *db, "-o", "json").json
    assert {row["status"] for row in listed} == {"not loaded"}
    assert names


def test_a_command_that_is_gone_leaves_no_trace_of_the_process_that_serves_it(alone: Path) -> None:
    code = "from lgserve.cli.database_child import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(package.__file__).parent.parent)},
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.close()
    order = {"folder": str(alone), "key": "k", "writing": True}
    _, said = child.communicate(json.dumps(order).encode() + b"\n", timeout=300)
    assert (child.returncode, said) == (0, b"")
