"""`lgserve doctor --fix`: what it puts right, and that it loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lgserve.cli.repairs import check_faults, find_faults

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve


@pytest.fixture
def neglected(tmp_path: Path) -> Path:
    """A project with all that can be put right."""
    (tmp_path / "graph.py").write_text("graph = None\n")
    (tmp_path / "langgraph.json").write_text('{"graphs": {"g": "./graph.py:graph"}, "env": ".env"}')
    (tmp_path / ".env.example").write_text("A=1\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".lgserve").mkdir(mode=0o755)
    (tmp_path / ".lgserve").chmod(0o755)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    state = {"pid": gone.pid, "url": "http://127.0.0.1:1"}
    (tmp_path / ".lgserve" / "server.json").write_text(json.dumps(state))
    return tmp_path


def checks_of(result: Any) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in result.json}


def test_faults_are_told_and_then_put_right(lgserve: Lgserve, neglected: Path) -> None:
    told = checks_of(lgserve("doctor", "-o", "json"))
    for name in ("state", "env", "access", "git"):
        assert (told[name]["status"], told[name]["fix"]) == ("warning", "lgserve doctor --fix")
    assert not (neglected / ".env").exists()
    fixed = checks_of(lgserve("doctor", "--fix", "-o", "json"))
    for name in ("state", "env", "access", "git"):
        assert fixed[name]["status"] == "ok"
        assert fixed[name]["message"].startswith("fixed: ")
    assert (neglected / ".env").read_text() == "A=1\n"
    assert (neglected / ".lgserve").stat().st_mode & 0o777 == 0o700
    assert not (neglected / ".lgserve" / "server.json").exists()
    assert list(find_faults(None)) == []


def test_the_word_of_a_living_server_stays(neglected: Path) -> None:
    file = neglected / ".lgserve" / "server.json"
    file.write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:1"}))
    list(check_faults(None, fix=True))
    assert file.exists()


def test_what_cannot_be_mended_is_a_failure(neglected: Path) -> None:
    (neglected / ".env.example").unlink()
    (neglected / ".env.example").symlink_to("/proc/self/mem")
    found = {check.check: check for check in check_faults(None, fix=True)}
    assert "env" not in found or found["env"].status == "failed"
