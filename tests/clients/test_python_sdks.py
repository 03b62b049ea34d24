"""Older versions of the Python SDK, which people keep for long: each does all that it knows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.api.conftest import served

SCRIPT = Path(__file__).parent / "sdk_smoke.py"
#: Each version is kept in a folder, without what it depends on: that is here already.
CACHE = Path.home() / ".cache" / "lgserve-tests" / "python"
OLDER = ("0.3.5", "0.3.15", "0.4.0", "0.4.7")
_SECONDS = 90


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("sdks")) as found:
        yield found


def _installed(wanted: str) -> Path:
    """Return the folder of a version, which is installed once."""
    folder = CACHE / wanted
    if (folder / "langgraph_sdk").exists():
        return folder
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--target", str(folder), f"langgraph-sdk=={wanted}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("pip did not end: is there a package index?")
    if done.returncode:
        pytest.skip(f"pip failed, is there a package index? {done.stderr[-300:]}")
    return folder


def _smoke(url: str, folder: Path | None, wanted: str) -> None:
    environment = {**os.environ, "PYTHONPATH": "" if folder is None else str(folder)}
    command = [sys.executable, str(SCRIPT), url, wanted]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok: ") == 8


@pytest.mark.requirement("CLIENT-003")
@pytest.mark.parametrize("wanted", OLDER)
def test_an_older_sdk_does_all_that_it_knows(url: str, wanted: str) -> None:
    _smoke(url, _installed(wanted), wanted)


def test_the_sdk_of_this_environment_does_the_same(url: str) -> None:
    _smoke(url, None, version("langgraph-sdk"))
