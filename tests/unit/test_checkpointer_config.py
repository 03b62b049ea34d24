"""The config's `checkpointer` block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lgserve.checkpointer_config import CheckpointerConfig
from lgserve.core.errors import ConfigurationError
from lgserve.core.models import ThreadTtl
from lgserve.project_config import ProjectConfig, load_project
from lgserve.settings import ServerFlags, load_settings


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ProjectConfig]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.py").touch()
    file = tmp_path / "langgraph.yaml"

    def load(block: str) -> ProjectConfig:
        file.write_text(f"graphs: {{agent: ./agent.py:graph}}\n{block}")
        return load_project(file)

    return load


Load = Callable[[str], ProjectConfig]


@pytest.mark.parametrize("text", ["", "checkpointer:\n", "checkpointer: {}\n"])
def test_without_the_block_threads_are_kept(load: Load, text: str) -> None:
    project = load(text)

    assert (project.checkpointer, project.warnings) == (CheckpointerConfig(), ())
    assert project.checkpointer.default_ttl is None


def test_the_block_is_read_whole(load: Load) -> None:
    project = load(
        "checkpointer:\n  ttl: {strategy: keep_latest, default_ttl: 0.5,"
        " sweep_interval_minutes: 2, sweep_limit: 7}\n"
    )

    assert project.checkpointer == CheckpointerConfig(
        default_ttl=ThreadTtl(strategy="keep_latest", minutes=0.5),
        sweep_interval_minutes=2,
        sweep_limit=7,
    )
    assert project.warnings == ()


def test_defaults_are_those_of_the_field(load: Load) -> None:
    found = load("checkpointer: {ttl: {default_ttl: 43200}}\n").checkpointer

    assert found.default_ttl == ThreadTtl(strategy="delete", minutes=43200)
    assert (found.sweep_interval_minutes, found.sweep_limit) == (5, 1000)


def test_what_lgserve_does_not_act_upon_is_a_warning(load: Load) -> None:
    project = load("checkpointer:\n  path: ./a.py:b\n  serde: {pickle_fallback: true}\n")

    assert project.warnings == (
        "langgraph.yaml, line 4: checkpointer.serde has no effect in this version of lgserve",
    )


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("5", "checkpointer must be a mapping of keys to values"),
        ("{tll: {}}", "checkpointer.tll: unknown key"),
        ("{ttl: 5}", "checkpointer.ttl must be a mapping of keys to values"),
        ("{ttl: {default: 5}}", "checkpointer.ttl.default: unknown key"),
        ("{ttl: {strategy: keep}}", "checkpointer.ttl.strategy must be delete or keep_latest"),
        ("{ttl: {default_ttl: 0}}", "checkpointer.ttl.default_ttl must be a number of minutes"),
        ("{ttl: {default_ttl: true}}", "checkpointer.ttl.default_ttl must be a number of minutes"),
        (
            "{ttl: {sweep_interval_minutes: '5'}}",
            "checkpointer.ttl.sweep_interval_minutes must be a number of minutes",
        ),
        ("{ttl: {sweep_limit: 0}}", "checkpointer.ttl.sweep_limit must be a positive number"),
    ],
)
def test_a_wrong_block_is_refused_by_name(load: Load, block: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(f"checkpointer: {block}\n")

    assert refused.value.message.startswith(f"langgraph.yaml, line 2: {message}")


@pytest.mark.parametrize(
    ("value", "minutes", "strategy"),
    [
        ("60", 60, "delete"),
        ("0.5", 0.5, "delete"),
        ('{"default_ttl": 7, "strategy": "keep_latest"}', 7, "keep_latest"),
    ],
)
def test_the_environment_comes_before_the_block(
    load: Load, monkeypatch: pytest.MonkeyPatch, value: str, minutes: float, strategy: Any
) -> None:
    path = load("checkpointer: {ttl: {default_ttl: 5, sweep_limit: 9}}\n").path
    monkeypatch.setenv("LANGGRAPH_THREAD_TTL", value)

    found = load_settings(ServerFlags(config=path)).project.checkpointer

    wanted = ThreadTtl(strategy=strategy, minutes=minutes)
    assert found == CheckpointerConfig(default_ttl=wanted)


def test_an_empty_variable_says_nothing(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    path = load("checkpointer: {ttl: {default_ttl: 5}}\n").path
    monkeypatch.setenv("LANGGRAPH_THREAD_TTL", "")

    found = load_settings(ServerFlags(config=path)).project.checkpointer

    assert found.default_ttl == ThreadTtl(minutes=5)


@pytest.mark.parametrize("value", ["soon", "-1", "[]", '{"ttl": 5}'])
def test_a_wrong_variable_is_refused_by_name(
    load: Load, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    path = load("").path
    monkeypatch.setenv("LANGGRAPH_THREAD_TTL", value)

    with pytest.raises(ConfigurationError, match=r"^LANGGRAPH_THREAD_TTL\."):
        load_settings(ServerFlags(config=path))
