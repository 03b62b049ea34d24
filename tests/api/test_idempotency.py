"""`Idempotency-Key`: a request that is sent again is not carried out again."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB
from tests.api.run_tools import ENDLESS, frames_of, names, new_thread, until
from tests.servers import serving

ECHO = {"assistant_id": "echo", "input": {"text": "x"}}
VALUES = {"text": "x", "log": ["a:x", "b"], "n": 2}
REPLAYED = "Idempotent-Replayed"


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"key-{uuid4()}"}


def runs_of(http: httpx.Client, thread_id: str) -> list[Any]:
    found: list[Any] = http.get(f"/threads/{thread_id}/runs").json()
    return found


@pytest.mark.requirement("HTTP-019")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/threads", {"metadata": {"a": 1, "b": 2}}),
        ("/assistants", {"graph_id": "echo", "name": "n"}),
        ("/runs", ECHO),
        ("/runs", {**ECHO, "on_completion": "keep", "after_seconds": 600}),
        ("/runs/batch", [ECHO, {**ECHO, "on_completion": "keep"}]),
        ("/threads/{thread_id}/runs", ECHO),
        ("/threads/{thread_id}/copy", {}),
    ],
)
def test_the_same_request_gets_the_same_answer(http: httpx.Client, path: str, body: Any) -> None:
    path, headers = path.format(thread_id=new_thread(http)), key()
    first = http.post(path, json=body, headers=headers)
    again = http.post(path, json=body, headers=headers)

    assert first.status_code == 200, first.text
    assert (again.status_code, again.content) == (200, first.content)
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert again.headers.get("Content-Location") == first.headers.get("Content-Location")
    assert http.post(path, json=body, headers=key()).content != first.content


def test_how_the_body_is_written_does_not_matter(http: httpx.Client) -> None:
    headers = key()
    first = http.post("/threads", content=b'{"metadata":{"a":1,"b":2}}', headers=headers)
    again = http.post("/threads", content=b'{ "metadata": {"b": 2, "a": 1} }', headers=headers)

    assert again.json() == first.json()


@pytest.mark.requirement("HTTP-019")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/threads", {"metadata": {"a": 2}}),
        ("/threads", {"metadata": {"a": True}}),
        ("/assistants", {"graph_id": "echo"}),
        ("/runs/wait", ECHO),
    ],
)
def test_a_key_that_was_used_for_another_request_is_refused(
    http: httpx.Client, path: str, body: Any
) -> None:
    headers = key()
    assert http.post("/threads", json={"metadata": {"a": 1}}, headers=headers).is_success
    answer = http.post(path, json=body, headers=headers)

    assert answer.status_code == 409
    assert "was used before" in answer.json()["detail"]


@pytest.mark.parametrize("wrong", ["", "x" * 256, "é"])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/threads", {}), ("/assistants", {"graph_id": "echo"}), ("/runs", ECHO),
     ("/runs/wait", ECHO), ("/runs/stream", ECHO), ("/runs/batch", [ECHO])],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused(
    http: httpx.Client, path: str, body: Any, wrong: str
) -> None:
    headers = {"Idempotency-Key": wrong.encode()}
    answer = http.post(path, json=body, headers=headers)  # type: ignore[arg-type]

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Idempotency-Key")


def test_what_was_refused_may_be_sent_again(http: httpx.Client) -> None:
    headers, thread_id = key(), str(uuid4())
    path = f"/threads/{thread_id}/runs"
    assert http.post(path, json=ECHO, headers=headers).status_code == 404
    http.post("/threads", json={"thread_id": thread_id})

    assert http.post(path, json=ECHO, headers=headers).status_code == 200
    assert len(runs_of(http, thread_id)) == 1


@pytest.mark.requirement("HTTP-019")
@pytest.mark.parametrize("path", ["/threads", "/runs", "/runs/wait", "/runs/batch"])
def test_requests_at_the_same_time_create_once(http: httpx.Client, path: str) -> None:
    headers, mark = key(), str(uuid4())
    run = {**ECHO, "metadata": {"mark": mark}, "on_completion": "keep"}
    bodies = {"/threads": {"metadata": {"mark": mark}}, "/runs/batch": [run]}

    def post(_: int) -> httpx.Response:
        return http.post(path, json=bodies.get(path, run), headers=headers)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(post, range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    found = http.post("/threads/search", json={"metadata": {"mark": mark}}).json()
    assert len(found) == 1


@pytest.mark.parametrize("where", ["thread", "kept", "deleted"])
def test_a_wait_that_is_sent_again_gets_the_result_of_its_run(
    http: httpx.Client, where: str
) -> None:
    path, body, headers = "/runs/wait", {**ECHO, "on_completion": "keep"}, key()
    if where == "thread":
        path = f"/threads/{new_thread(http)}{path}"
    if where == "deleted":
        body = ECHO
    first = http.post(path, json=body, headers=headers)
    if where == "thread":  # the thread goes on; the answer is that of then
        http.post(path, json={**ECHO, "input": {"text": "later"}})
    again = http.post(path, json=body, headers=headers)

    assert first.json() == again.json() == VALUES
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers[REPLAYED] == "true"


def test_a_wait_that_is_sent_again_joins_its_run_while_that_runs(http: httpx.Client) -> None:
    thread_id, headers = new_thread(http), key()
    path = f"/threads/{thread_id}/runs"
    body = {"assistant_id": "slow", "input": {"seconds": 0.5, "ticks": 2}}

    def wait(_: int) -> Any:
        return http.post(f"{path}/wait", json=body, headers=headers).json()

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(wait, range(3)))
    assert [answer["log"] for answer in answers] == [["first", "slept"]] * 3
    assert len(runs_of(http, thread_id)) == 1


@pytest.mark.parametrize("stateless", [False, True])
def test_a_failed_wait_fails_again_without_running_again(
    http: httpx.Client, stateless: bool
) -> None:
    path = "/runs/wait" if stateless else f"/threads/{new_thread(http)}/runs/wait"
    headers, body = key(), {"assistant_id": "boom", "input": {"text": "x"}}
    answers = [http.post(path, json=body, headers=headers).json() for _ in range(2)]

    assert answers == [{"__error__": {"error": "ValueError", "message": "boom: x"}}] * 2


@pytest.mark.parametrize("stateless", [False, True])
def test_a_stream_that_is_sent_again_starts_from_its_first_event(
    http: httpx.Client, stateless: bool
) -> None:
    path = "/runs/stream" if stateless else f"/threads/{new_thread(http)}/runs/stream"
    body = {
        "assistant_id": "slow", "input": {"seconds": 0.6, "ticks": 3},
        "stream_mode": ["custom", "values"],
    }  # fmt: skip
    headers = key()
    with http.stream("POST", path, json=body, headers=headers) as cut:
        lines = cut.iter_lines()
        seen = [next(lines) for _ in range(8)]
    again = http.post(path, json=body, headers=headers)
    frames = list(frames_of(iter(again.text.split("\r\n"))))

    assert again.text.split("\r\n")[:8] == seen
    assert names(frames).count("custom") >= 3
    assert frames[-1][1]["log"] == ["first", "slept"]
    assert again.headers["Location"] == cut.headers["Location"]
    assert again.headers[REPLAYED] == "true"

    late = http.post(path, json=body, headers=headers)
    told = list(frames_of(iter(late.text.split("\r\n"))))
    assert told[0] == frames[0]
    assert told[-1] == frames[-1]
    assert stateless or told == frames


def test_a_stateless_stream_that_failed_tells_its_error_again(http: httpx.Client) -> None:
    headers, body = key(), {"assistant_id": "boom", "input": {"text": "x"}}
    answers = [http.post("/runs/stream", json=body, headers=headers).text for _ in range(2)]
    told = [list(frames_of(iter(answer.split("\r\n")))) for answer in answers]

    assert told[0][-1] == told[1][-1] == ("error", {"error": "ValueError", "message": "boom: x"})
    assert told[1][0] == told[0][0]


def test_a_run_that_was_rolled_back_is_not_run_again(http: httpx.Client) -> None:
    thread_id, headers = new_thread(http), key()
    path = f"/threads/{thread_id}/runs"
    run = http.post(path, json=ENDLESS, headers=headers).json()
    http.post(f"{path}/{run['run_id']}/cancel", params={"action": "rollback", "wait": "1"})

    assert http.post(path, json=ENDLESS, headers=headers).json() == run
    assert runs_of(http, thread_id) == []


def test_a_stateless_wait_that_was_cancelled_before_it_began_says_so_again(
    http: httpx.Client,
) -> None:
    headers, body = key(), {**ECHO, "after_seconds": 600}
    run = http.post("/runs", json=body, headers=headers).json()
    http.post(f"/runs/{run['run_id']}/cancel", params={"wait": "1"})

    assert http.post("/runs", json=body, headers=headers).json() == run


@pytest.mark.parametrize(
    ("what", "how"),
    [
        *itertools.product(("thread", "chosen", "supersteps"), ("delete", "prune", "expiry")),
        ("copy", "delete"),
        ("copy", "prune"),
    ],
)
def test_a_thread_takes_its_keys_with_it_so_that_it_can_be_created_anew(
    http: httpx.Client, what: str, how: str
) -> None:
    updates = [{"values": {"text": "x"}, "as_node": "__input__"}]
    members: dict[str, Any] = {
        "chosen": {"thread_id": str(uuid4())},
        "supersteps": {"metadata": {"graph_id": "echo"}, "supersteps": [{"updates": updates}]},
    }
    body = {"ttl": {"ttl": 0.005 if how == "expiry" else 60}, **members.get(what, {})}
    path, headers = "/threads", key()
    if what == "copy":
        path = f"/threads/{http.post(path, json=body).json()['thread_id']}/copy"
    first = http.post(path, json=body, headers=headers).json()["thread_id"]
    if how == "delete":
        assert http.delete(f"/threads/{first}").status_code == 204
    if how == "prune":
        http.post("/threads/prune", json={"thread_ids": [first]})
    until(lambda: http.get(f"/threads/{first}").status_code == 404)

    again = http.post(path, json=body, headers=headers)

    assert again.status_code == 200, again.text
    assert (again.json()["thread_id"] == first) == (what == "chosen")
    assert REPLAYED not in again.headers


def test_a_key_belongs_to_its_owner(tmp_path: Path) -> None:
    headers = key()
    with served(tmp_path, config=API_KEYS) as url, httpx.Client(base_url=url) as http:
        hers = http.post("/threads", json={}, headers={**ALICE, **headers}).json()
        his = http.post("/threads", json={}, headers={**BOB, **headers}).json()
        again = http.post("/threads", json={}, headers={**ALICE, **headers}).json()

    assert hers["thread_id"] == again["thread_id"] != his["thread_id"]


async def test_the_sdk_sends_a_key_with_every_creation(client: LangGraphClient) -> None:
    headers = key()
    threads = [await client.threads.create(headers=headers) for _ in range(2)]
    assert threads[0] == threads[1]
    thread_id, headers = threads[0]["thread_id"], key()
    waited = [
        await client.runs.wait(thread_id, "echo", input={"text": "x"}, headers=headers)
        for _ in range(2)
    ]
    assert waited == [VALUES, VALUES]
    headers = key()
    streams = [
        [
            part
            async for part in client.runs.stream(
                thread_id, "echo", input={"text": "y"}, headers=headers
            )
        ]
        for _ in range(2)
    ]
    assert streams[0] == streams[1]
    assert len(await client.runs.list(thread_id)) == 2


@pytest.mark.requirement("HTTP-019")
def test_a_request_repeated_after_a_crash_has_created_once(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        thread_id = httpx.post(f"{server.url}/threads", json={}).json()["thread_id"]
        requests = [
            (f"crash-{n}", path, {**ECHO, "metadata": {"n": n}, "on_completion": "keep"})
            for n in range(24)
            for path in ("/runs", f"/threads/{thread_id}/runs")
        ]
        requests = [(f"{name}-{len(path)}", path, body) for name, path, body in requests]

        def send(request: tuple[str, str, Any]) -> tuple[str, Any] | None:
            name, path, body = request
            try:
                answer = httpx.post(
                    f"{server.url}{path}", json=body, headers={"Idempotency-Key": name}, timeout=30
                )
            except httpx.HTTPError:
                return None
            return name, answer.json()["run_id"]

        with ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(send, request) for request in requests]
            until(lambda: sum(each.done() for each in sent) > 10)
            server.kill()
            first = dict(found for each in sent if (found := each.result()) is not None)
        server.start()
        again = dict(found for request in requests if (found := send(request)) is not None)

        assert len(again) == len(requests)
        assert first.items() <= again.items()
        with get_sync_client(url=server.url) as client:
            runs = client.runs.list(thread_id, limit=100)
            stateless = client.threads.search(limit=100, metadata={"graph_id": "echo"})
        assert sorted(run["metadata"]["n"] for run in runs) == list(range(24))  # type: ignore[index]
        numbers = [thread["metadata"].get("n") for thread in stateless]  # type: ignore[union-attr]
        assert sorted(n for n in numbers if n is not None) == list(range(24))
