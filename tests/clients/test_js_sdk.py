"""The JavaScript SDK, as Node runs it: client, streams, and what stands behind `useStream`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import served

SCRIPTS = Path(__file__).parent / "js"
#: The packages are kept between runs of the tests: a folder for each lock file.
CACHE = Path.home() / ".cache" / "lgserve-tests" / "js"
NEWEST = "@langchain/langgraph-sdk"
#: What npm calls the latest: an older line under a higher number.
TAGGED = "langgraph-sdk-2"
_INSTALL_SECONDS = 120
_SECONDS = 90


@pytest.fixture(scope="session")
def scripts() -> Path:
    """The folder of the scripts, beside the packages they need."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    wanted = b"".join(
        (SCRIPTS / name).read_bytes() for name in ("package.json", "package-lock.json")
    )
    folder = CACHE / hashlib.sha256(wanted).hexdigest()[:16]
    if not (folder / "installed").exists():
        _install(npm, folder)
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SCRIPTS / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci did not end: is there a registry?")
    if done.returncode:
        pytest.skip(f"npm ci failed, is there a registry? {done.stderr[-300:]}")
    (folder / "installed").touch()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("js")) as found:
        yield found


@pytest.mark.requirement("CLIENT-004")
@pytest.mark.parametrize(
    ("script", "sdk"),
    [
        ("resources", NEWEST),
        ("runs", NEWEST),
        ("streams", NEWEST),
        ("interrupts", NEWEST),
        ("use_stream", NEWEST),
        ("browser", NEWEST),
        ("thread_stream", NEWEST),
        ("resources", TAGGED),
        ("runs", TAGGED),
        ("streams", TAGGED),
        ("interrupts", TAGGED),
        ("browser", TAGGED),
    ],
)
def test_every_step_of_a_script_succeeds(url: str, scripts: Path, script: str, sdk: str) -> None:
    command = ["node", f"{script}.mjs", url, sdk]
    done = subprocess.run(
        command, cwd=scripts, capture_output=True, text=True, timeout=_SECONDS, check=False
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok: ") >= 5
