"""`lgserve config convert`: the same meaning in the other format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgserve.config_document import as_yaml, read_document
from tests.servers import project as copied

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copied(tmp_path)


def test_json_becomes_yaml_and_comes_back(lgserve: Lgserve, project: Path, tmp_path: Path) -> None:
    before = json.loads(project.read_text())
    result = lgserve("config", "convert", "--to", "yaml", "-f", "langgraph.yaml")
    assert (result.status, result.out) == (0, "")
    assert "langgraph.yaml is served" in result.err
    assert read_document(tmp_path / "langgraph.yaml").data == before
    assert lgserve("config", "convert", "langgraph.yaml", "--to", "json").json == before
    assert lgserve("config", "validate").status == 0


def test_without_to_it_is_the_other_format(lgserve: Lgserve, project: Path) -> None:
    assert lgserve("config", "convert").out.startswith("dependencies:\n")


def test_a_file_that_exists_is_left_alone(lgserve: Lgserve, project: Path) -> None:
    before = project.read_bytes()
    result = lgserve("config", "convert", "-f", "langgraph.json", "-o", "json")
    assert (result.status, result.out) == (6, "")
    assert json.loads(result.err)["error"]["code"] == "E_CONFLICT"
    assert project.read_bytes() == before


def test_what_is_extended_is_taken_in(lgserve: Lgserve, project: Path, tmp_path: Path) -> None:
    (tmp_path / "langgraph.yaml").write_text("extends: ./langgraph.json\nlgserve: {port: 3000}\n")
    found = lgserve("config", "convert", "--to", "json").json
    assert found["lgserve"] == {"port": 3000}
    assert "echo" in found["graphs"]
    assert "extends" not in found


def test_without_a_config_it_fails(lgserve: Lgserve) -> None:
    result = lgserve("config", "convert", "-o", "json")
    assert (result.status, result.out) == (3, "")


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
#: What another reader of YAML might not take for text.
_TRAPS = st.sampled_from(["on", "yes", "012", "1e3", "~", "0x1f", "1_000", "2020-01-01", "<<"])
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS | _TRAPS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_whatever_is_written_is_read_back(data: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "langgraph.yaml"
        file.write_text(as_yaml(data), encoding="utf-8")
        assert read_document(file).data == data
