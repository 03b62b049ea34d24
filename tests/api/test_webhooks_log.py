"""The log of deliveries: who sees what of it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB
from tests.receivers import Receiver, eventually, receiver


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def _listed(http: httpx.Client, query: dict[str, str]) -> Any:
    return http.get("/webhooks", params=query).json()


def run(http: httpx.Client, hook: Receiver, **headers: str) -> str:
    """Run something with a webhook on a new thread, and return the id of its delivery."""
    thread = http.post("/threads", json={}, headers=headers).json()["thread_id"]
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": hook.url}
    before = len(hook.received)
    answer = http.post(f"/threads/{thread}/runs/wait", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return hook.wait_for(before + 1)[-1].id


def test_deliveries_are_listed_newest_first_and_page_by_page(
    http: httpx.Client, hook: Receiver
) -> None:
    ids = [run(http, hook) for _ in range(3)]
    page = http.get("/webhooks", params={"limit": 2})
    assert [row["webhook_id"] for row in page.json()] == ids[:0:-1]
    assert int(page.headers["x-pagination-total"]) >= 3
    assert page.headers["x-pagination-next"] == "2"
    rest = http.get("/webhooks", params={"limit": 1, "offset": 2}).json()
    assert [row["webhook_id"] for row in rest] == ids[:1]


def test_deliveries_are_found_by_run_thread_and_status(http: httpx.Client, hook: Receiver) -> None:
    webhook_id = run(http, hook)
    told = hook.received[0].json
    for query in (
        {"run_id": told["run_id"]},
        {"thread_id": told["thread_id"]},
        {"run_id": told["run_id"], "status": "delivered"},
    ):
        found = eventually(partial(_listed, http, query))
        assert [row["webhook_id"] for row in found] == [webhook_id]
    assert http.get("/webhooks", params={"run_id": told["run_id"], "status": "failed"}).json() == []
    shown = http.get(f"/webhooks/{webhook_id}").json()
    assert shown["payload"] == {k: v for k, v in told.items() if k != "webhook_sent_at"}


@pytest.mark.parametrize(
    "query", ["run_id=x", "thread_id=1", "status=bad", "limit=0", "limit=x", "offset=-1"]
)
def test_a_wrong_query_is_refused(http: httpx.Client, query: str) -> None:
    assert http.get(f"/webhooks?{query}").status_code == 422


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    for method, path in (("GET", ""), ("POST", "/redeliver")):
        assert http.request(method, f"/webhooks/{uuid4()}{path}").status_code == 404
        assert http.request(method, f"/webhooks/nonsense{path}").status_code == 422


def test_what_was_delivered_can_be_delivered_again_with_its_id(
    http: httpx.Client, hook: Receiver
) -> None:
    webhook_id = run(http, hook)
    eventually(lambda: http.get(f"/webhooks/{webhook_id}").json()["status"] == "delivered")
    answer = http.post(f"/webhooks/{webhook_id}/redeliver")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    first, second = hook.wait_for(2)
    assert first.id == second.id == webhook_id
    eventually(lambda: http.get(f"/webhooks/{webhook_id}").json()["status"] == "delivered")
    assert len(http.get(f"/webhooks/{webhook_id}").json()["tries"]) == 2


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("guarded-webhooks")
    with served(folder, config=API_KEYS) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_deliveries_are_their_owners(guarded: httpx.Client, hook: Receiver) -> None:
    webhook_id = run(guarded, hook, **ALICE)
    assert guarded.get("/webhooks").status_code == 401
    assert guarded.get("/webhooks", headers=BOB).json() == []
    for method, path in (("GET", ""), ("POST", "/redeliver")):
        answer = guarded.request(method, f"/webhooks/{webhook_id}{path}", headers=BOB)
        assert answer.status_code == 404
    assert [row["webhook_id"] for row in guarded.get("/webhooks", headers=ALICE).json()] == [
        webhook_id
    ]


def test_the_thread_of_a_stateless_run_still_says_whose_it_was(
    guarded: httpx.Client, hook: Receiver
) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": hook.url}
    guarded.post("/runs/wait", json=body, headers=ALICE)
    came = hook.wait_for(1)[0]
    assert guarded.get(f"/webhooks/{came.id}", headers=ALICE).status_code == 200
    assert guarded.get(f"/webhooks/{came.id}", headers=BOB).status_code == 404
    configurable = came.json["kwargs"]["config"]["configurable"]
    assert configurable["langgraph_auth_user"]["identity"] == "alice"
    assert "key-of-alice" not in came.body.decode()


def test_a_call_of_this_server_itself_comes_from_outside(guarded: httpx.Client) -> None:
    """The webhook of a run that names this server is a stranger there: no key, no access."""
    url = f"{guarded.base_url}/threads"
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": url}
    run_id = guarded.post(
        f"/threads/{guarded.post('/threads', json={}, headers=ALICE).json()['thread_id']}/runs",
        json=body,
        headers=ALICE,
    ).json()["run_id"]
    row = eventually(
        lambda: [
            row
            for row in guarded.get(f"/webhooks?run_id={run_id}", headers=ALICE).json()
            if row["status"] == "failed"
        ]
    )[0]
    assert row["status_code"] == 401


@pytest.mark.parametrize(
    ("webhook", "told"),
    [
        ("", "webhook: String should have at least 1 character"),
        (5, "webhook: Input should be a string"),
        ("http://169.254.169.254/", "Webhook host blocked: blocked IP range"),
        ("http://nosuch.invalid/", "Webhook host blocked: DNS resolution failed"),
        ("/hook", "Loopback webhooks (relative URLs and localhost) are disabled by default."),
    ],
)
def test_an_address_is_checked_when_the_run_is_created(
    http: httpx.Client, webhook: Any, told: str
) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": webhook}
    for path in ("/runs", "/runs/wait", "/runs/stream"):
        answer = http.post(path, json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(told)
    answer = http.post("/runs/batch", json=[{**body, "webhook": "http://10.0.0.1"}, body])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("[1]")


def test_a_path_alone_is_called_over_the_network_if_the_config_allows_it(tmp_path: Path) -> None:
    config = {"webhooks": {"url": {"disable_loopback": False, "require_https": False}}}
    with served(tmp_path, config=config) as url, httpx.Client(base_url=url, timeout=30) as http:
        body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": "/threads/count"}
        http.post("/runs/wait", json=body)
        row = eventually(lambda: http.get("/webhooks?status=failed").json())[0]
        assert (row["url"], row["status_code"]) == (f"{url}/threads/count", 422)


def test_switched_off_they_are_gone(tmp_path: Path, hook: Receiver) -> None:
    config = {"http": {"disable_webhooks": True}}
    with served(tmp_path, config=config) as url, httpx.Client(base_url=url, timeout=30) as http:
        assert http.get("/info").json()["capabilities"]["webhooks"] is False
        assert http.get("/webhooks").status_code == 404
        body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": hook.url}
        answer = http.post("/runs/wait", json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"] == "webhook: webhooks are disabled on this server"
        assert "/webhooks" not in http.get("/openapi.json").json()["paths"]


def test_they_are_a_capability_and_counted(http: httpx.Client, hook: Receiver) -> None:
    assert http.get("/info").json()["capabilities"]["webhooks"] is True
    webhook_id = run(http, hook)
    eventually(lambda: http.get(f"/webhooks/{webhook_id}").json()["status"] == "delivered")
    assert 'lgserve_webhook_deliveries_total{status="delivered"}' in http.get("/metrics").text
