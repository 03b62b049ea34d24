"""`lgserve assistants create|update|versions|set-latest|graph|schemas|delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Lgserve


@pytest.fixture
def terse(real: Lgserve) -> Iterator[str]:
    """An assistant with two versions."""
    made = real("assistants", "create", "-g", "chat", "--name", "Terse", "--context", "tone=short",
                "--metadata", "team=a", "--description", "short", "-o", "json")  # fmt: skip
    assistant_id = made.json["assistant_id"]
    real("assistants", "update", assistant_id, "--context", "tone=long")
    yield assistant_id
    real("assistants", "delete", assistant_id, "--yes", "--ignore-missing", "-q")


def test_create_says_what_was_made(real: Lgserve, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"recursion_limit": 7}')
    made = real("assistants", "create", "-g", "echo", "--name", "A", "--config", "@config.json",
                "--metadata", "n:=1", "-o", "json").json  # fmt: skip
    assert (made["graph_id"], made["name"], made["metadata"]) == ("echo", "A", {"n": 1})
    assert made["config"]["recursion_limit"] == 7
    assert real("assistants", "delete", made["assistant_id"], "--yes").status == 0


def test_update_makes_a_version_and_set_latest_goes_back(real: Lgserve, terse: str) -> None:
    assert real("assistants", "show", terse, "-o", "json").json["context"] == {"tone": "long"}
    versions = real("assistants", "versions", "Terse", "-o", "json").json
    assert [row["version"] for row in versions] == [2, 1]
    assert [line[:2] for line in real("assistants", "versions", "Terse").table[1:]] == [
        ["2", "*"], ["1", ""],
    ]  # fmt: skip
    back = real("assistants", "set-latest", terse, "1", "-o", "json").json
    assert (back["version"], back["context"]) == (1, {"tone": "short"})
    assert real("assistants", "set-latest", terse, "9").status == 5
    assert real("assistants", "versions", terse, "--limit", "1", "-o", "id").out == "2\n"


def test_graph_lists_edges_and_writes_the_drawing(real: Lgserve) -> None:
    table = real("assistants", "graph", "echo").table
    assert table[0] == ["FROM", "TO", "KIND", "WHEN"]
    assert ["a", "b", "always", ""] in table
    drawing = real("assistants", "graph", "parent", "--xray", "true", "-o", "json").json
    assert any(node["id"].startswith("child:") for node in drawing["nodes"])
    assert real("assistants", "graph", "echo", "--xray", "deep").status == 2


def test_schemas_lists_members_and_writes_json_schemas(real: Lgserve) -> None:
    rows = real("assistants", "schemas", "echo").table
    assert ["input", "text", "string"] in [row[:3] for row in rows]
    assert any(row[2].startswith("list of ") for row in real("assistants", "schemas", "chat").table)
    found = real("assistants", "schemas", "echo", "input", "-o", "json").json
    assert "text" in found["properties"]


def test_delete_asks_and_can_be_tried_out(real: Lgserve, terse: str) -> None:
    assert real("assistants", "delete", "Terse", "--dry-run", "-o", "id").out == f"{terse}\n"
    refused = real("assistants", "delete", "Terse", stdin="")
    assert (refused.status, refused.out) == (2, "")
    assert real("assistants", "delete", "Terse", "--yes", "-o", "id").out == f"{terse}\n"
    assert real("assistants", "delete", "Terse", "--yes").status == 5
    assert real("assistants", "delete", "Terse", "--yes", "--ignore-missing").status == 0
