from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

ID = "-0000-4000-8000-000000000000"


def test_threads_are_listed_in_columns_separated_by_tabs(lgserve: Lgserve) -> None:
    result = lgserve("threads", "list", "--limit", "2")
    assert result.table == [
        ["ID", "GRAPH", "STATUS", "UPDATED", "CREATED", "METADATA"],
        [f"00000003{ID}", "agent", "idle", "2025-11-22T10:03:00+00:00",
         "2025-11-22T10:00:00+00:00", "user_id=3"],
        [f"00000002{ID}", "agent", "interrupted", "2025-11-22T10:02:00+00:00",
         "2025-11-22T10:00:00+00:00", "user_id=2"],
    ]  # fmt: skip
    assert result.err == "2 of 3 · next: lgserve threads list --offset 2\n"
    assert result.status == 0


def test_quiet_says_nothing_about_the_rest(lgserve: Lgserve) -> None:
    assert lgserve("threads", "list", "-q").err == ""


@pytest.mark.parametrize("verb", [("threads", "ls"), ("thread", "list"), ("thread", "ls")])
def test_other_names_of_the_command_work_too(lgserve: Lgserve, verb: tuple[str, ...]) -> None:
    assert lgserve(*verb, "-o", "id", "--limit", "1").out == f"00000003{ID}\n"


def test_json_is_what_the_server_said(lgserve: Lgserve, api: Api) -> None:
    assert json.loads(lgserve("threads", "list", "-o", "json").out) == api.threads


def test_fields_are_chosen_by_path_or_by_column(lgserve: Lgserve) -> None:
    result = lgserve(
        "threads", "list", "-o", "jsonl", "--fields", "id,metadata.user_id,updated", "--limit", "1"
    )
    assert json.loads(result.out) == {
        "id": f"00000003{ID}",
        "metadata.user_id": "3",
        "updated": "2025-11-22T10:03:00+00:00",
    }


def test_an_unknown_field_is_refused_with_the_known_ones(lgserve: Lgserve) -> None:
    result = lgserve("threads", "list", "--fields", "nope")
    assert (result.status, result.out) == (2, "")
    assert "error: no field 'nope'\nhint:  fields: config, created, created_at" in result.err


def test_yaml_is_offered(lgserve: Lgserve) -> None:
    out = lgserve("threads", "list", "-o", "yaml", "--fields", "status", "--limit", "2").out
    assert out == "- status: idle\n- status: interrupted\n"


def test_filters_are_sent_to_the_server(lgserve: Lgserve, api: Api) -> None:
    lgserve(
        "threads", "list", "--status", "idle", "--graph", "agent", "--metadata", "user_id=1",
        "--metadata", "n:=4", "--values", "a.b=c", "--sort", "created_at", "--order", "asc",
        "--offset", "5", "-o", "id",
    )  # fmt: skip
    assert api.bodies == [
        (
            "/threads/search",
            {
                "status": "idle",
                "metadata": {"user_id": "1", "n": 4, "graph_id": "agent"},
                "values": {"a.b": "c"},
                "sort_by": "created_at",
                "sort_order": "asc",
                "limit": 20,
                "offset": 5,
            },
        )
    ]


def test_threads_changed_since_are_read_until_an_older_one_comes(
    lgserve: Lgserve, api: Api
) -> None:
    for row in api.threads[:2]:
        row["updated_at"] = "2999-01-01T00:00:00+00:00"
    result = lgserve("threads", "list", "--since", "2h", "-o", "id")
    assert result.out.splitlines() == [f"00000003{ID}", f"00000002{ID}"]


def test_a_thread_is_shown_by_the_beginning_of_its_id(lgserve: Lgserve, api: Api) -> None:
    api.threads[1]["interrupts"] = {"task": [{"id": "e5ec", "value": {"q": "name?"}}]}
    result = lgserve("threads", "show", "00000002")
    assert dict(result.table) == {
        "thread": f"00000002{ID}",
        "status": "interrupted",
        "graph": "agent",
        "created": "2025-11-22T10:00:00+00:00",
        "updated": "2025-11-22T10:02:00+00:00",
        "metadata": "graph_id=agent user_id=2",
        "last run": "00000012-0000-4000-8000-00000000000f  error  2025-11-22T10:18:00+00:00",
        "next": "human",
        "checkpoint": "1f1e65b9-5c9a-6c35-8001",
        "waits for": '{"q": "name?"}  (interrupt e5ec)',
        "values.log": '["a"]',
    }


def test_json_of_a_thread_has_its_last_run_and_next_nodes(lgserve: Lgserve, api: Api) -> None:
    shown = json.loads(lgserve("threads", "show", f"00000002{ID}", "-o", "json").out)
    assert shown == api.threads[1] | {
        "last_run": api.runs[1],
        "next": ["human"],
        "checkpoint_id": "1f1e65b9-5c9a-6c35-8001",
    }


def test_a_beginning_that_fits_several_threads_is_refused_with_them(lgserve: Lgserve) -> None:
    result = lgserve("threads", "show", "000000")
    assert result.status == 2
    assert f"error: 3 threads have an id that starts with 000000\n       00000003{ID}" in result.err


def test_a_beginning_that_fits_none_is_not_found(lgserve: Lgserve) -> None:
    result = lgserve("threads", "show", "abcdef")
    assert result.status == 5
    assert result.err.startswith("error: no thread abcdef\nhint:  list them: lgserve threads list")


@pytest.mark.parametrize("text", ["00000", "not-an-id"])
def test_what_cannot_be_an_id_is_wrong_usage(lgserve: Lgserve, text: str) -> None:
    assert lgserve("threads", "show", text).status == 2


def test_a_missing_thread_is_not_found(lgserve: Lgserve) -> None:
    result = lgserve("threads", "show", f"0000000a{ID}")
    assert result.status == 5
    assert "not found\nhint:  list them: lgserve threads list\ncode:  E_NOT_FOUND" in result.err


def test_a_pair_without_a_key_is_wrong_usage(lgserve: Lgserve) -> None:
    assert "write key=value" in lgserve("threads", "list", "--metadata", "x").err
    assert "'{' is not JSON" in lgserve("threads", "list", "--metadata", "x:={").err


def test_what_a_stranger_wrote_cannot_act_on_the_terminal(lgserve: Lgserve, api: Api) -> None:
    api.threads[0]["metadata"] = {"title": "a\tb\x1b[2J\nc"}
    assert (
        lgserve("threads", "list", "--limit", "1").table[1][5]
        == "title=a b\N{REPLACEMENT CHARACTER}[2J c"
    )
