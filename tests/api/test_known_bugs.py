"""Bugs that other servers have shipped, one test each; the name begins with where it was reported.

Those of owners and authentication are in `test_auth_owners.py` and `test_auth_custom.py`; a busy
port (CL 0.7.95) is in `cli/test_dev.py`, and a cancelled run of a dead worker (CL 0.13) in
`conformance/storage/test_storage_leases.py` too.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lgserve.engine.stream_modes import frame
from lgserve.server import Server
from lgserve.settings import ServerFlags, load_settings
from tests.api.conftest import served
from tests.api.run_tools import (
    create,
    join_stream,
    names,
    new_thread,
    start,
    state,
    status,
    stream,
    thread_status,
    until,
    wait,
)
from tests.servers import ServerProcess, project

PARENT = {"assistant_id": "parent", "input": {"text": "t"}, "stream_resumable": True}


def resumable(http: httpx.Client, **body: Any) -> tuple[str, str, list[Any]]:
    """Stream a resumable run to its end; return its ids and its frames."""
    thread_id = new_thread(http)
    frames = stream(http, f"/threads/{thread_id}/runs/stream", {**PARENT, **body})
    return thread_id, http.get(f"/threads/{thread_id}/runs").json()[0]["run_id"], frames


# --- streams


def test_lg_7778_a_join_by_mode_keeps_the_events_of_subgraphs(http: httpx.Client) -> None:
    modes = ["updates", "values"]
    thread_id, run_id, sent = resumable(http, stream_mode=modes, stream_subgraphs=True)
    joined = join_stream(http, thread_id, run_id, last="-1", modes="updates")

    wanted = [name for name in names(sent) if name.split("|")[0] == "updates"]
    assert any("|" in name for name in wanted)
    assert [name for name in names(joined) if name.split("|")[0] != "metadata"] == wanted


def test_lgjs_2330_a_join_has_the_subgraphs_its_run_was_created_with(http: httpx.Client) -> None:
    for subgraphs in (True, False):
        thread_id, run_id, _ = resumable(http, stream_mode="updates", stream_subgraphs=subgraphs)
        joined = join_stream(http, thread_id, run_id, last="-1")
        assert any("|" in name for name in names(joined)) is subgraphs


def test_cl_0_7_32_a_join_names_several_modes(http: httpx.Client) -> None:
    thread_id, run_id, _ = resumable(http, stream_mode=["updates", "values", "tasks"])
    joined = join_stream(http, thread_id, run_id, last="-1", modes="updates,values")

    assert {"updates", "values"} <= set(names(joined)) <= {"metadata", "updates", "values"}


def test_cl_0_7_32_no_field_of_a_stream_can_hold_a_line_break() -> None:
    name, sent = frame("custom|a\r\nevent: forged\n\ndata: {}", b"1")

    assert sent == b"event: custom|a  event: forged  data: {}\r\ndata: 1\r\n", name


def test_cl_0_6_0_and_0_4_40_each_event_comes_once_after_every_possible_cut(
    http: httpx.Client,
) -> None:
    thread_id, run_id, _ = resumable(http, stream_mode=["updates", "values"], stream_subgraphs=True)
    path = f"/threads/{thread_id}/runs/{run_id}/stream"

    def ids(last: str) -> list[str]:
        text = http.get(path, headers={"Last-Event-ID": last}).text
        return [line[4:] for line in text.split("\r\n") if line.startswith("id: ")]

    everything = ids("-1")
    assert len(everything) == len(set(everything)) > 5
    for place, event_id in enumerate(everything):
        assert ids(event_id) == everything[place + 1 :]


def test_cl_0_7_23_a_reader_of_a_fast_run_sees_its_first_event(http: httpx.Client) -> None:
    for _ in range(20):
        frames = stream(http, "/runs/stream", {"assistant_id": "echo", "input": {"text": "x"}})
        assert names(frames)[:2] == ["metadata", "values"]


# --- ends of runs


FLAKY = """
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import RetryPolicy

tries = []

def flaky(state):
    tries.append(1)
    if len(tries) < 3:
        raise ConnectionError("not yet")
    return {"messages": ["done"]}

policy = RetryPolicy(initial_interval=0.001, max_interval=0.001)
graph = (
    StateGraph(MessagesState)
    .add_node("flaky", flaky, retry_policy=policy)
    .add_edge("__start__", "flaky")
    .compile()
)
"""


def test_cl_0_16_a_failure_that_is_tried_again_reaches_no_client(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "flaky_graph.py").write_text(FLAKY)
    (source / "langgraph.json").write_text('{"graphs": {"flaky": "./flaky_graph.py:graph"}}')
    body = {"assistant_id": "flaky", "input": {"messages": []}, "stream_mode": "updates"}
    with served(tmp_path, str(source)) as url, httpx.Client(base_url=url) as client:
        assert names(stream(client, "/runs/stream", body)) == ["metadata", "updates"]


def test_aegra_601_a_failed_run_is_an_error_where_it_is_waited_for(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    waited = wait(http, thread_id, "boom", input={"text": "x"})
    run_id = http.get(f"/threads/{thread_id}/runs").json()[0]["run_id"]
    joined = http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()

    assert waited["__error__"]["error"] == joined["__error__"]["error"] == "ValueError"


def test_cl_0_15_the_word_interrupt_in_a_state_is_no_interrupt(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    values = wait(http, thread_id, "echo", input={"text": "__interrupt__"})

    assert "__interrupt__" not in values
    assert thread_status(http, thread_id) == "idle"
    assert http.get(f"/threads/{thread_id}").json()["interrupts"] == {}


def test_ag_ui_2178_several_interrupts_are_answered_by_their_ids(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    asked = wait(http, thread_id, "fan", input={"items": ["x", "y"]})["__interrupt__"]
    ids = {each["value"]["item"]: each["id"] for each in asked}
    answers = {ids["x"]: "X", ids["y"]: "Y"}

    done = wait(http, thread_id, "fan", command={"resume": answers})
    assert done["out"] == ["x=X", "y=Y"]


def test_sdk_0_4_14_an_unknown_interrupt_fails_a_strict_resume(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    asked = wait(http, thread_id, "ask", input={})["__interrupt__"]
    unknown = {"resume": {"0" * 32: "x"}}
    refused = wait(http, thread_id, "ask", command=unknown, strict_resume=True)

    assert refused["__error__"]["error"] == "UnknownInterruptError"
    (waiting,) = http.get(f"/threads/{thread_id}").json()["interrupts"].values()
    assert [each["id"] for each in waiting] == [each["id"] for each in asked]


def test_cl_0_7_68_a_rollback_brings_the_values_back(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    before = wait(http, thread_id, "echo", input={"text": "kept"})
    run_id = start(http, thread_id)
    path = f"/threads/{thread_id}/runs/{run_id}/cancel"
    assert http.post(path, params={"action": "rollback", "wait": "1"}).status_code == 200

    assert state(http, thread_id)["values"]["log"] == before["log"]
    assert http.get(f"/threads/{thread_id}").json()["values"]["log"] == before["log"]


def test_cl_0_16_a_run_whose_thread_is_deleted_ends_its_stream(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    path = f"/threads/{thread_id}/runs/{run_id}/stream"
    with http.stream("GET", path) as reading:
        assert reading.status_code == 200
        assert http.delete(f"/threads/{thread_id}").status_code == 204
        reading.read()
    assert http.get("/ok").status_code == 200


def test_cl_0_10_a_checkpoint_that_was_gone_back_to_is_forgotten_by_the_next_run(
    http: httpx.Client,
) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "one"})
    first = state(http, thread_id)["checkpoint"]["checkpoint_id"]
    wait(http, thread_id, "echo", input={"text": "two"})
    wait(http, thread_id, "echo", input={"text": "back"}, checkpoint_id=first)

    after = wait(http, thread_id, "echo", input={"text": "on"})
    assert after["log"] == ["a:one", "b", "a:back", "b", "a:on", "b"]


def test_lg_7417_a_run_whose_loop_is_blocked_beyond_its_lease_is_executed_once(
    tmp_path: Path,
) -> None:
    # A process of its own: the modules of two projects have the same name.
    server = ServerProcess(
        folder=tmp_path,
        config=project(tmp_path, "hard"),
        arguments=["--no-reload"],
        environment={"LGSERVE_LEASE_SECONDS": "1"},
    )
    try:
        with httpx.Client(base_url=server.start(), timeout=30) as client:
            thread_id = new_thread(client)
            values = wait(client, thread_id, "freezer", input={"seconds": 2.5})
            run = client.get(f"/threads/{thread_id}/runs").json()[0]
            history = client.get(f"/threads/{thread_id}/history").json()
    finally:
        server.kill()

    assert values["log"] == ["froze"]
    assert run["status"] == "success"
    assert {state["metadata"]["run_attempt"] for state in history} == {1}


# --- the store


def test_cl_0_12_namespaces_match_whole_labels_and_no_wildcards_of_sql(http: httpx.Client) -> None:
    root = f"bugs-{uuid4()}"
    for label in ("a_b", "a-b", "a_bc", "a%"):
        body = {"namespace": [root, label], "key": "k", "value": {}}
        assert http.put("/store/items", json=body).status_code == 200

    def found(prefix: list[str]) -> list[str]:
        answer = http.post("/store/items/search", json={"namespace_prefix": prefix}).json()
        return sorted(item["namespace"][1] for item in answer["items"])

    assert found([root, "a_b"]) == ["a_b"]
    assert found([root, "a%"]) == ["a%"]
    assert found([root, "a"]) == []
    listed = http.post("/store/namespaces", json={"prefix": [root, "a_b"]}).json()["namespaces"]
    assert listed == [[root, "a_b"]]


def test_cl_0_7_49_the_default_time_to_live_is_applied(tmp_path: Path) -> None:
    config = {"store": {"ttl": {"default_ttl": 30}}}
    item: dict[str, Any] = {"namespace": ["n"], "key": "k", "value": {}}
    with served(tmp_path, config=config) as url:
        given = httpx.put(f"{url}/store/items", json=item).json()["expires_at"]
        for_good = httpx.put(f"{url}/store/items", json={**item, "ttl": None}).json()["expires_at"]

    assert given is not None
    assert for_good is None


def test_cl_0_7_45_null_bytes_come_back_or_are_refused(http: httpx.Client) -> None:
    space = f"bugs-{uuid4()}"
    body = {"namespace": [space], "key": "k\x00", "value": {"a\x00": "b\x00"}}
    item = http.put("/store/items", json=body).json()
    query = {"namespace": space, "key": "k\x00"}

    # Clients that cannot hold one are shown the replacement character.
    assert item["value"] == {"a\ufffd": "b\ufffd"}
    assert http.get("/store/items", params=query).json()["value"] == item["value"]
    refused = http.put("/store/items", json={**body, "namespace": ["a\x00"]})
    assert refused.status_code == 422


# --- what a run is told, and what requests are honoured


def test_aegra_525_a_run_finds_its_ids_in_its_configurable(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "x"})
    run = http.get(f"/threads/{thread_id}/runs").json()[0]
    told = run["kwargs"]["config"]["configurable"]

    ids = {"run_id": run["run_id"], "thread_id": thread_id, "assistant_id": run["assistant_id"]}
    assert told.items() >= {**ids, "graph_id": "echo", "user_id": ""}.items()


def test_aegra_503_what_is_asked_of_a_run_is_done_or_refused(http: httpx.Client) -> None:
    thread_id = str(uuid4())
    asked = {"durability": "exit", "if_not_exists": "create", "input": {"text": "x"}}
    wait(http, thread_id, "echo", **asked)
    history = http.get(f"/threads/{thread_id}/history?limit=10").json()
    webhook = {"assistant_id": "echo", "input": {"text": "x"}, "webhook": "https://example.com"}

    assert len(history) == 1  # with `exit` only the last checkpoint is kept
    assert http.post("/runs/wait", json=webhook).status_code == 422


def test_lg_8054_a_deleted_thread_frees_what_it_took(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    for number in range(3):
        wait(http, thread_id, "echo", input={"text": f"{number}" * 10_000})
    assert http.delete(f"/threads/{thread_id}").status_code == 204
    assert http.get(f"/threads/{thread_id}").status_code == 404
    assert http.get(f"/threads/{thread_id}/history").status_code == 404


def test_cl_0_13_a_cancel_beside_a_finish_is_not_tried_again(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params={"wait": "1"})
    after = create(http, thread_id, "echo", input={"text": "after"})

    until(lambda: status(http, thread_id, after) == "success")
    assert status(http, thread_id, run_id) == "interrupted"


# --- the server


def test_cl_0_14_any_origin_is_never_allowed_with_credentials(http: httpx.Client) -> None:
    answer = http.get("/ok", headers={"Origin": "https://evil.example"})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_lg_3261_a_page_may_ask_for_a_private_network(http: httpx.Client) -> None:
    headers = {
        "Origin": "https://smith.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = http.options("/threads/search", headers=headers)

    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-private-network"] == "true"


def test_lg_7390_generated_addresses_lead_somewhere_below_a_mount_prefix(tmp_path: Path) -> None:
    with served(tmp_path, config={"http": {"mount_prefix": "/api"}}) as url:
        body = {"assistant_id": "echo", "input": {"text": "x"}, "if_not_exists": "create"}
        with httpx.Client(base_url=f"{url}/api") as client:
            headers = {"Host": "elsewhere.example"}
            created = client.post(f"/threads/{uuid4()}/runs", json=body, headers=headers)
            place = created.headers["content-location"]
            # Clients put it behind their base address, which has the prefix.
            found = client.get(place)

    assert place.startswith("/threads/")
    assert found.status_code == 200


def test_cl_0_7_77_a_body_that_is_too_large_is_413(tmp_path: Path) -> None:
    with served(tmp_path, config={"lgserve": {"max_body_bytes": 10_000}}) as url:
        answer = httpx.post(f"{url}/threads", json={"metadata": {"text": "x" * 20_000}})

    assert (answer.status_code, list(answer.json())) == (413, ["detail"])


def test_cl_0_7_98_it_serves_without_any_environment_variable(tmp_path: Path) -> None:
    config = project(tmp_path, "broken")
    command = [sys.executable, "-m", "lgserve", "dev", "-c", str(config), "--no-reload"]
    more = ["--port", "0", "--data", ":memory:", "--exit-after", "8s"]
    repository = Path(__file__).parents[2]
    done = subprocess.run(
        [*command, *more], env={}, cwd=repository, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_cl_0_7_97_it_serves_over_ipv6(tmp_path: Path) -> None:
    config = project(tmp_path, "broken")
    flags = ServerFlags(config=config, data=":memory:", grace_seconds=0)
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        async with (
            Server(load_settings(flags, tmp_path), listener).started() as report,
            httpx.AsyncClient() as client,
        ):
            assert report.url.startswith("http://[::1]:")
            assert json.loads((await client.get(f"{report.url}/ok")).text)["ok"]
