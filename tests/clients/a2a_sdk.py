"""The a2a-sdk of both major versions, each in an environment of its own that is made once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CACHE = Path.home() / ".cache" / "lgserve-tests" / "a2a"
VERSIONS = {"1.0": "1.3.0", "0.3": "0.3.26"}
_HERE = Path(__file__).parent
_SECONDS = 180


def python_of(protocol: str) -> str:
    """Return the interpreter that has the SDK for a version of the protocol."""
    wanted = VERSIONS[protocol]
    folder = CACHE / f"{wanted}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python, done = folder / "bin" / "python", folder / "complete"
    if done.exists():
        return str(python)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*install, f"a2a-sdk=={wanted}", "httpx", "httpx-sse"],
    ):
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip("pip did not end: is there a package index?")
        if ended.returncode:
            pytest.skip(f"pip failed, is there a package index? {ended.stderr[-300:]}")
    done.touch()
    return str(python)


class Schema:
    """The official schema of a version, asked over a pipe."""

    def __init__(self, protocol: str) -> None:
        script = _HERE / f"a2a_schema_{protocol.replace('.', '_')}.py"
        self._process = subprocess.Popen(
            [python_of(protocol), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def check(self, kind: str, value: Any) -> None:
        """Fail unless a value is, member by member, one of this kind."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kind, value]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer is None, f"{kind}: {answer}\n{json.dumps(value, indent=1)}"

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()
