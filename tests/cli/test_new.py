"""`lgserve new`: each template runs at once; nothing is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lgserve as package
from tests.servers import ServerProcess

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

ROOT = Path(package.__file__).parent.parent
TEMPLATES = ("agent", "chat", "approval", "empty")
#: What to say to each, and what it answers.
TALK = {
    "agent": ("what is 2 + 3?\n", "The result is 5"),
    "chat": ("hello\nagain\n", "That was message 2."),
    "approval": ("tidy up\nyes\n", "Done: tidy up"),
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_is_served_at_once(
    lgserve: Lgserve, tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    result = lgserve("new", str(folder), "--template", template)
    assert result.status == 0, result.err
    commands = result.out.splitlines()
    assert commands[0] == f"cd {folder} && lgserve dev"
    assert len(commands) == 2
    assert {"README.md", ".gitignore", "langgraph.yaml"} <= {file.name for file in folder.iterdir()}
    server = ServerProcess(
        folder=folder, config=folder / "langgraph.yaml", arguments=["--no-reload"]
    )
    server.start()
    try:
        if template == "empty":
            words = ("runs", "start", "-a", "graph", "-i", '{"text": "hello"}')
            monkeypatch.setenv("LGSERVE_URL", server.url)
            assert lgserve(*words).json["answer"] == "You said: hello"
        else:
            said, answered = TALK[template]
            done = subprocess.run(
                [sys.executable, "-m", "lgserve", *commands[1].split()[1:]],
                input=said, capture_output=True, text=True, timeout=60, check=False,
                env={**os.environ, "PYTHONPATH": str(ROOT), "LGSERVE_URL": server.url},
            )  # fmt: skip
            assert (done.returncode, answered in done.stdout) == (0, True), done
    finally:
        server.stop()


def test_the_graphs_of_every_template_import(lgserve: Lgserve, tmp_path: Path) -> None:
    for template in TEMPLATES:
        folder = tmp_path / f"import_{template}"
        assert lgserve("new", str(folder), "-t", template).status == 0
        done = subprocess.run(
            [sys.executable, "-m", "lgserve", "config", "validate", str(folder), "--import"],
            capture_output=True, text=True, timeout=60, check=False, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done


def test_a_folder_with_something_in_it_is_refused(lgserve: Lgserve, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    result = lgserve("new", str(tmp_path), "-o", "json")
    error = json.loads(result.err)["error"]
    assert (result.status, result.out, error["code"]) == (6, "", "E_CONFLICT")
    assert "mine.txt" in error["message"]
    assert lgserve("new", str(tmp_path / "mine.txt")).status == 6
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_current_folder_will_do_if_only_git_is_there(lgserve: Lgserve, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    result = lgserve("new")
    assert result.out.splitlines()[0] == "lgserve dev"
    assert (tmp_path / "agent.py").exists()


def test_as_json_it_tells_files_and_commands(lgserve: Lgserve, tmp_path: Path) -> None:
    item = lgserve("new", "a b", "-t", "empty", "-o", "json").json
    assert item["next"][0] == "cd 'a b' && lgserve dev"
    assert "graph.py" in item["files"]


def test_templates_are_listed_and_unknown_ones_refused(lgserve: Lgserve) -> None:
    listed = [row["template"] for row in lgserve("new", "--list", "-o", "json").json]
    assert listed == list(TEMPLATES)
    result = lgserve("new", "x", "-t", "nothing")
    assert (result.status, result.out) == (2, "")
    assert not Path("x").exists()
