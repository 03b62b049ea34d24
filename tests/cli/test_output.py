from __future__ import annotations

import json
from typing import Any

import pytest

from lgserve.cli.output import Column, Noun, Output, age, duration, short_id

NOUN = Noun(
    id_field="thread_id",
    columns=(
        Column(name="id", path="thread_id", kind="id"),
        Column(name="status", path="status", kind="status"),
        Column(name="created", path="created_at", kind="time"),
        Column(name="metadata", path="metadata"),
    ),
    fields=("thread_id", "status", "created_at", "metadata"),
)
ROW = {
    "thread_id": "019aa3c2-1f3e-7000-8000-000000000001",
    "status": "busy",
    "created_at": "1970-01-01T00:01:00+00:00",
    "metadata": {"title": "a long title " * 20, "n": 1},
}


def shown(capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], **options: Any) -> str:
    Output(now=lambda: 180.0, **options).rows(NOUN, rows)
    return capsys.readouterr().out


def test_a_table_on_a_terminal_is_aligned_short_and_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = shown(capsys, [ROW], terminal=True).splitlines()
    assert lines[0] == "ID             STATUS  CREATED  METADATA"
    assert lines[1].startswith("019aa3c2-1f3e  busy    2m ago   title=a long title")
    assert lines[1].endswith("…")
    assert len(lines[1]) <= 60


def test_wide_characters_keep_the_columns_straight(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    rows = [{"metadata": {"t": "世界世界世界世界世界"}, "status": "busy"}]
    lines = shown(capsys, rows, terminal=True, fields=("metadata", "status")).splitlines()
    assert lines == ["METADATA      STATUS", "t=世界世界…   busy"]


def test_colours_are_used_only_when_they_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b[" not in shown(capsys, [ROW], terminal=True)
    assert "\x1b[36mbusy" in shown(capsys, [ROW], terminal=True, color=True)


def test_a_table_in_a_pipe_has_the_same_columns_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("\t") for line in shown(capsys, [ROW]).splitlines()]
    assert lines == [
        ["ID", "STATUS", "CREATED", "METADATA"],
        [ROW["thread_id"], "busy", ROW["created_at"], "title=" + "a long title " * 20 + " n=1"],
    ]


@pytest.mark.parametrize(
    ("style", "text"),
    [("relative", "2m ago"), ("iso", "1970-01-01T00:01:00+00:00"), ("epoch", "60.000")],
)
def test_times_are_written_as_asked(
    capsys: pytest.CaptureFixture[str], style: str, text: str
) -> None:
    out = shown(capsys, [ROW], times=style, fields=("created",))
    assert out.splitlines()[1] == text


def test_an_empty_list_is_an_empty_table_and_an_empty_array(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, []) == "ID\tSTATUS\tCREATED\tMETADATA\n"
    assert json.loads(shown(capsys, [], format="json")) == []
    assert shown(capsys, [], format="jsonl") == ""
    assert shown(capsys, [], format="id") == ""


def test_json_lines_keep_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    row = ROW | {"metadata": {"title": "é\n世界"}}
    out = shown(capsys, [row], format="jsonl")
    assert out.count("\n") == 1
    assert json.loads(out) == row
    assert "世界" in out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-30, "in 30s"), (12, "12s ago"), (125, "2m ago"), (7300, "2h ago"), (200_000, "2d ago")],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.003, "3 ms"), (2.114, "2.11 s"), (250, "4 m 10 s"), (8040, "2 h 14 m")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_short_ids_keep_what_makes_them_one_of_a_kind() -> None:
    assert short_id("019aa3c2-1f3e-7000-8000-000000000001") == "019aa3c2-1f3e"
    assert short_id("7d1f0e88-0000-4000-8000-000000000002") == "7d1f0e88"
