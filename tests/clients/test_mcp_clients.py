"""Those who call tools: the Python clients of both majors, the Inspector, the conformance suite."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.api.conftest import served

SCRIPT = Path(__file__).parent / "mcp_smoke.py"
#: Kept between runs of the tests: a folder for each version.
CACHE = Path.home() / ".cache" / "lgserve-tests" / "mcp"
PACKAGES = {
    "@modelcontextprotocol/conformance": "0.1.16",
    "@modelcontextprotocol/inspector": "0.15.0",
}
#: The suite needs Node 22; this is how npm has it.
NODE = "22"
#: What a server can pass whose features are tools, and that never asks its clients anything.
SCENARIOS = (
    "server-initialize", "ping", "tools-list", "tools-call-simple-text", "tools-call-image",
    "tools-call-audio", "tools-call-embedded-resource", "tools-call-mixed-content",
    "tools-call-error", "tools-call-with-progress", "json-schema-2020-12",
    "server-sse-polling", "server-sse-multiple-streams", "dns-rebinding-protection",
)  # fmt: skip
_INSTALL_SECONDS = 180
_SECONDS = 90


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("mcp-clients"), "mcp") as found:
        yield f"{found}/mcp"


def _installed(folder: Path, commands: Sequence[Sequence[str]]) -> Path:
    """Return a folder in which some commands have succeeded once."""
    if (folder / "installed").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands:
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{command[0]} did not end: is there a registry?")
        if done.returncode:
            pytest.skip(f"{command[0]} failed, is there a registry? {done.stderr[-300:]}")
    (folder / "installed").touch()
    return folder


@pytest.mark.parametrize("wanted", ["1.30.0", "2.3.0"])
def test_the_python_client_of_a_major_does_all_it_can(url: str, wanted: str) -> None:
    pip = ["venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    folder = _installed(
        CACHE / f"python-{wanted}-{sys.version_info.minor}",
        [[sys.executable, "-m", "venv", "venv"], [*pip, f"mcp=={wanted}"]],
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [folder / "venv/bin/python", SCRIPT, url],
        env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok: ") == (1 if wanted.startswith("1.") else 3)


@pytest.fixture(scope="module")
def node() -> Path:
    """The folder of the packages of npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    wanted = [f"{name}@{number}" for name, number in PACKAGES.items()]
    flags = ["--no-audit", "--no-fund", "--foreground-scripts"]
    return _installed(
        CACHE / f"node-{NODE}-{'-'.join(PACKAGES.values())}",
        [[npm, "init", "-y"], [npm, "install", *flags, *wanted, f"node@{NODE}"]],
    )


def _run(node: Path, *command: str) -> str:
    binaries = node / "node_modules"
    path = f"{binaries / 'node/bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["node", str(binaries / ".bin" / command[0]), *command[1:]],
        env={**os.environ, "PATH": path, "HOME": str(node)},
        capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_conformance_suite_is_content(url: str, node: Path, scenario: str) -> None:
    told = _run(node, "conformance", "server", "--url", url, "--scenario", scenario)

    counts = re.search(r"Passed: (\d+)/(\d+), (\d+) failed", told)
    assert counts is not None, told
    assert counts[3] == "0", told


def test_the_inspector_lists_and_calls(url: str, node: Path) -> None:
    common = ("mcp-inspector", "--cli", url, "--transport", "http", "--method")
    listed = json.loads(_run(node, *common, "tools/list"))
    call = ("tools/call", "--tool-name", "typed", "--tool-arg", "text=abc")
    called = json.loads(_run(node, *common, *call))

    assert "typed" in {tool["name"] for tool in listed["tools"]}
    assert called["structuredContent"] == {"text": "abc", "count": 1, "log": ["abc"]}
