"""The official A2A client of both versions: messages, streams, questions, cancels, pushes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import served
from tests.clients.a2a_sdk import python_of

_HERE = Path(__file__).parent
_SECONDS = 120


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = {"lgserve": {"webhooks": {"allow_loopback": True}}}
    with served(tmp_path_factory.mktemp("a2a"), "a2a", config) as found:
        yield found


@pytest.mark.parametrize("protocol", ["1.0", "0.3"])
def test_the_official_client_does_all_that_it_can(url: str, protocol: str) -> None:
    script = _HERE / f"a2a_smoke_{protocol.replace('.', '_')}.py"
    done = subprocess.run(
        [python_of(protocol), str(script), url],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok: ") == 7
