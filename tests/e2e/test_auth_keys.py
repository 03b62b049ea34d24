"""Keys and a server that runs: made and revoked beside it, heeded at once, kept over a restart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.servers import ServerProcess, project


def key(server: ServerProcess, *arguments: str) -> dict[str, str]:
    """Run `lgserve auth key` on the server's data folder."""
    command = [sys.executable, "-m", "lgserve", "auth", "key", *arguments, "-o", "json"]
    done = subprocess.run(
        [*command, "-c", str(server.config), "--data", str(server.folder / "data")],
        capture_output=True,
        check=True,
        timeout=60,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def status(server: ServerProcess, text: str) -> int:
    headers = {"x-api-key": text}
    answer = httpx.post(f"{server.url}/threads/search", json={}, headers=headers, timeout=30)
    return answer.status_code


def test_a_key_opens_at_once_over_restarts_and_until_it_is_revoked(tmp_path: Path) -> None:
    config = project(tmp_path)
    written = json.loads(config.read_text())
    config.write_text(json.dumps({**written, "lgserve": {"auth": {"type": "api_keys"}}}))
    server = ServerProcess(folder=tmp_path, config=config, arguments=["--no-reload"])
    before = key(server, "create", "alice")
    server.start()
    try:
        meanwhile = key(server, "create", "bob")
        assert [status(server, each["key"]) for each in (before, meanwhile)] == [200, 200]

        key(server, "revoke", meanwhile["key_id"], "--yes")
        assert [status(server, each["key"]) for each in (before, meanwhile)] == [200, 401]

        assert server.stop() == 0
        server.start()
        assert [status(server, each["key"]) for each in (before, meanwhile)] == [200, 401]
        for each in (before, meanwhile):
            assert each["key"] not in server.log
    finally:
        server.kill()


def test_a_server_whose_auth_does_not_load_does_not_serve(tmp_path: Path) -> None:
    config = project(tmp_path)
    written = json.loads(config.read_text())
    (tmp_path / "guard.py").write_text("raise RuntimeError('no directory')\n")
    config.write_text(json.dumps({**written, "auth": {"path": "./guard.py:guard"}}))

    done = subprocess.run(
        [sys.executable, "-m", "lgserve", "serve", "-c", str(config), "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 3
    assert "auth.path" in done.stderr
    assert "no directory" in done.stderr
