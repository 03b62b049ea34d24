"""What is whose: with a built-in authenticator everything has an owner, whom nobody can change.

The tests with ghsa or cl in their names are advisories and bugs that other servers had to fix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lgserve.core.ids import system_assistant_id
from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB, seed
from tests.receivers import eventually


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("owners"), config=API_KEYS) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def alice(guarded: httpx.Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.base_url, headers=ALICE, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def bob(guarded: httpx.Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.base_url, headers=BOB, timeout=30) as client:
        yield client


def test_a_key_is_taken_from_either_header(guarded: httpx.Client) -> None:
    for header in ({"x-api-key": "key-of-alice"}, {"Authorization": "Bearer key-of-alice"}):
        made = guarded.post("/threads", json={}, headers=header)
        assert made.json()["metadata"] == {"owner": "alice"}


def test_the_bearer_token_counts_where_the_sdk_adds_a_key_of_its_own(
    guarded: httpx.Client,
) -> None:
    headers = {"x-api-key": "of-langsmith", "Authorization": "bearer key-of-alice"}
    assert guarded.post("/threads/count", json={}, headers=headers).status_code == 200


@pytest.mark.requirement("AUTH-011")
def test_studio_opens_nothing(guarded: httpx.Client) -> None:
    answer = guarded.post("/threads/search", json={}, headers={"x-auth-scheme": "langsmith"})
    assert answer.status_code == 401


def test_a_preflight_needs_no_key_and_a_refusal_can_be_read(guarded: httpx.Client) -> None:
    page = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert guarded.options("/threads", headers=page).is_success

    refused = guarded.post("/threads", json={}, headers={"Origin": "https://app.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")


def test_an_odd_spelling_of_a_public_path_opens_nothing(guarded: httpx.Client) -> None:
    for path in ("/ok/../threads/search", "//threads/search", "/threads/search;/ok", "/ok/x"):
        assert guarded.post(path, json={}).status_code in (401, 404, 405)
        assert "thread_id" not in guarded.post(path, json={}).text


def test_the_owner_cannot_be_forged_or_given_away(alice: httpx.Client, bob: httpx.Client) -> None:
    thread = alice.post("/threads", json={"metadata": {"owner": "bob"}}).json()
    assert thread["metadata"] == {"owner": "alice"}

    changed = alice.patch(
        f"/threads/{thread['thread_id']}", json={"metadata": {"owner": None, "k": 1}}
    ).json()
    assert changed["metadata"] == {"owner": "alice", "k": 1}

    assistant = alice.post(
        "/assistants", json={"graph_id": "echo", "metadata": {"owner": "bob"}}
    ).json()
    assert assistant["metadata"] == {"owner": "alice"}
    changed = alice.patch(
        f"/assistants/{assistant['assistant_id']}", json={"metadata": {"owner": "bob"}}
    ).json()
    assert changed["metadata"] == {"owner": "alice"}

    run = alice.post(
        f"/threads/{thread['thread_id']}/runs",
        json={
            "assistant_id": "echo",
            "input": {"text": "x"},
            "metadata": {"owner": "bob"},
            "config": {"metadata": {"owner": "bob"}},
        },
    ).json()
    assert run["metadata"]["owner"] == "alice"
    found = alice.get(f"/threads/{thread['thread_id']}/runs/{run['run_id']}/join")
    assert found.status_code == 200
    after = alice.get(f"/threads/{thread['thread_id']}").json()
    assert after["metadata"]["owner"] == "alice"
    assert bob.get(f"/threads/{thread['thread_id']}").status_code == 404


def test_a_thread_that_a_run_makes_belongs_to_who_asked(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    thread_id = str(uuid4())
    body = {
        "assistant_id": "echo",
        "input": {"text": "x"},
        "if_not_exists": "create",
        "metadata": {"owner": "bob"},
    }
    assert alice.post(f"/threads/{thread_id}/runs/wait", json=body).status_code == 200

    assert alice.get(f"/threads/{thread_id}").json()["metadata"]["owner"] == "alice"
    assert bob.get(f"/threads/{thread_id}").status_code == 404


def test_a_filter_by_another_owner_finds_nothing(alice: httpx.Client, bob: httpx.Client) -> None:
    seed(alice, ALICE)
    wanted = {"metadata": {"owner": "alice"}}

    assert bob.post("/threads/search", json=wanted).json() == []
    assert bob.post("/threads/count", json=wanted).json() == 0
    assert bob.post("/assistants/search", json=wanted).json() == []
    found = alice.post("/threads/search", json=wanted)
    assert {thread["metadata"]["owner"] for thread in found.json()} == {"alice"}
    assert int(found.headers["x-pagination-total"]) == alice.post("/threads/count", json={}).json()


def test_the_system_s_assistants_are_everybody_s_to_run_and_nobody_s_to_change(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    echo = system_assistant_id("echo")

    for client in (alice, bob):
        assert client.get("/assistants/echo").json()["assistant_id"] == echo
        mine = client.post("/assistants/search", json={"graph_id": "echo", "limit": 100}).json()
        assert echo in [assistant["assistant_id"] for assistant in mine]
        for named in ("echo", echo):
            body = {"assistant_id": named, "input": {"text": "x"}}
            assert client.post("/runs/wait", json=body).json()["log"] == ["a:x", "b"]
        assert client.patch("/assistants/echo", json={"name": "mine"}).status_code == 404
        assert client.delete(f"/assistants/{echo}").status_code == 404


def test_nobody_can_pass_an_assistant_off_as_the_system_s(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    forged = {"graph_id": "echo", "metadata": {"created_by": "system"}}
    refused = alice.post("/assistants", json=forged)
    assert refused.status_code == 422
    assert refused.json() == {"detail": "metadata.created_by: 'system' is reserved"}

    made = alice.post("/assistants", json={"graph_id": "echo"}).json()
    path = f"/assistants/{made['assistant_id']}"
    assert alice.patch(path, json={"metadata": forged["metadata"]}).status_code == 422
    assert bob.get(path).status_code == 404


@pytest.mark.requirement("AUTH-005")
def test_the_run_knows_its_user_and_a_client_cannot_say_otherwise(alice: httpx.Client) -> None:
    forged = {
        "langgraph_auth_user": {"identity": "bob"},
        "langgraph_auth_user_id": "bob",
        "langgraph_auth_permissions": ["all"],
        "user_id": "bob",
    }
    body = {"assistant_id": "show", "input": {}, "config": {"configurable": forged}}
    seen = alice.post("/runs/wait", json=body).json()["seen"]

    assert seen["configurable"]["langgraph_auth_user"] == {
        "identity": "alice",
        "display_name": "alice",
        "is_authenticated": True,
        "permissions": [],
    }
    assert seen["configurable"]["langgraph_auth_user_id"] == "alice"
    assert seen["configurable"]["langgraph_auth_permissions"] == []
    assert seen["configurable"]["user_id"] == "alice"
    assert seen["context"] == {"user": "anon", "level": 1}


def test_an_assistant_s_config_cannot_say_who_runs_it(alice: httpx.Client) -> None:
    config = {"configurable": {"langgraph_auth_user_id": "bob", "user_id": "bob"}}
    made = alice.post("/assistants", json={"graph_id": "show", "config": config}).json()
    body = {"assistant_id": made["assistant_id"], "input": {}}
    seen = alice.post("/runs/wait", json=body).json()["seen"]["configurable"]

    assert (seen["langgraph_auth_user_id"], seen["user_id"]) == ("alice", "alice")


def test_the_store_in_a_graph_is_the_owner_s_own(alice: httpx.Client, bob: httpx.Client) -> None:
    place = {"namespace": "memo.notes", "key": "last"}
    mark = str(uuid4())
    body = {"assistant_id": "memo", "input": {"text": mark}}
    assert alice.post("/runs/wait", json=body).json()["log"] == [f"stored:{mark}"]

    assert alice.get("/store/items", params=place).json()["value"] == {"text": mark}
    assert bob.get("/store/items", params=place).json() is None
    assert bob.post("/store/namespaces", json={"prefix": ["memo"]}).json() == {"namespaces": []}


def test_cancelling_all_runs_cancels_one_s_own(alice: httpx.Client, bob: httpx.Client) -> None:
    hers, his = seed(alice, ALICE), seed(bob, BOB)

    assert bob.post("/runs/cancel", json={"status": "all"}).status_code == 204

    assert _status(alice, hers.waiting_run_id) == "pending"
    assert _status(bob, his.waiting_run_id) == "interrupted"


def test_deleting_an_assistant_with_its_threads_deletes_one_s_own(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    hers, his = seed(alice, ALICE), seed(bob, BOB)
    path = f"/assistants/{his.assistant_id}?delete_threads=true"

    assert alice.delete(path).status_code == 404
    assert bob.get(f"/threads/{his.thread_id}").status_code == 200
    assert bob.delete(path).status_code == 204
    assert bob.get(f"/threads/{his.thread_id}").status_code == 404
    assert alice.get(f"/threads/{hers.thread_id}").status_code == 200


def test_ghsa_747p_c922_m55f_no_run_on_a_thread_of_somebody_else(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    hers = seed(alice, ALICE)
    body = {"assistant_id": "echo", "input": {"text": "mine now"}, "multitask_strategy": "rollback"}

    for thread_id in (hers.thread_id, hers.busy_thread_id):
        for way in ("", "/wait", "/stream"):
            for created in ({}, {"if_not_exists": "create"}):
                answer = bob.post(f"/threads/{thread_id}/runs{way}", json={**body, **created})
                assert answer.status_code == 404
                assert answer.json() == {"detail": "Thread or assistant not found."}
    assert len(alice.get(f"/threads/{hers.thread_id}/runs").json()) == 1
    assert _status(alice, hers.waiting_run_id) == "pending"


def test_cl_0_14_if_exists_and_if_not_exists_take_over_nothing(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    hers = seed(alice, ALICE)

    thread = {"thread_id": hers.thread_id, "if_exists": "do_nothing", "metadata": {"k": 1}}
    refused = bob.post("/threads", json=thread)
    assert (refused.status_code, hers.mark in refused.text) == (409, False)
    assistant = {"assistant_id": hers.assistant_id, "graph_id": "echo", "if_exists": "do_nothing"}
    refused = bob.post("/assistants", json=assistant)
    assert (refused.status_code, hers.mark in refused.text) == (409, False)
    assert alice.get(f"/threads/{hers.thread_id}").json()["metadata"]["owner"] == "alice"
    assert alice.post("/threads", json=thread).json()["metadata"]["note"] == hers.mark


def test_ghsa_jfj5_wrj9_63x4_a_run_needs_an_assistant_that_its_user_may_read(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    hers = seed(alice, ALICE)
    own = bob.post("/threads", json={}).json()["thread_id"]

    for path in ("/runs", "/runs/wait", "/runs/stream", f"/threads/{own}/runs"):
        answer = bob.post(path, json={"assistant_id": hers.assistant_id, "input": {"text": "x"}})
        assert answer.status_code == 404
        assert answer.json() == {"detail": "Thread or assistant not found."}


def test_ghsa_2c9q_c2q9_qgqv_no_webhook_comes_back_as_a_call_from_inside(
    alice: httpx.Client,
) -> None:
    for webhook in ("/threads", "/internal/x"):
        body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": webhook}
        assert alice.post("/runs/wait", json=body).status_code == 422

    # In development this machine may be called; then it is a call like any other's.
    thread = alice.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": f"{alice.base_url}/threads"}
    assert alice.post(f"/threads/{thread}/runs/wait", json=body).status_code == 200
    told = eventually(
        lambda: [
            row
            for row in alice.get("/webhooks", params={"thread_id": thread}).json()
            if row["status"] == "failed"
        ]
    )
    assert [row["status_code"] for row in told] == [401]


def test_cl_0_12_store_searches_stay_with_their_owner_whatever_their_filter(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    hers = seed(alice, ALICE)

    for wanted in ({}, {"filter": {"note": hers.mark}}, {"namespace_prefix": [hers.mark]}):
        answer = bob.post("/store/items/search", json={"namespace_prefix": [], **wanted})
        assert hers.mark not in answer.text
    assert hers.mark not in bob.get("/store/namespaces").text
    assert hers.mark in alice.get("/store/namespaces").text


def test_cl_0_7_36_crons_are_behind_the_same_door(guarded: httpx.Client) -> None:
    for path in ("/runs/crons/search", "/runs/crons/count", "/runs/crons"):
        assert guarded.post(path, json={}).status_code == 401


def _status(client: httpx.Client, run_id: str) -> Any:
    return client.get(f"/runs/{run_id}").json()["status"]
