"""`lgserve crons`: what each command says, and how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from lgserve.core.ids import system_assistant_id

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

SELDOM = "0 0 29 2 *"
ECHO = system_assistant_id("echo")
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def mark() -> str:
    return str(uuid4())


def make(real: Lgserve, *more: str) -> dict[str, Any]:
    result = real("crons", "create", "-a", "echo", "-s", SELDOM, *more, "-o", "json")
    assert (result.status, result.err) == (0, "")
    found: dict[str, Any] = result.json
    return found


def listed(real: Lgserve, mark: str, *more: str) -> list[str]:
    result = real("crons", "list", "--metadata", f"mark={mark}", "-o", "id", *more)
    assert result.status == 0
    return result.out.split()


def test_a_cron_is_created_shown_and_listed(real: Lgserve, mark: str) -> None:
    cron = make(
        real, "-i", '{"text": "x"}', "--timezone", "Europe/Paris", "--end-time", "2999-01-01",
        "--metadata", f"mark={mark}", "--metadata", "n:=1", "--config", "c=1",
        "--on-run-completed", "keep", "--multitask", "reject",
    )  # fmt: skip

    assert cron["metadata"] == {"mark": mark, "n": 1}
    assert (cron["timezone"], cron["end_time"]) == ("Europe/Paris", "2999-01-01")
    assert cron["payload"]["input"] == {"text": "x"}
    assert cron["payload"]["multitask_strategy"] == "reject"
    assert cron["payload"]["config"]["configurable"] == {"c": "1", "cron_id": cron["cron_id"]}
    shown = real("crons", "show", cron["cron_id"][:18], "-o", "json")
    assert (shown.status, shown.json) == (0, cron)
    lines = dict(real("cron", "show", cron["cron_id"]).table)
    assert lines["schedule"] == SELDOM
    assert lines["input"] == '{"text": "x"}'
    table = real("crons", "list", "--metadata", f"mark={mark}")
    assert table.table[0] == [
        "ID", "ASSISTANT", "THREAD", "SCHEDULE", "TIMEZONE", "ON", "NEXT", "METADATA",
    ]  # fmt: skip
    assert table.table[1][:6] == [cron["cron_id"], ECHO, "", SELDOM, "Europe/Paris", "yes"]
    assert table.err == "1 of 1\n"


def test_the_input_comes_from_a_file_or_from_standard_input_too(
    real: Lgserve, tmp_path: Path
) -> None:
    (tmp_path / "input.json").write_text('{"text": "file"}')
    assert make(real, "-i", "@input.json")["payload"]["input"] == {"text": "file"}
    arguments = ("crons", "create", "-a", "echo", "-s", SELDOM, "-i", "-", "-o", "json")
    created = real(*arguments, stdin='{"text": "in"}')
    assert created.json["payload"]["input"] == {"text": "in"}


def test_a_cron_of_a_thread_is_listed_by_it(real: Lgserve) -> None:
    thread_id = real("threads", "create", "-o", "id").out.strip()
    cron = make(real, "-t", thread_id)

    assert cron["thread_id"] == thread_id
    assert real("crons", "list", "-t", thread_id, "-o", "id").out.split() == [cron["cron_id"]]


def test_crons_are_listed_by_assistant_by_state_and_in_part(real: Lgserve, mark: str) -> None:
    first = make(real, "--metadata", f"mark={mark}")["cron_id"]
    second = make(real, "--metadata", f"mark={mark}", "--paused")["cron_id"]

    assert listed(real, mark) == [second, first]
    assert listed(real, mark, "--enabled") == [first]
    assert listed(real, mark, "--paused") == [second]
    assert listed(real, mark, "-a", "echo", "--order", "asc") == [first, second]
    assert listed(real, mark, "-a", "slow") == []
    assert listed(real, mark, "--limit", "1", "--offset", "1") == [first]
    assert listed(real, mark, "--all") == [second, first]


def test_a_cron_is_changed(real: Lgserve) -> None:
    cron_id = make(real, "--end-time", "2999-01-01")["cron_id"]
    arguments = ("--schedule", "@yearly", "-a", "slow", "--no-end-time", "--metadata", "m=1")
    changed = real("crons", "update", cron_id, *arguments, "-o", "json").json

    assert (changed["schedule"], changed["end_time"]) == ("@yearly", None)
    assert changed["assistant_id"] == system_assistant_id("slow")
    assert changed["metadata"] == {"m": "1"}


def test_crons_are_paused_and_resumed(real: Lgserve) -> None:
    ids = [make(real)["cron_id"] for _ in range(2)]

    paused = real("crons", "pause", *ids, "-o", "json")
    assert (paused.status, [cron["enabled"] for cron in paused.json]) == (0, [False, False])
    assert (
        real("crons", "next", ids[0]).err
        == "the cron is paused: it does not fire until it is resumed\n"
    )
    resumed = real("crons", "resume", *ids, "-o", "json")
    assert [cron["enabled"] for cron in resumed.json] == [True, True]


def test_a_cron_is_fired_by_hand_and_its_history_shows_it(real: Lgserve) -> None:
    cron_id = make(real, "--paused")["cron_id"]
    result = real("crons", "trigger", cron_id, "-o", "json")

    assert (result.status, result.json["status"]) == (0, "pending")
    history = dict(real("crons", "show", cron_id).table)["fired"]
    assert "by hand" in history
    assert result.json["run_id"] in history


def test_crons_are_deleted(real: Lgserve) -> None:
    cron_id = make(real)["cron_id"]

    unsure = real("crons", "delete", cron_id)
    assert (unsure.status, unsure.out) == (2, "")
    assert "--yes" in unsure.err
    assert real("crons", "delete", cron_id, "--dry-run", "-o", "id").out == f"{cron_id}\n"
    deleted = real("crons", "rm", cron_id, "--yes", "-o", "json")
    assert (deleted.status, deleted.json) == (0, [{"cron_id": cron_id}])
    again = real("crons", "delete", cron_id, "--yes")
    assert (again.status, again.out) == (5, "")
    assert real("crons", "delete", cron_id, "--dry-run").status == 5
    ignored = real("crons", "delete", cron_id, "--yes", "--ignore-missing", "-o", "json")
    assert (ignored.status, ignored.json) == (0, [])


# ------------------------------------------------------------------------- what comes


def test_the_next_firings_of_a_cron_are_foretold(real: Lgserve) -> None:
    cron = make(real, "--timezone", "America/New_York", "--end-time", "2033-01-01")
    result = real("crons", "next", cron["cron_id"], "-n", "3", "-o", "json")

    assert [row["at"] for row in result.json] == [
        "2028-02-29T00:00:00-05:00", "2032-02-29T00:00:00-05:00",
    ]  # fmt: skip
    assert [row["utc"] for row in result.json] == [
        "2028-02-29T05:00:00+00:00", "2032-02-29T05:00:00+00:00",
    ]  # fmt: skip
    assert {row["timezone"] for row in result.json} == {"America/New_York"}
    assert result.err == "it ends then\n"


def test_a_schedule_is_foretold_without_a_server_with_the_changes_of_the_clock(
    real: Lgserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_URL", "http://127.0.0.1:1")
    arguments = ("--timezone", "Europe/Berlin", "-n", "400", "-o", "json")
    rows = real("crons", "next", "-s", "30 2 * * *", *arguments).json

    moved = [row["at"] for row in rows if "does not exist" in (row["note"] or "")]
    twice = [row["at"] for row in rows if "fired once" in (row["note"] or "")]
    assert len(rows) == 400
    assert {at[10:] for at in moved} == {"T03:00:00+02:00"}
    assert {at[10:] for at in twice} == {"T02:30:00+02:00"}
    assert real("crons", "next", "@hourly", "--count", "2").out.count("\n") == 3
    hourly = real("crons", "next", "-s", "0 * 25 10 *", *arguments[:2], "-n", "25", "-o", "json")
    repeated = [row["at"][10:] for row in hourly.json if "second time" in (row["note"] or "")]
    assert repeated in ([], ["T02:00:00+01:00"])


# ------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("create", "-a", "echo"), 2),
        (("create", "-s", SELDOM), 2),
        (("create", "-a", "echo", "-s", SELDOM, "-i", "{"), 2),
        (("create", "-a", "echo", "-s", "bad"), 9),
        (("create", "-a", "echo", "-s", SELDOM, "--timezone", "Mars/X"), 9),
        (("create", "-a", "echo", "-s", SELDOM, "--end-time", "bad"), 9),
        (("create", "-a", "nope", "-s", SELDOM), 5),
        (("create", "-a", "echo", "-s", SELDOM, "-t", NOBODY), 5),
        (("list", "-a", "nope"), 5),
        (("show", NOBODY), 5),
        (("show", "abc"), 2),
        (("show", "abcdef"), 5),
        (("update", NOBODY), 2),
        (("update", NOBODY, "-s", SELDOM), 5),
        (("update", NOBODY, "--end-time", "x", "--no-end-time"), 2),
        (("pause", NOBODY), 5),
        (("resume", NOBODY), 5),
        (("trigger", NOBODY), 5),
        (("next", NOBODY), 5),
        (("next",), 2),
        (("next", NOBODY, "-s", SELDOM), 2),
        (("next", "-s", "bad"), 2),
        (("next", "-s", SELDOM, "--timezone", "Mars/X"), 2),
        (("delete", NOBODY, "--yes"), 5),
        (("fly",), 2),
    ],
)
def test_what_fails_says_so_on_stderr_alone(
    real: Lgserve, arguments: tuple[str, ...], status: int
) -> None:
    result = real("crons", *arguments)
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("error: ")

    if arguments != ("fly",):
        as_json = real("crons", *arguments, "-o", "json")
        assert (as_json.status, as_json.out) == (status, "")
        assert json.loads(as_json.err)["error"]


def test_a_server_that_is_not_there_is_told(real: Lgserve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGSERVE_URL", "http://127.0.0.1:1")
    result = real("crons", "list")
    assert (result.status, result.out) == (7, "")


@pytest.fixture
def reference() -> Iterator[str]:
    """A server that knows crons, and nothing of firings and of firing by hand."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cron = {"cron_id": NOBODY, "assistant_id": ECHO, "schedule": SELDOM, "thread_id": None}
            known = self.path == f"/runs/crons/{NOBODY}"
            self._answer(200 if known else 404, cron if known else {"detail": "Not Found"})

        def do_POST(self) -> None:
            self._answer(405, {"detail": "Method Not Allowed"})

        def _answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_server_shows_its_crons_and_cannot_fire_them_by_hand(
    real: Lgserve, reference: str
) -> None:
    assert real("crons", "show", NOBODY, "--url", reference).status == 0
    coming = real("crons", "next", NOBODY, "-n", "1", "--url", reference, "-o", "id")
    assert coming.out == "2028-02-29T00:00:00+00:00\n"
    refused = real("crons", "trigger", NOBODY, "--url", reference)

    assert (refused.status, refused.out) == (1, "")
    assert "cannot fire a cron by hand" in refused.err
