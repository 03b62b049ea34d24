"""Values of every kind, out of a graph and into one: on each way to a client (core.md, 0)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import served
from tests.api.run_tools import frames_of

HUMAN: dict[str, Any] = {
    "content": "hi", "additional_kwargs": {}, "response_metadata": {}, "type": "human",
    "name": None, "id": "h1",
}  # fmt: skip
COMMAND: dict[str, Any] = {"graph": None, "update": None, "resume": None, "goto": "n"}

#: What clients see of each kind of value.
WIRE: dict[str, Any] = {
    "datetime_naive": "2024-01-02T03:04:05.000678",
    "datetime_utc": "2024-01-02T03:04:05+00:00",
    "datetime_zone": "2024-01-02T03:04:05-03:30",
    "date": "2024-01-02",
    "time": "01:02:03",
    "timedelta": 90.0,
    "timedelta_parts": 86400.005,
    "uuid": "00000000-0000-0000-0000-000000000005",
    "path": "/x/y",
    "pure_path": "a/b",
    "ipv4": "10.0.0.1",
    "ipv6": "::1",
    "network": "10.0.0.0/8",
    "set": [1],
    "frozenset": [2],
    "deque": [1, 2],
    "tuple": [1, "two"],
    "bytes": "YWL/",
    "bytearray": "YWL/",
    "decimal": 1.5,
    "decimal_whole": 3,
    "nan": None,
    "inf": None,
    "minus_inf": None,
    "enum": "red",
    "enum_int": 1,
    "pydantic": {"x": 1, "when": "2024-01-02T03:04:05"},
    "human": HUMAN,
    "dataclass": {"y": 2, "inner": "red"},
    "namedtuple": {"p": 1, "q": 2},
    "exception": {"error": "ValueError", "message": "oops"},
    "class": None,
    "function": None,
    "unknown": None,
    "int_keys": {"1": "a", "2": {"3": "b"}},
    "other_keys": {"null": 0, "true": 1, "1.5": 2},
    "ordered": {"b": 1, "a": 2},
    "surrogate": "? x",
    "nul": "a\N{REPLACEMENT CHARACTER}b",
    "escaped_nul": "a\\u0000b",
    "send": {"node": "n", "args": {"a": 1}},
    "command": COMMAND,
    "pattern": "a+",
    "int64": 2**63 - 1,
    "uint64": 2**64 - 1,
    "big": 2**64,
    "bigger": 123456789012345678901234567890,
    "negative": -(2**100),
    "in_list": [2**70, {"n": [2**80]}],
    "float": 0.1,
    "text": "é 😀 \u2028 </script>",
    "empty": {"list": [], "object": {}, "text": "", "none": None},
}

#: LangGraph keeps no more of an exception in a checkpoint than its repr.
STORED = {"exception": "ValueError('oops')"}
#: What has no JSON form is refused by the store, and what has no stored form fails a run by name.
NOT_IN_STORE = ("class", "function")
NOT_STORED = ("unknown", "pure_path")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("kinds"), "kinds") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def run(http: httpx.Client, **given: Any) -> tuple[str, list[tuple[str, Any]]]:
    """Run the graph on a thread of its own; return the thread and the frames of the stream."""
    body = {
        "assistant_id": "kinds", "input": given, "stream_mode": ["values", "updates", "custom"],
        "on_completion": "keep",
    }  # fmt: skip
    answer = http.post("/runs/stream", json=body)
    assert answer.status_code == 200, answer.text
    location = answer.headers["Location"].rpartition("/")[0]
    thread_id = http.get(location).json()["thread_id"]
    return thread_id, list(frames_of(iter(answer.text.split("\r\n"))))


@pytest.mark.requirement("VALUE-001")
@pytest.mark.parametrize("kind", sorted(WIRE.keys() - NOT_STORED))
def test_a_value_looks_the_same_on_every_way_to_a_client(kinds: httpx.Client, kind: str) -> None:
    wanted = WIRE[kind]
    thread_id, frames = run(kinds, kind=kind)
    thread = f"/threads/{thread_id}"
    assert frames[-1][0] == "values", frames

    def get(path: str) -> Any:
        answer = kinds.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    waited = kinds.post("/runs/wait", json={"assistant_id": "kinds", "input": {"kind": kind}})
    run_id = get(f"{thread}/runs")[0]["run_id"]
    ways = {
        "stream, values": frames[-1][1]["value"],
        "stream, updates": next(data for name, data in frames if name == "updates")["show"][
            "value"
        ],
        "stream, custom": next(data for name, data in frames if name == "custom"),
        "wait": waited.json()["value"],
        "thread": get(thread)["values"]["value"],
    }
    if kind not in NOT_IN_STORE:
        item = get(f"/store/items?namespace=kinds&key={kind}")
        ways["store"] = item["value"]["value"]
    from_checkpoint = {
        "join": get(f"{thread}/runs/{run_id}/join")["value"],
        "state": get(f"{thread}/state")["values"]["value"],
        "history": get(f"{thread}/history")[0]["values"]["value"],
    }

    # As text: 1 is not 1.0, and the order of members counts.
    assert {way: json.dumps(seen) for way, seen in ways.items()} == dict.fromkeys(
        ways, json.dumps(wanted)
    )
    assert {way: json.dumps(seen) for way, seen in from_checkpoint.items()} == dict.fromkeys(
        from_checkpoint, json.dumps(STORED.get(kind, wanted))
    )


@pytest.mark.parametrize("kind", NOT_STORED)
def test_a_run_that_stores_nothing_shows_any_value(kinds: httpx.Client, kind: str) -> None:
    body = {"assistant_id": "kinds", "input": {"kind": kind}}

    assert kinds.post("/runs/wait", json=body).json()["value"] == WIRE[kind]


@pytest.mark.parametrize("kind", NOT_IN_STORE)
def test_the_store_refuses_what_it_could_not_give_back(kinds: httpx.Client, kind: str) -> None:
    body = {"assistant_id": "kinds", "input": {"kind": kind}}

    assert "JSON cannot hold" in kinds.post("/runs/wait", json=body).json()["said"][0]


def test_a_long_integer_survives_inside_of_models(kinds: httpx.Client) -> None:
    thread_id, _ = run(kinds, kind="in_model")
    value = kinds.get(f"/threads/{thread_id}/state").json()["values"]["value"]

    assert value["y"] == 2**90
    assert value["inner"]["additional_kwargs"] == {"n": 2**91}
    assert value["inner"]["content"] == "x"


@pytest.mark.requirement("VALUE-002")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("18446744073709551616", "int:18446744073709551616"),
        ("-123456789012345678901234567890", "int:-123456789012345678901234567890"),
        ("9223372036854775808", "int:9223372036854775808"),
        ("[18446744073709551617]", "list:[18446744073709551617]"),
        ("1.0", "float:1.0"),
        ("1e3", "float:1000.0"),
        ("12345678901234567890.5", "float:1.2345678901234567e+19"),
        ('"18446744073709551616"', "str:18446744073709551616"),
    ],
)
def test_a_number_in_an_input_stays_what_it_is(kinds: httpx.Client, text: str, said: str) -> None:
    body = '{"assistant_id":"kinds","input":{"given":%s}}' % text  # noqa: UP031 - JSON has braces
    answer = kinds.post("/runs/wait", content=body).json()

    assert answer["said"] == [said]
    assert json.dumps(answer["given"]) == json.dumps(json.loads(text))


@pytest.mark.requirement("VALUE-002")
def test_a_long_integer_comes_through_a_command_a_state_and_a_store(kinds: httpx.Client) -> None:
    big = 2**77
    thread_id, _ = run(kinds, given=1)
    update = {"values": {"given": big}, "as_node": "show"}
    assert kinds.post(f"/threads/{thread_id}/state", json=update).status_code == 200
    assert kinds.get(f"/threads/{thread_id}/state").json()["values"]["given"] == big
    assert kinds.get(f"/threads/{thread_id}").json()["values"]["given"] == big

    body = {"assistant_id": "kinds", "command": {"update": {"given": big + 1}, "goto": "show"}}
    ran = kinds.post(f"/threads/{thread_id}/runs/wait", json=body).json()
    assert ran["given"] == big + 1
    assert ran["said"][-1] == f"int:{big + 1}"

    item = {"namespace": ["n"], "key": "k", "value": {"n": big}}
    assert kinds.put("/store/items", json=item).is_success
    assert kinds.get("/store/items?namespace=n&key=k").json()["value"] == {"n": big}
