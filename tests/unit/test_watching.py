from __future__ import annotations

from pathlib import Path

import pytest

from lgserve.settings import ServerFlags, Settings, load_settings
from lgserve.watching import CodeFilter, folders_to_watch


def settings(root: Path, **flags: object) -> Settings:
    (root / "langgraph.json").write_text(
        '{"graphs": {"a": "./agent.py:g"}, "dependencies": [".", "../lib"], "env": "../shared.env"}'
    )
    (root / "agent.py").write_text("g = 1")
    (root.parent / "lib").mkdir(exist_ok=True)
    return load_settings(ServerFlags(config=root, **flags))  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("agent.py", True),
        ("src/deep/nodes.py", True),
        ("../lib/tools.py", True),
        ("langgraph.json", True),
        ("../shared.env", True),
        ("notes.md", False),
        ("other.json", False),
        ("../elsewhere.py", False),
        (".venv/lib/x.py", False),
        ("node_modules/x.py", False),
        ("src/__pycache__/x.py", False),
        (".git/hooks/x.py", False),
        (".lgserve/x.py", False),
    ],
)
def test_code_and_config_matter_and_nothing_else(root: Path, path: str, matters: bool) -> None:
    assert CodeFilter(settings(root))((root / path).resolve()) is matters


def test_the_data_folder_does_not_matter(root: Path) -> None:
    assert not CodeFilter(settings(root, data=str(root / "db")))(root / "db" / "x.py")


def test_code_beside_the_data_matters(root: Path) -> None:
    assert CodeFilter(settings(root, data=str(root)))(root / "agent.py")


def test_patterns_say_what_matters(root: Path) -> None:
    chosen = settings(root, reload_include=("*.py", "*.md"), reload_exclude=("test_*", "drafts"))
    matters = CodeFilter(chosen)
    assert matters(root / "notes.md")
    assert not matters(root / "test_agent.py")
    assert not matters(root / "drafts" / "agent.py")


def test_named_folders_are_watched_in_place_of_the_project(root: Path) -> None:
    (root / "src").mkdir()
    chosen = settings(root, reload_dirs=(root / "src",))
    assert not CodeFilter(chosen)(root / "agent.py")
    assert CodeFilter(chosen)(root / "src" / "agent.py")


def test_folders_within_folders_are_watched_once(root: Path) -> None:
    (root / "src").mkdir()
    assert folders_to_watch(settings(root)) == [root.parent]


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("agent.py", True),
        ("generated/x.py", False),
        ("src/generated/x.py", False),
        ("out/x.py", False),
        ("src/out/x.py", True),
        ("scratch_1.py", False),
        ("scratch_kept.py", True),
        ("src/deep/down/cache/x.py", False),
        ("src/local.py", False),
        ("langgraph.json", True),
        ("../shared.env", True),
    ],
)
def test_what_gitignore_names_does_not_matter(root: Path, path: str, matters: bool) -> None:
    (root.parent / ".git").mkdir()
    (root.parent / ".gitignore").write_text("*.env\n# a remark\ngenerated/\nscratch_?*.py\n")
    (root / ".gitignore").write_text("/out/\n!scratch_kept.py\nsrc/**/cache\nlanggraph.json\n")
    (root / "src").mkdir()
    (root / "src" / ".gitignore").write_text("local.py\n")
    assert CodeFilter(settings(root))((root / path).resolve()) is matters


def test_virtual_environments_of_any_name_do_not_matter(root: Path) -> None:
    (root / "myenv").mkdir()
    (root / "myenv" / "pyvenv.cfg").touch()
    assert not CodeFilter(settings(root))(root / "myenv" / "lib" / "x.py")
