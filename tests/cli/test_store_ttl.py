"""What was kept for good stays so, whatever the server it moves to does by default."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.servers import ServerProcess, project


def test_an_import_keeps_for_good_what_was_kept_for_good(tmp_path: Path) -> None:
    config = project(tmp_path)
    settings = {**json.loads(config.read_text()), "store": {"ttl": {"default_ttl": 1}}}
    config.write_text(json.dumps(settings))
    server = ServerProcess(folder=tmp_path, config=config, arguments=["--no-reload"])
    server.start()
    try:
        item = {"namespace": ["a"], "key": "k", "value": {"n": 1}, "expires_at": None}
        command = [sys.executable, "-m", "lgserve", "store", "import", "-", "--url", server.url]
        subprocess.run(command, input=json.dumps(item), text=True, check=True, timeout=30)
        stored = httpx.get(f"{server.url}/store/items", params={"namespace": "a", "key": "k"})
        assert stored.json()["expires_at"] is None
    finally:
        server.stop()
