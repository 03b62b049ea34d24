from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

RUN = "-0000-4000-8000-00000000000f"
THREAD = "-0000-4000-8000-000000000000"


def test_runs_of_all_recent_threads_are_listed_the_latest_first(lgserve: Lgserve) -> None:
    result = lgserve("runs", "list")
    assert [row[:4] for row in result.table] == [
        ["ID", "GRAPH", "THREAD", "STATUS"],
        [f"00000012{RUN}", "agent", f"00000002{THREAD}", "error"],
        [f"00000011{RUN}", "agent", f"00000001{THREAD}", "success"],
        [f"00000010{RUN}", "agent", f"00000003{THREAD}", "success"],
    ]
    assert [row[5] for row in result.table] == ["TOOK", "2.50 s", "2.50 s", "2.50 s"]
    assert result.err == ""


def test_it_says_when_there_are_threads_it_did_not_look_into(lgserve: Lgserve) -> None:
    result = lgserve("runs", "list", "--threads", "2", "-o", "id")
    assert result.out.splitlines() == [f"00000012{RUN}", f"00000010{RUN}"]
    assert result.err.startswith("looked into the 2 threads that changed last")


def test_runs_of_one_thread_are_read_page_by_page(lgserve: Lgserve, api: Api) -> None:
    api.runs = [{**api.runs[0], "run_id": f"{number:08x}{RUN}"} for number in range(250)]
    result = lgserve("runs", "list", "--thread", "00000003", "--all", "-o", "id")
    assert len(set(result.out.splitlines())) == 250


def test_filters_apply_before_the_limit(lgserve: Lgserve, api: Api) -> None:
    api.runs[0]["metadata"] = {"graph_id": "other"}
    assert lgserve("runs", "list", "--graph", "other", "-o", "id").out == f"00000010{RUN}\n"
    assert lgserve("runs", "list", "--status", "error", "-o", "id").out == f"00000012{RUN}\n"
    assert lgserve("runs", "list", "--since", "1s", "-o", "id").out == ""
    assert lgserve("runs", "list", "--offset", "2", "-o", "id").out == f"00000010{RUN}\n"


def test_a_run_that_goes_on_has_taken_no_time_yet(lgserve: Lgserve, api: Api) -> None:
    api.runs = [api.runs[0] | {"status": "running"}]
    assert lgserve("runs", "list", "--fields", "status,took").table[1] == ["running", ""]


def test_a_run_is_shown_with_the_error_of_its_thread(lgserve: Lgserve, api: Api) -> None:
    api.threads[1]["error"] = {"error": "ValueError", "message": "boom"}
    shown = dict(lgserve("runs", "show", "00000012").table)
    assert shown["error"] == "ValueError: boom"
    assert shown["input"] == '{"text": "hi"}'
    assert shown["took"] == "2.50 s"


def test_an_older_run_is_not_blamed_for_the_error_of_a_later_one(
    lgserve: Lgserve, api: Api
) -> None:
    api.threads[1]["error"] = {"error": "ValueError", "message": "boom"}
    api.runs.append({**api.runs[1], "run_id": f"00000013{RUN}"})
    assert "error" not in dict(lgserve("runs", "show", "00000013").table)


def test_a_run_of_a_named_thread_is_fetched_at_once(lgserve: Lgserve, api: Api) -> None:
    arguments = ("runs", "show", f"00000010{RUN}", "--thread", f"00000003{THREAD}", "-o", "json")
    assert json.loads(lgserve(*arguments).out) == api.runs[0]
    assert [path for path, _ in api.bodies] == [f"/threads/00000003{THREAD}/runs/00000010{RUN}"]


def test_an_unknown_run_is_not_found(lgserve: Lgserve) -> None:
    result = lgserve("run", "show", "abcdef")
    assert result.status == 5
    assert "error: no run abcdef" in result.err
