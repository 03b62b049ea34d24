"""docs/commands.md: every command has an example, every example is understood, and they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lgserve.cli.environment import API_KEY_NAMES
from lgserve.cli.main import run
from tests.documentation.examples import DOCS, Example, examples, leaf_of, leaves
from tests.servers import ServerProcess

EXAMPLES = tuple(examples((DOCS / "commands.md").read_text()))
#: Writes into the home of who runs it.
NOT_RUN = {("completion", "install")}
#: Run with no server on the database.
STOPPED = {("db", "migrate"), ("db", "vacuum"), ("db", "restore")}


def test_every_command_has_an_example() -> None:
    shown = {leaf_of(example.words)[0] for example in EXAMPLES}
    assert {path for path, _ in leaves()} - shown == set()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    """Serve the example config from a folder of its own, which is the current one."""
    for name in (*API_KEY_NAMES, "LGSERVE_URL", "LGSERVE_OUTPUT", "CI", "AI_AGENT", "CLAUDECODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "langgraph.yaml"
    config.write_text((DOCS.parent / "langgraph.yaml.example").read_text())
    found = ServerProcess(folder=tmp_path, config=config, arguments=["--no-reload"])
    monkeypatch.setenv("LGSERVE_DATA", str(tmp_path / "data"))
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def test_the_examples_run(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    variables: dict[str, str] = {}

    def execute(example: Example) -> None:
        status = run(example.arguments(variables))
        said = capsys.readouterr()
        assert status == 0, f"{example.line}\n{said.err}"
        if example.variable:
            assert len(said.out.split()) == 1, f"{example.line}\n{said.out}"
            variables[example.variable] = said.out.strip()

    runnable = [
        (leaf_of(example.words)[0], example)
        for example in EXAMPLES
        if not example.endless and leaf_of(example.words)[0] not in NOT_RUN
    ]
    for path, example in runnable:
        if path not in STOPPED:
            execute(example)
    server.stop()
    for path, example in runnable:
        if path in STOPPED:
            execute(example)
