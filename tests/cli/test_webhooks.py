from __future__ import annotations

import base64
import contextlib
import hmac
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.receivers import Receiver, eventually, receiver

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def delivered(real: Lgserve, hook: Receiver) -> str:
    """Run something with a webhook, and return the id of its delivery when it has arrived."""
    before = len(hook.received)
    given = ["-a", "echo", "-i", '{"text": "x"}', "--webhook", hook.url, "--stateless"]
    assert real("runs", "start", *given).status == 0
    webhook_id = hook.wait_for(before + 1)[-1].id
    eventually(lambda: real("webhooks", "show", webhook_id, "-o", "json").json["ended_at"])
    return webhook_id


def test_deliveries_are_listed_the_latest_first(real: Lgserve, hook: Receiver) -> None:
    ids = [delivered(real, hook), delivered(real, hook)]
    result = real("webhooks", "list", "--limit", "2")
    assert (result.status, result.err) == (0, "")
    assert result.table[0] == ["ID", "RUN", "STATUS", "TRIES", "CREATED", "NEXT", "ANSWER", "URL"]
    assert [row[0] for row in result.table[1:]] == ids[::-1]
    assert [row[2:4] + row[6:] for row in result.table[1:]] == [
        ["delivered", "1", "HTTP 200", hook.url]
    ] * 2
    assert real("webhook", "ls", "--limit", "1", "-o", "id").out == f"{ids[1]}\n"
    rows = [json.loads(line) for line in real("webhooks", "list", "-o", "jsonl").out.splitlines()]
    assert rows[0]["webhook_id"] == ids[1]


def test_deliveries_are_found_by_run_and_status(real: Lgserve, hook: Receiver) -> None:
    webhook_id = delivered(real, hook)
    run_id = hook.received[-1].json["run_id"]
    found = real("webhooks", "list", "--run", run_id, "--status", "delivered", "-o", "json")
    assert [row["webhook_id"] for row in found.json] == [webhook_id]
    assert real("webhooks", "list", "--run", run_id, "--status", "failed", "-o", "json").json == []


def test_one_delivery_is_shown_with_its_tries_and_its_payload(
    real: Lgserve, hook: Receiver
) -> None:
    webhook_id = delivered(real, hook)
    shown = dict(real("webhooks", "show", webhook_id).table)
    assert (shown["webhook"], shown["status"]) == (webhook_id, "delivered")
    assert shown["try"].startswith("1  ")
    assert json.loads(shown["payload"])["values"]["text"] == "x"
    found = real("webhooks", "show", webhook_id[:18], "-o", "json")
    assert found.json["payload"]["status"] == "success"


def test_a_delivery_is_repeated_with_its_id(real: Lgserve, hook: Receiver) -> None:
    webhook_id = delivered(real, hook)
    before = len(hook.received)
    result = real("webhooks", "redeliver", webhook_id, "-o", "json")
    assert (result.status, result.err) == (0, "")
    assert [row["webhook_id"] for row in result.json] == [webhook_id]
    assert hook.wait_for(before + 1)[-1].id == webhook_id


def test_all_that_was_given_up_is_repeated(real: Lgserve, hook: Receiver) -> None:
    hook.statuses = [400]
    webhook_id = delivered(real, hook)
    hook.statuses = [200]
    result = real("webhooks", "redeliver", "--failed", "-o", "id")
    assert webhook_id in result.out.split()
    assert [came.id for came in hook.wait_for(2)] == [webhook_id] * 2


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("show", MISSING), 5),
        (("redeliver", MISSING), 5),
        (("redeliver",), 2),
        (("redeliver", MISSING, "--failed"), 2),
        (("show", "zz"), 2),
        (("show",), 2),
        (("list", "--status", "bad"), 2),
        (("listen", "--secret", "hunter2"), 2),
        (("listen", "-o", "json"), 2),
        (("listen", "--port", "70000"), 2),
    ],
)
def test_what_goes_wrong_is_an_exit_code_and_nothing_on_stdout(
    real: Lgserve, arguments: tuple[str, ...], status: int
) -> None:
    result = real("webhooks", *arguments)
    assert (result.status, result.out) == (status, "")
    assert "error" in result.err
    assert "Traceback" not in result.err


def listening(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a receiver and return its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lgserve", "webhooks", "listen", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("listening on http://127.0.0.1:")
    return process, said.split()[-1]


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def signed(body: bytes, stamp: int, key: bytes = KEY) -> dict[str, str]:
    text = base64.b64encode(hmac.new(key, b"id-1.%d.%b" % (stamp, body), sha256).digest())
    return {
        "webhook-id": "id-1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": f"v1,bm9uZQ== v1,{text.decode()}",
    }


def test_a_receiver_shows_what_a_run_tells_it(real: Lgserve) -> None:
    process, url = listening("--count", "1", "--timeout", "30s")
    given = ["-a", "echo", "-i", '{"text": "x"}', "--webhook", f"{url}/hook", "--stateless"]
    assert real("runs", "start", *given).status == 0
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    row: dict[str, Any] = json.loads(out)
    assert (row["path"], row["signature"]) == ("/hook", None)
    assert row["payload"]["values"]["text"] == "x"
    assert row["webhook_id"] == row["headers"]["webhook-id"]


def test_a_receiver_checks_signatures() -> None:
    process, url = listening("--count", "4", "--timeout", "30s", "--secret", SECRET)
    now, body = int(time.time()), b'{"a":1}'
    assert post(url, body, signed(body, now)) == 200
    assert post(url, body, signed(body, now, b"another")) == 401
    assert post(url, body, signed(body, now - 3600)) == 401
    assert post(url, body, {}) == 401
    out, err = process.communicate(timeout=30)
    assert process.returncode == 8
    verdicts = [json.loads(line)["signature"] for line in out.splitlines()]
    assert verdicts == ["valid", "invalid", "invalid", "missing"]
    assert "E_SIGNATURE" in err


def test_a_receiver_stops_in_time() -> None:
    process, _ = listening("--count", "1", "--timeout", "200ms")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (124, "")
    assert "0 of 1 webhooks came in time" in err
    process, url = listening("--timeout", "2s", "--status", "503", "-o", "table")
    assert post(url, b"no json", {"webhook-id": "id-2"}) == 503
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "id-2" in out


def test_a_taken_port_is_named(real: Lgserve, hook: Receiver) -> None:
    port = hook.url.rpartition(":")[2]
    result = real("webhooks", "listen", "--port", port)
    assert (result.status, result.out) == (1, "")
    assert f"port {port} is in use" in result.err


def test_the_usual_port_makes_way_where_it_is_taken() -> None:
    command = [sys.executable, "-m", "lgserve", "webhooks", "listen", "-n", "1"]
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(OSError):  # then it is taken anyway
            taken.enter_context(socket.create_server(("127.0.0.1", 2025)))
        ended = subprocess.run(
            [*command, "--timeout", "100ms"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    moved, listening_on, *_ = ended.stderr.splitlines()
    assert moved.startswith("port 2025 is in use, so this is port ")
    assert listening_on == f"listening on http://127.0.0.1:{moved.split()[-1]}"
    assert ended.returncode == 124
