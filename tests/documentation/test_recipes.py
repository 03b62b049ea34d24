"""docs/recipes.md: what is there to copy does what is said beside it."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.documentation.examples import DOCS, blocks
from tests.receivers import Receiver
from tests.receivers import receiver as receiving
from tests.servers import ServerProcess, command_in

PAGE = (DOCS / "recipes.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_SECONDS = 60.0
_SHOWN = re.compile(r"^# → (.*)$", re.MULTILINE)

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("curl") is None, reason="no bash or curl here"
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serve the example config with all that the page adds to it."""
    folder = tmp_path_factory.mktemp("recipes")
    config: dict[str, Any] = yaml.safe_load((DOCS.parent / "langgraph.yaml.example").read_text())
    for block in blocks(PAGE, "yaml"):
        config |= yaml.safe_load(block)
    (folder / "langgraph.yaml").write_text(yaml.safe_dump(config))
    for block in blocks(PAGE, "python"):
        if named := re.match(r"# (\w+\.py)\n", block):
            (folder / named[1]).write_text(block)
    found = ServerProcess(
        folder=folder,
        config=folder / "langgraph.yaml",
        arguments=["--no-reload"],
        environment={"HOOK_SECRET": SECRET},
    )
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def execute(command: list[str], server: ServerProcess) -> str:
    path = f"{command_in(server.folder / 'bin').parent}:{os.environ['PATH']}"
    result = subprocess.run(
        command, cwd=server.folder, env={**os.environ, "PATH": path, "LGSERVE_URL": server.url},
        capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    assert result.returncode == 0, f"{command[-1]}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("block", blocks(PAGE, "sh"), ids=lambda block: block.split("\n")[0][:60])
def test_shell_blocks_say_what_is_shown(
    server: ServerProcess, receiver: Receiver, block: str
) -> None:
    lines = [line for line in block.splitlines() if "in another terminal" not in line]
    script = "\n".join(["set -e", *lines])
    script = script.replace("http://127.0.0.1:2024", server.url)
    said = execute(["bash", "-c", script.replace("http://127.0.0.1:9000", receiver.url)], server)
    plain = said.replace('": ', '":')
    assert [text for text in _SHOWN.findall(block) if text not in (said + plain)] == []


def test_the_receiver_knows_what_is_signed(server: ServerProcess, receiver: Receiver) -> None:
    url = f"{receiver.url}/signed"
    execute(["lgserve", "runs", "start", "-a", "counter", "-i", "{}", "--webhook", url], server)
    with receiver.lock:
        assert receiver.lock.wait_for(
            lambda: any(each.path == "/signed" for each in receiver.received), _SECONDS
        )
        came = next(each for each in receiver.received if each.path == "/signed")
    is_ours = runpy.run_path(str(server.folder / "receiver.py"))["is_ours"]
    assert is_ours(came.headers, came.body, SECRET)
    assert not is_ours(came.headers, came.body + b" ", SECRET)


def test_the_python_block_runs(server: ServerProcess) -> None:
    (block,) = (text for text in blocks(PAGE, "python") if not text.startswith("# "))
    code = block.replace("http://127.0.0.1:2024", server.url)
    assert execute([sys.executable, "-c", code], server) == "1\n"


def test_the_client_config_is_json() -> None:
    (block,) = blocks(PAGE, "json")
    assert json.loads(block)["mcpServers"]["my-agents"]["url"].endswith("/mcp")
