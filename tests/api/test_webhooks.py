"""Webhooks of runs, at real receivers: what they are told, of every way a run can end."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.receivers import Received, Receiver, eventually, receiver

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def run_of(hook: Receiver, graph: str, given: Any, **more: Any) -> dict[str, Any]:
    return {"assistant_id": graph, "input": given, "webhook": f"{hook.url}/hook", **more}


def new_thread(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).json()["thread_id"])


def only(hook: Receiver) -> Received:
    return hook.wait_for(1)[0]


async def test_a_run_tells_its_webhook_what_it_came_to(
    client: LangGraphClient, hook: Receiver
) -> None:
    thread = (await client.threads.create())["thread_id"]
    run = await client.runs.create(
        thread, "echo", input={"text": "hi"}, metadata={"m": 1}, webhook=f"{hook.url}/hook?a=1"
    )
    await client.runs.join(thread, run["run_id"])

    came = only(hook)
    told = came.json
    assert came.path == "/hook?a=1"
    assert came.headers["content-type"] == "application/json"
    assert came.headers["webhook-timestamp"].isdigit()
    assert "webhook-signature" not in came.headers
    stored = await client.runs.get(thread, run["run_id"])
    assert {name: told[name] for name in stored if name != "updated_at"} == {
        name: value for name, value in stored.items() if name != "updated_at"
    }
    assert told["values"] == {"text": "hi", "log": ["a:hi", "b"], "n": 2}
    assert told["status"] == "success"
    assert told["kwargs"]["webhook"] == f"{hook.url}/hook?a=1"
    moments = [told[f"{name}_at"] for name in ("run_started", "run_ended", "webhook_sent")]
    assert moments == sorted(moments)
    assert "error" not in told
    assert "interrupts" not in told


@pytest.mark.parametrize("path", ["/runs", "/runs/wait", "/runs/stream"])
def test_every_way_to_create_a_run_takes_a_webhook(
    http: httpx.Client, hook: Receiver, path: str
) -> None:
    for prefix in ("", f"/threads/{new_thread(http)}"):
        body = run_of(hook, "echo", {"text": path})
        assert http.post(prefix + path, json=body).status_code == 200
    for came in hook.wait_for(2):
        assert came.json["values"]["log"] == [f"a:{path}", "b"]
    assert len({came.id for came in hook.received}) == 2


def test_each_run_of_a_batch_has_its_own(http: httpx.Client, hook: Receiver) -> None:
    bodies = [run_of(hook, "echo", {"text": str(n)}) for n in range(3)]
    created = http.post("/runs/batch", json=bodies).json()
    told = {came.json["run_id"] for came in hook.wait_for(3)}
    assert told == {run["run_id"] for run in created}


def test_a_run_of_protocol_v2_takes_one(http: httpx.Client, hook: Receiver) -> None:
    params = {"assistant_id": "echo", "input": {"text": "v2"}, "webhook": hook.url}
    answer = http.post(
        f"/threads/{new_thread(http)}/commands",
        json={"id": 1, "method": "run.start", "params": params},
    )
    assert answer.json()["type"] == "success"
    assert only(hook).json["values"]["text"] == "v2"


def test_a_run_of_protocol_v2_with_a_wrong_one_is_refused(http: httpx.Client) -> None:
    params = {"assistant_id": "echo", "input": {"text": "v2"}, "webhook": "ftp://a.com"}
    answer = http.post(
        f"/threads/{new_thread(http)}/commands",
        json={"id": 1, "method": "run.start", "params": params},
    ).json()
    assert (answer["type"], answer["error"]) == ("error", "invalid_argument")


def test_what_fails_is_told_with_its_error(http: httpx.Client, hook: Receiver) -> None:
    thread = new_thread(http)
    http.post(f"/threads/{thread}/runs/wait", json=run_of(hook, "boom", {"text": "x"}))
    told = only(hook).json
    assert told["status"] == "error"
    assert told["error"]["error"] == "ValueError"
    assert told["values"]["text"] == "x"


def test_what_waits_for_an_answer_shows_its_interrupts(http: httpx.Client, hook: Receiver) -> None:
    thread = new_thread(http)
    http.post(f"/threads/{thread}/runs/wait", json=run_of(hook, "ask", {"q": "name?"}))
    told = only(hook).json
    shown = http.get(f"/threads/{thread}").json()["interrupts"]
    assert told["status"] == "success"
    assert told["interrupts"] == next(iter(shown.values()))
    assert told["values"]["__interrupt__"] == told["interrupts"]

    body = run_of(hook, "ask", None, command={"resume": "Ada"})
    http.post(f"/threads/{thread}/runs/wait", json=body)
    told = hook.wait_for(2)[1].json
    assert "interrupts" not in told
    assert "__interrupt__" not in told["values"]


def test_a_stateless_run_that_waits_shows_its_interrupts_too(
    http: httpx.Client, hook: Receiver
) -> None:
    http.post("/runs/wait", json=run_of(hook, "ask", {"q": "name?"}))
    told = only(hook).json
    assert len(told["interrupts"]) == 1
    assert told["values"]["__interrupt__"] == told["interrupts"]


def test_a_run_that_stops_before_a_node_can_be_told_from_one_that_is_done(
    http: httpx.Client, hook: Receiver
) -> None:
    thread = new_thread(http)
    body = run_of(hook, "echo", {"text": "x"}, interrupt_before=["b"])
    http.post(f"/threads/{thread}/runs/wait", json=body)
    told = only(hook).json
    assert (told["interrupts"], told["values"]["__interrupt__"]) == ([], [])


def test_a_stateless_run_that_is_deleted_with_its_end_is_told_whole(
    http: httpx.Client, hook: Receiver
) -> None:
    http.post("/runs/wait", json=run_of(hook, "echo", {"text": "gone"}))
    told = only(hook).json
    assert http.get(f"/threads/{told['thread_id']}").status_code == 404
    assert told["values"]["log"] == ["a:gone", "b"]
    assert told["kwargs"]["temporary"] is True

    http.post("/runs/wait", json=run_of(hook, "boom", {"text": "gone"}))
    assert hook.wait_for(2)[1].json["error"]["error"] == "ValueError"


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
@pytest.mark.parametrize("begun", [True, False], ids=["running", "pending"])
def test_a_cancelled_run_is_told(
    http: httpx.Client, hook: Receiver, action: str, begun: bool
) -> None:
    thread = new_thread(http)
    later: dict[str, Any] = {} if begun else {"after_seconds": 600}
    body = run_of(hook, "slow", {"seconds": 30, "ticks": 300}, **later)
    run = http.post(f"/threads/{thread}/runs", json=body).json()
    wanted = "running" if begun else "pending"
    one = f"/threads/{thread}/runs/{run['run_id']}"
    eventually(lambda: http.get(one).json()["status"] == wanted)
    http.post(f"{one}/cancel", params={"action": action, "wait": "true"})
    told = only(hook).json
    assert told["status"] == "interrupted"
    assert (
        told["error"]["error"] == {"interrupt": "UserInterrupt", "rollback": "UserRollback"}[action]
    )
    assert told["cancel_reason"] == "user"
    assert (told["run_started_at"] is not None) == begun


def test_a_run_that_was_superseded_says_so(http: httpx.Client, hook: Receiver) -> None:
    thread = new_thread(http)
    body = run_of(hook, "slow", {"seconds": 30, "ticks": 300})
    http.post(f"/threads/{thread}/runs", json=body)
    other = {"assistant_id": "echo", "input": {"text": "x"}, "multitask_strategy": "interrupt"}
    http.post(f"/threads/{thread}/runs/wait", json=other)
    told = only(hook).json
    assert (told["status"], told["cancel_reason"]) == ("interrupted", "superseded")


def test_a_run_whose_thread_is_deleted_is_told_once(http: httpx.Client, hook: Receiver) -> None:
    thread = new_thread(http)
    body = run_of(hook, "slow", {"seconds": 30, "ticks": 300})
    http.post(f"/threads/{thread}/runs", json=body)
    http.delete(f"/threads/{thread}")
    assert only(hook).json["cancel_reason"] == "deleted"
    assert http.get("/webhooks", params={"thread_id": thread}).headers["x-pagination-total"] == "1"


def test_a_run_that_takes_too_long_is_told(tmp_path: Path, hook: Receiver) -> None:
    config = {"lgserve": {"run_timeout_seconds": 0.3}}
    with served(tmp_path, config=config) as url, httpx.Client(base_url=url, timeout=30) as http:
        http.post("/runs/wait", json=run_of(hook, "slow", {"seconds": 30, "ticks": 300}))
        told = only(hook).json
        assert (told["status"], told["error"]["error"]) == ("timeout", "TimeoutError")


def test_an_input_that_speaks_of_webhooks_is_none(http: httpx.Client, hook: Receiver) -> None:
    given = {"text": 'x"webhook":"http://a.com"', "webhook": hook.url}
    answer = http.post("/runs/wait", json={"assistant_id": "echo", "input": given})
    assert answer.status_code == 200
    http.post(
        "/runs/wait", json=run_of(hook, "echo", {"text": '{"webhook":null}', "webhook": None})
    )
    assert only(hook).json["kwargs"]["input"]["text"] == '{"webhook":null}'
    assert len(hook.received) == 1


def test_large_values_arrive_whole(http: httpx.Client, hook: Receiver) -> None:
    text = "x" * 3_000_000
    http.post("/runs/wait", json=run_of(hook, "echo", {"text": text}))
    assert only(hook).json["values"]["text"] == text


def test_a_cron_carries_one(http: httpx.Client, hook: Receiver) -> None:
    body = run_of(hook, "echo", {"text": "cron"}, schedule="0 0 1 1 *")
    cron = http.post("/runs/crons", json=body)
    assert cron.status_code == 200, cron.text
    http.post(f"/runs/crons/{cron.json()['cron_id']}/trigger")
    assert only(hook).json["values"]["text"] == "cron"
    for method, path in (("POST", ""), ("PATCH", f"/{cron.json()['cron_id']}")):
        wrong = http.request(method, f"/runs/crons{path}", json={**body, "webhook": "ftp://a.com"})
        assert wrong.status_code == 422
        assert wrong.json()["detail"] == "Webhook host blocked: scheme 'ftp' not allowed"
    http.delete(f"/runs/crons/{cron.json()['cron_id']}")


def test_a_cron_shows_its_webhook_without_the_password_and_uses_it_with(
    http: httpx.Client, hook: Receiver
) -> None:
    url, shown = (hook.url.replace("://", f"://me:{word}@") for word in ("se%3Acret", "***"))
    body = {**run_of(hook, "echo", {"text": "cron"}, schedule="0 0 1 1 *"), "webhook": url}
    made = http.post("/runs/crons", json=body).json()
    path = f"/runs/crons/{made['cron_id']}"
    changed = http.patch(path, json={"webhook": shown, "input": {"text": "other"}}).json()
    (found,) = http.post("/runs/crons/search", json={"limit": 1}).json()
    views = (made, http.get(path).json(), changed, found)
    assert [view["payload"]["webhook"] for view in views] == [shown] * 4
    http.post(f"{path}/trigger")
    came = only(hook)
    assert base64.b64decode(came.headers["authorization"].removeprefix("Basic ")) == b"me:se:cret"
    http.delete(path)


def test_a_loopback_address_is_called_however_it_is_written(
    http: httpx.Client, hook: Receiver
) -> None:
    hosts = ("127.1", "0x7f.1", "2130706433", "localhost.", "[::ffff:127.0.0.1]")
    for host in hosts:
        url = hook.url.replace("127.0.0.1", host)
        body = {"assistant_id": "echo", "input": {"text": host}, "webhook": url}
        assert http.post("/runs/wait", json=body).status_code == 200
    assert {came.json["values"]["text"] for came in hook.wait_for(5)} == set(hosts)


def verified(came: Received, key: bytes) -> bool:
    """Check a signature as a receiver would, by the specification alone."""
    stamp = came.headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < 60
    signed = f"{came.id}.{stamp}.{came.body.decode()}".encode()
    wanted = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return f"v1,{wanted}" in came.headers["webhook-signature"].split(" ")


def test_a_secret_signs_each_try_with_one_id(tmp_path: Path, hook: Receiver) -> None:
    hook.statuses = [503, 500, 200]
    config = {"lgserve": {"webhooks": {"secret": SECRET}}}
    with served(tmp_path, config=config) as url, httpx.Client(base_url=url, timeout=30) as http:
        http.post("/runs/wait", json=run_of(hook, "echo", {"text": "x"}))
        tries = hook.wait_for(3)
        assert all(verified(came, KEY) for came in tries)
        assert len({came.id for came in tries}) == 1
        done = eventually(lambda: http.get("/webhooks?status=delivered").json())[0]
        assert (done["attempts"], done["status_code"], done["error"]) == (3, 200, None)
        shown = http.get(f"/webhooks/{done['webhook_id']}").json()
        assert [each["status_code"] for each in shown["tries"]] == [503, 500, 200]


def test_the_project_says_which_headers_and_members_are_sent(
    tmp_path: Path, hook: Receiver
) -> None:
    config = {
        "env": {"LG_WEBHOOK_TOKEN": "t0ken"},
        "webhooks": {
            "headers": {"X-Token": "Bearer ${{ env.LG_WEBHOOK_TOKEN }}", "user-agent": "mine"},
            "allowed_fields": ["run_id", "status", "webhook_sent_at", "values"],
        },
    }
    with served(tmp_path, config=config) as url, httpx.Client(base_url=url, timeout=30) as http:
        http.post("/runs/wait", json=run_of(hook, "echo", {"text": "x"}))
        came = only(hook)
        assert came.headers["x-token"] == "Bearer t0ken"
        assert came.headers["user-agent"] == "mine"
        assert set(came.json) == {"run_id", "status", "webhook_sent_at", "values"}


def test_a_user_in_the_address_is_basic_authentication(http: httpx.Client, hook: Receiver) -> None:
    url = hook.url.replace("://", "://me:se%3Acret@")
    http.post("/runs/wait", json={"assistant_id": "echo", "input": {"text": "x"}, "webhook": url})
    came = only(hook)
    assert base64.b64decode(came.headers["authorization"].removeprefix("Basic ")) == b"me:se:cret"
    assert "se%3Acret" not in http.get(f"/webhooks/{came.id}").json()["url"]


def test_the_password_of_an_address_is_told_to_nobody(http: httpx.Client, hook: Receiver) -> None:
    url = hook.url.replace("://", "://me:se%3Acret@")
    thread = new_thread(http)
    http.post(f"/threads/{thread}/runs/wait", json={**run_of(hook, "echo", {}), "webhook": url})
    came = only(hook)

    shown = hook.url.replace("://", "://me:***@")
    (run,) = http.get(f"/threads/{thread}/runs").json()
    delivery = http.get(f"/webhooks/{came.headers['webhook-id']}").json()
    for told in (came.json, run, delivery["payload"]):
        assert told["kwargs"]["webhook"] == shown


def test_redirects_are_not_followed(http: httpx.Client, hook: Receiver) -> None:
    with receiver() as inside:
        hook.statuses, hook.answer_headers = [307], {"Location": f"{inside.url}/internal"}
        http.post("/runs/wait", json=run_of(hook, "echo", {"text": "x"}))
        came = only(hook)
        shown = eventually(
            lambda: (one := http.get(f"/webhooks/{came.id}").json())["status"] == "failed" and one
        )
        assert shown["error"].startswith("HTTP 307: redirects are not followed")
        assert inside.received == []


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_is_not_tried_again(http: httpx.Client, hook: Receiver, status: int) -> None:
    hook.statuses = [status]
    http.post("/runs/wait", json=run_of(hook, "echo", {"text": "x"}))
    came = only(hook)
    shown = eventually(
        lambda: (one := http.get(f"/webhooks/{came.id}").json())["status"] == "failed" and one
    )
    assert (shown["attempts"], shown["error"]) == (1, f"HTTP {status}")
    assert (shown["next_attempt_at"], shown["tries"][0]["response"]) == (None, "ok")


def test_one_who_says_when_to_come_back_is_left_alone_until_then(
    http: httpx.Client, hook: Receiver
) -> None:
    hook.statuses, hook.answer_headers = [429], {"Retry-After": "1800"}
    http.post("/runs/wait", json=run_of(hook, "echo", {"text": "x"}))
    came = only(hook)
    shown = eventually(lambda: (one := http.get(f"/webhooks/{came.id}").json())["error"] and one)
    assert shown["status"] == "pending"
    assert (shown["created_at"] < shown["next_attempt_at"], shown["attempts"]) == (True, 1)
    hook.statuses = [200]
    assert http.post(f"/webhooks/{came.id}/redeliver").status_code == 202
    assert hook.wait_for(2)[1].id == came.id


def test_nobody_there_is_tried_again(http: httpx.Client) -> None:
    with receiver() as gone:
        url = gone.url
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": url}
    run_id = http.post("/threads/" + new_thread(http) + "/runs", json=body).json()["run_id"]
    eventually(
        lambda: (
            [row["error"] for row in http.get("/webhooks", params={"run_id": run_id}).json()][0:]
            not in ([], [None])
        )
    )
    with receiver(port=int(url.rpartition(":")[2])) as back:
        assert only(back).json["run_id"] == run_id


def test_one_dead_receiver_holds_no_other_back(tmp_path: Path, hook: Receiver) -> None:
    config = {"lgserve": {"webhooks": {"timeout": 20}}}
    with (
        served(tmp_path, config=config) as url,
        httpx.Client(base_url=url, timeout=30) as http,
        receiver() as silent,
    ):
        silent.before = lambda: time.sleep(5)
        bodies = [run_of(silent, "echo", {"text": "x"}) for _ in range(100)]
        http.post("/runs/batch", json=bodies)
        silent.wait_for(8)
        began = time.monotonic()
        http.post("/runs/wait", json=run_of(hook, "echo", {"text": "quick"}))
        only(hook)
        assert time.monotonic() - began < 4.5
        assert len(silent.received) == 8


def test_a_receiver_that_never_answers_is_given_up_for_now(tmp_path: Path) -> None:
    config = {"lgserve": {"webhooks": {"timeout": 0.3, "retry_for": 1}}}
    with (
        served(tmp_path, config=config) as url,
        httpx.Client(base_url=url, timeout=30) as http,
        receiver() as silent,
    ):
        silent.before = lambda: time.sleep(2)
        http.post("/runs/wait", json=run_of(silent, "echo", {"text": "x"}))
        row = eventually(lambda: http.get("/webhooks?status=failed").json())[0]
        assert row["error"] == "no answer within 0.3 s"
        assert http.get("/ok").status_code == 200


def test_a_name_is_looked_up_again_when_it_is_called(
    http: httpx.Client, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was harmless when the run was created leads to the metadata service when it ends."""
    import socket

    real, seen = socket.getaddrinfo, []

    def rebound(host: Any, *more: Any, **named: Any) -> Any:
        if host != "rebind.example":
            return real(host, *more, **named)
        seen.append(host)
        return real("93.184.216.34" if len(seen) == 1 else "169.254.169.254", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": "http://rebind.example/"}
    answer = http.post(f"/threads/{new_thread(http)}/runs", json=body)
    assert answer.status_code == 200, answer.text
    run = {"run_id": answer.json()["run_id"]}
    row = eventually(
        lambda: [r for r in http.get("/webhooks", params=run).json() if r["status"] == "failed"]
    )[0]
    assert row["error"] == "Webhook host blocked: blocked IP range"
    assert row["attempts"] == 1
