"""A project's own `langgraph_sdk.Auth`: who gets in, what handlers decide, what stays secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError

from tests.api.conftest import served


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("custom"), "guarded") as url:
        yield url


Client = Callable[[str], httpx.Client]


@pytest.fixture(scope="module")
def client_of(url: str) -> Iterator[Client]:
    """Make clients that send a token."""
    with ExitStack() as stack:

        def make(token: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {token}"}
            return stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))

        yield make


@pytest.fixture(scope="module")
def alice(client_of: Client) -> httpx.Client:
    return client_of("alice")


@pytest.fixture(scope="module")
def bob(client_of: Client) -> httpx.Client:
    return client_of("bob")


@pytest.mark.requirement("AUTH-003")
def test_the_handler_s_refusal_is_the_answer(url: str, client_of: Client) -> None:
    refused = httpx.post(f"{url}/threads/search", json={})
    assert refused.status_code == 401
    assert refused.json() == {"detail": "who are you, to POST /threads/search?"}

    late = client_of("late").get("/threads/x")
    assert (late.status_code, late.json()) == (403, {"detail": "too late"})
    assert late.headers["x-why"] == "hours"


def test_cl_0_7_69_a_401_stays_a_401_on_every_kind_of_route(url: str) -> None:
    body = {"assistant_id": "who", "input": {}}
    for path in ("/runs/stream", "/runs/wait", "/store/items/search", "/no-such-path"):
        assert httpx.post(f"{url}{path}", json=body).status_code == 401


@pytest.mark.requirement("AUTH-004")
def test_a_user_without_identity_is_400_and_a_broken_handler_500(client_of: Client) -> None:
    nobody = client_of("nobody").post("/threads/search", json={})
    assert nobody.status_code == 400
    assert nobody.json()["detail"].startswith(
        "Expected a BaseUser instance with required property: identity (str)"
    )
    broken = client_of("broken").post("/threads/search", json={})
    assert (broken.status_code, broken.json()) == (500, {"detail": "Internal Server Error"})


@pytest.mark.requirement("AUTH-011")
def test_studio_s_header_opens_nothing(url: str) -> None:
    answer = httpx.post(f"{url}/threads/search", json={}, headers={"x-auth-scheme": "langsmith"})
    assert answer.status_code == 401


def test_a_handler_finds_headers_in_bytes(url: str) -> None:
    made = httpx.post(f"{url}/threads", json={}, headers={"X-Token": "dora"})
    assert made.json()["metadata"] == {"owner": "dora"}


def test_probes_need_no_user(url: str) -> None:
    for path in ("/ok", "/ready", "/info"):
        assert httpx.get(f"{url}{path}").status_code == 200


@pytest.mark.requirement("AUTH-006")
def test_what_a_handler_writes_into_the_value_is_done(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    thread = alice.post("/threads", json={"metadata": {"owner": "bob"}}).json()

    assert thread["metadata"] == {"owner": "alice"}
    assert alice.get(f"/threads/{thread['thread_id']}").status_code == 200
    for method in ("GET", "PATCH"):
        answer = bob.request(method, f"/threads/{thread['thread_id']}", json={"metadata": {}})
        assert answer.status_code == 404


@pytest.mark.requirement("AUTH-007")
def test_filters_with_operators_choose_rows(alice: httpx.Client, bob: httpx.Client) -> None:
    mark = str(uuid4())
    shared = alice.post("/threads", json={"metadata": {"m": mark, "team": ["bob"]}}).json()
    alice.post("/threads", json={"metadata": {"m": mark, "team": "bob"}})

    found = bob.post("/threads/search", json={"metadata": {"m": mark}})
    assert [thread["thread_id"] for thread in found.json()] == [shared["thread_id"]]
    assert bob.post("/threads/count", json={"metadata": {"m": mark}}).json() == 1
    assert alice.post("/threads/count", json={"metadata": {"m": mark}}).json() == 2
    assert bob.delete(f"/threads/{shared['thread_id']}").status_code == 404
    assert alice.delete(f"/threads/{shared['thread_id']}").status_code == 204


@pytest.mark.requirement("AUTH-008")
def test_an_assertion_that_fails_is_a_403(client_of: Client) -> None:
    carol = client_of("carol")
    thread = carol.post("/threads", json={}).json()
    refused = carol.delete(f"/threads/{thread['thread_id']}")

    assert (refused.status_code, refused.json()) == (403, {"detail": "carol deletes nothing"})


@pytest.mark.requirement("AUTH-008")
def test_false_forbids_and_a_filter_that_cannot_be_applied_opens_nothing(
    alice: httpx.Client,
) -> None:
    made = alice.post("/assistants", json={"graph_id": "who"}).json()
    path = f"/assistants/{made['assistant_id']}"

    refused = alice.delete(path)
    assert (refused.status_code, refused.json()) == (403, {"detail": "Forbidden"})
    wrong = alice.patch(path, json={"name": "x"})
    assert wrong.status_code == 500
    assert "$like is none of $eq, $contains" in wrong.json()["detail"]
    assert alice.get(path).json()["name"] == "Untitled"


@pytest.mark.requirement("AUTH-009")
def test_an_owner_filter_hides_system_assistants_which_can_be_run_all_the_same(
    alice: httpx.Client,
) -> None:
    assert alice.get("/assistants/who").status_code == 404
    body = {"assistant_id": "who", "input": {"text": "x"}}
    assert alice.post("/runs/wait", json=body).json()["told"][0] == "alice"


def test_ghsa_jfj5_wrj9_63x4_a_run_asks_whether_its_assistant_may_be_read(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    made = alice.post("/assistants", json={"graph_id": "who"}).json()
    body = {"assistant_id": made["assistant_id"], "input": {"text": "x"}}

    assert alice.post("/runs/wait", json=body).status_code == 200
    refused = bob.post("/runs/wait", json=body)
    assert (refused.status_code, refused.json()) == (
        404,
        {"detail": "Thread or assistant not found."},
    )


def test_ghsa_747p_c922_m55f_no_run_on_a_thread_of_somebody_else(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    thread = alice.post("/threads", json={}).json()
    body = {"assistant_id": "who", "input": {"text": "x"}, "if_not_exists": "create"}

    assert bob.post(f"/threads/{thread['thread_id']}/runs/wait", json=body).status_code == 404
    assert alice.get(f"/threads/{thread['thread_id']}/runs").json() == []


@pytest.mark.requirement("AUTH-010")
def test_cl_0_12_the_store_is_entered_where_the_handler_says(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    item = {"namespace": ["notes"], "key": "k", "value": {"n": 1}}
    stored = alice.put("/store/items", json=item).json()
    place = {"namespace": "notes", "key": "k"}

    assert stored["namespace"] == ["alice", "notes"]
    assert alice.get("/store/items", params=place).json()["value"] == {"n": 1}
    assert bob.get("/store/items", params=place).json() is None
    assert bob.get("/store/items", params={**place, "namespace": "alice.notes"}).json() is None
    assert bob.post("/store/items/search", json={"namespace_prefix": []}).json() == {"items": []}
    assert bob.post("/store/namespaces", json={}).json() == {"namespaces": []}
    assert bob.request("DELETE", "/store/items", json=item).status_code == 204
    assert alice.post("/store/namespaces", json={}).json() == {"namespaces": [["alice", "notes"]]}


@pytest.mark.requirement("AUTH-005")
def test_the_graph_gets_the_whole_user_and_nobody_else_does(alice: httpx.Client) -> None:
    thread_id = alice.post("/threads", json={}).json()["thread_id"]
    body = {
        "assistant_id": "who",
        "input": {"text": "x"},
        "stream_mode": [
            "values", "updates", "debug", "events", "checkpoints", "tasks", "messages", "custom",
        ],
        "stream_resumable": True,
    }  # fmt: skip
    streamed = alice.post(f"/threads/{thread_id}/runs/stream", json=body)
    secret = "secret-of-alice"

    runs = alice.get(f"/threads/{thread_id}/runs")
    run_id = runs.json()[0]["run_id"]
    told = ["alice", "alice", len(secret), "alice", "alice", ["chat"]]
    assert alice.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["told"] == told
    shown = (
        streamed.text,
        runs.text,
        alice.get(f"/runs/{run_id}").text,
        alice.get(f"/threads/{thread_id}").text,
        alice.get(f"/threads/{thread_id}/state").text,
        alice.get(f"/threads/{thread_id}/history?limit=100").text,
        alice.get(f"/runs/{run_id}/stream", headers={"Last-Event-ID": "-1"}).text,
        alice.post("/threads/search", json={}).text,
    )
    assert all(secret not in text and "alice" in text for text in shown)
    assert runs.json()[0]["kwargs"]["config"]["configurable"]["langgraph_auth_user"] == {
        "identity": "alice",
        "display_name": "alice",
        "is_authenticated": True,
        "permissions": ["chat"],
    }


def test_a_factory_is_told_who_asks_for_the_state_too(alice: httpx.Client) -> None:
    thread_id = alice.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "asks", "input": {"text": "x"}}
    told: Any = alice.post(f"/threads/{thread_id}/runs/wait", json=body).json()

    assert told["told"] == "alice"
    run_id = alice.get(f"/threads/{thread_id}/runs").json()[0]["run_id"]
    for path in ("state", "history", f"runs/{run_id}/join"):
        assert alice.get(f"/threads/{thread_id}/{path}").status_code == 200
    update = {"values": {"text": "y"}, "as_node": "tell"}
    assert alice.post(f"/threads/{thread_id}/state", json=update).status_code == 200


async def test_the_sdk_s_client_is_kept_apart_as_well(url: str) -> None:
    hers = get_client(url=url, headers={"Authorization": "Bearer alice"})
    his = get_client(url=url, headers={"Authorization": "Bearer bob"})
    async with hers, his:
        thread = await hers.threads.create()
        await hers.runs.wait(thread["thread_id"], "who", input={"text": "x"})
        await hers.store.put_item(("sdk",), "k", {"n": 1})

        for read in (
            his.threads.get(thread["thread_id"]),
            his.threads.get_state(thread["thread_id"]),
            his.runs.list(thread["thread_id"]),
        ):
            with pytest.raises(NotFoundError):
                await read
        assert (await his.store.search_items(()))["items"] == []


def test_no_client_passes_an_assistant_off_as_the_server_s_own(alice: httpx.Client) -> None:
    forged = {"graph_id": "who", "metadata": {"created_by": "system"}}
    refused = alice.post("/assistants", json=forged)
    made = alice.post("/assistants", json={"graph_id": "who"}).json()
    patched = alice.patch(f"/assistants/{made['assistant_id']}", json=forged)

    detail = {"detail": "metadata.created_by: 'system' is reserved"}
    assert (refused.status_code, refused.json()) == (422, detail)
    assert (patched.status_code, patched.json()) == (422, detail)
