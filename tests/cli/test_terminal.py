"""`lgserve dev` in a real terminal: the screen is captured and looked at."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lgserve as package
from tests.cli.test_chat import wait_for
from tests.cli.test_metrics import SECONDS

ROOT = Path(package.__file__).parent.parent


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
def test_in_tmux_a_new_project_shows_its_banner_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "tmux.sock")]
    python = f"{shlex.quote(sys.executable)} -m lgserve"
    command = f"{python} new mine && cd mine && {python} dev --port 0; echo left with $?; cat"
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "40", command],
        check=True, cwd=tmp_path, timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    try:
        screen = wait_for(tmux, r"API +http://127\.0\.0\.1:\d+", r"Graphs +agent ✓", "Reload")
        assert "Data" in screen
        assert "Auth" in screen
        subprocess.run([*tmux, "send-keys", "C-c"], check=True)
        wait_for(tmux, "left with 0")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
