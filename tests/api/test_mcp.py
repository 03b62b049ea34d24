"""MCP over raw HTTP: what each protocol version is answered, and what calls of tools come to."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lgserve import __version__
from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB

STATELESS = "2026-07-28"
HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
NEWEST = {"MCP-Protocol-Version": "2025-11-25"}
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
BOTH = "application/json, text/event-stream"


@pytest.fixture(scope="module")
def mcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("mcp"), "mcp") as url,
        httpx.Client(base_url=url, timeout=30, headers={"Accept": BOTH}) as client,
    ):
        yield client


@pytest.fixture
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server of the same graphs for one test alone."""
    with (
        served(tmp_path_factory.mktemp("mcp-lone"), "mcp") as url,
        httpx.Client(base_url=url, timeout=30, headers={"Accept": BOTH}) as client,
    ):
        yield client


def rpc(method: str, params: Any = None, message_id: Any = 1) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method, "id": message_id}
    return message if params is None else {**message, "params": params}


def post(client: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/mcp", json=body, headers=names)


def result(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["result"]


def call(client: httpx.Client, name: str, arguments: Any = None, **more: Any) -> Any:
    params = {"name": name, "arguments": arguments or {}, **more}
    return result(post(client, rpc("tools/call", params), **NEWEST))


def tools(client: httpx.Client, **headers: str) -> dict[str, Any]:
    listed = result(post(client, rpc("tools/list"), **{**NEWEST, **headers}))["tools"]
    return {tool["name"]: tool for tool in listed}


def modern(
    client: httpx.Client, method: str, params: Any = None, *, elicits: bool = False, **headers: str
) -> httpx.Response:
    capabilities: dict[str, Any] = {"elicitation": {}} if elicits else {}
    meta = {VERSION_KEY: STATELESS, CAPABILITIES_KEY: capabilities}
    params = {**(params or {}), "_meta": meta}
    said = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method}
    if "name" in params:
        said["Mcp-Name"] = params["name"]
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/mcp", json=rpc(method, params), headers=said)


# ------------------------------------------------------------------ handshake and transport


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        *((each, each) for each in HANDSHAKE),
        ("1999-01-01", "2025-11-25"),
        (STATELESS, "2025-11-25"),
    ],
)
def test_a_handshake_settles_on_a_version_of_both(
    mcp: httpx.Client, asked: str, given: str
) -> None:
    params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t"}}
    answer = post(mcp, rpc("initialize", params))

    assert result(answer) == {
        "protocolVersion": given,
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "lgserve", "title": "lgserve", "version": __version__},
    }
    assert "mcp-session-id" not in answer.headers


def test_a_ping_is_answered_with_nothing(mcp: httpx.Client) -> None:
    assert post(mcp, rpc("ping", message_id="p")).json() == {
        "jsonrpc": "2.0", "id": "p", "result": {},
    }  # fmt: skip


def test_the_path_with_a_slash_is_the_same(mcp: httpx.Client) -> None:
    assert mcp.post("/mcp/", json=rpc("ping")).json()["result"] == {}


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/of/tomorrow", "params": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ],
)
def test_what_needs_no_answer_is_taken(mcp: httpx.Client, message: Any) -> None:
    answer = post(mcp, message)

    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"", -32700),
        (b"3", -32600),
        (b"[]", -32600),
        (b'{"method":"ping","id":1}', -32600),
        (b'{"jsonrpc":"1.0","method":"ping","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"ping","id":null}', -32600),
        (b'{"jsonrpc":"2.0","method":"ping","id":true}', -32600),
        (b'{"jsonrpc":"2.0","method":"ping","id":1,"params":[]}', -32602),
    ],
)
def test_what_is_no_message_is_refused(mcp: httpx.Client, body: bytes, code: int) -> None:
    answer = mcp.post("/mcp", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


def test_an_unknown_method_is_an_error_of_the_protocol(mcp: httpx.Client) -> None:
    answer = post(mcp, rpc("resources/list"))

    assert answer.status_code == 200
    assert answer.json()["error"] == {"code": -32601, "message": "Method not found: resources/list"}


def test_there_is_no_stream_and_no_session(mcp: httpx.Client) -> None:
    refused = mcp.get("/mcp", headers={"Accept": "text/event-stream"})

    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert mcp.delete("/mcp/").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "text/html"}, 400),
        ({"Accept": "*/*"}, 200),
        ({"Accept": "application/json"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"MCP-Protocol-Version": "1999-01-01"}, 400),
        *(({"MCP-Protocol-Version": each}, 200) for each in HANDSHAKE),
    ],
)
def test_headers_are_checked(mcp: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert mcp.post("/mcp", json=rpc("ping"), headers=headers).status_code == status


def test_a_client_that_takes_nothing_but_events_gets_an_event(mcp: httpx.Client) -> None:
    answer = post(mcp, rpc("ping"), Accept="text/event-stream")

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text == 'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\r\n\r\n'


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:6274", 200),
        ("http://127.0.0.1", 200),
        ("http://[::1]:3000", 200),
        ("http://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("http://[evil", 403),
    ],
)
def test_pages_of_other_sites_may_not_call(mcp: httpx.Client, origin: str, status: int) -> None:
    host = origin.partition("://")[2] or "x"  # where a rebound name leads here
    answer = post(mcp, rpc("ping"), Origin=origin, Host=host)

    assert answer.status_code == status
    assert mcp.get("/mcp", headers={"Origin": origin}).status_code in (405, status)


def test_pages_that_cors_names_may_call(tmp_path_factory: pytest.TempPathFactory) -> None:
    cors = {"allow_origins": ["https://app.example"], "allow_origin_regex": r"https://.*\.trusted"}
    config = {"http": {"cors": cors}}
    with served(tmp_path_factory.mktemp("mcp-cors"), "mcp", config) as url:
        statuses = [
            httpx.post(f"{url}/mcp", json=rpc("ping"), headers={"Origin": origin}).status_code
            for origin in ("https://app.example", "https://a.trusted", "https://b.example")
        ]

    assert statuses == [200, 200, 403]


@pytest.mark.parametrize("version", [None, "2025-03-26"])
def test_a_batch_is_answered_where_there_are_batches(
    mcp: httpx.Client, version: str | None
) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    params = {"name": "typed", "arguments": {"text": "x"}}
    batch = [rpc("ping"), note, rpc("tools/call", params, 2), 3, rpc("initialize", {}, 4)]
    answer = post(mcp, batch, **({} if version is None else {"MCP-Protocol-Version": version}))
    ping, called, wrong, started = answer.json()

    assert ping == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert json.loads(called["result"]["content"][0]["text"])["count"] == 1
    assert (wrong["id"], wrong["error"]["code"]) == (None, -32600)
    assert (started["id"], started["error"]["code"]) == (4, -32600)


def test_a_batch_of_nothing_to_answer_is_taken(mcp: httpx.Client) -> None:
    assert post(mcp, [{"jsonrpc": "2.0", "method": "notifications/x"}]).status_code == 202


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25", STATELESS])
def test_a_batch_is_refused_where_there_are_none(mcp: httpx.Client, version: str) -> None:
    answer = post(mcp, [rpc("ping")], MCP_Protocol_Version=version)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


# ------------------------------------------------------------------ the list of tools


def test_a_tool_is_described_by_its_graph(mcp: httpx.Client) -> None:
    tool = tools(mcp)["typed"]

    members = {
        "text": {"title": "Text", "type": "string"},
        "count": {"title": "Count", "type": "integer"},
        "log": {"items": {"type": "string"}, "title": "Log", "type": "array"},
    }
    schema = {"properties": members, "title": "TypedState", "type": "object"}
    assert tool == {
        "name": "typed",
        "title": "typed",
        "description": "Counts texts",
        "inputSchema": {**schema, "required": ["text"]},
        "outputSchema": schema,
        "annotations": {
            "readOnlyHint": False,
            "destructiveHint": False,
            "idempotentHint": False,
            "openWorldHint": True,
        },
    }


def test_messages_are_a_text_to_send_and_objects_to_get(mcp: httpx.Client) -> None:
    tool = tools(mcp)["chatty"]

    assert tool["inputSchema"] == {
        "properties": {
            "messages": {
                "type": "string",
                "title": "Messages",
                "description": "The user message to send to the agent.",
            },
            "topic": {"title": "Topic", "type": "string"},
        },
        "required": ["messages", "topic"],
        "title": "Chat",
        "type": "object",
    }
    given = tool["outputSchema"]["properties"]["messages"]
    assert given == {"type": "array", "items": {"type": "object"}, "title": "Messages"}
    assert tool["description"] == "Tool based on the chatty assistant"


def test_every_graph_is_a_tool_with_an_object_to_take(mcp: httpx.Client) -> None:
    found = tools(mcp)

    assert found.keys() == set(mcp.get("/info").json()["graphs"])
    assert {tool["inputSchema"]["type"] for tool in found.values()} == {"object"}
    assert found["upper"]["inputSchema"]["required"] == ["input"]
    assert found["picky"]["inputSchema"] == {"type": "object"}


def test_older_versions_have_no_structured_results(mcp: httpx.Client) -> None:
    assert "outputSchema" not in tools(mcp, **{"MCP-Protocol-Version": "2025-03-26"})["typed"]
    params = {"name": "typed", "arguments": {"text": "x"}}
    answer = post(mcp, rpc("tools/call", params), MCP_Protocol_Version="2025-03-26")

    assert result(answer) == {
        "content": [{"type": "text", "text": '{"text":"x","count":1,"log":["x"]}'}],
        "isError": False,
    }


def test_names_are_cleaned_and_told_apart(lone: httpx.Client) -> None:
    made = [
        lone.post("/assistants", json={"graph_id": "typed", "name": name}).json()["assistant_id"]
        for name in ("My Agent (1)", "My Agent 1", "typed", "日本")
    ]
    names = list(tools(lone))[-4:]

    second, third = (each.replace("-", "")[:8] for each in made[1:3])
    assert names[:3] == ["My_Agent_1", f"My_Agent_1_{second}", f"typed_{third}"]
    assert names[3].startswith("typed_")
    assert call(lone, names[1], {"text": "x"})["structuredContent"]["count"] == 1


def test_an_assistant_can_be_left_out(lone: httpx.Client) -> None:
    made = lone.post(
        "/assistants", json={"graph_id": "typed", "name": "hidden", "metadata": {"mcp": False}}
    ).json()
    answer = post(lone, rpc("tools/call", {"name": "hidden", "arguments": {"text": "x"}}))

    assert "hidden" not in tools(lone)
    assert answer.json()["error"] == {"code": -32602, "message": "Unknown tool: hidden"}
    lone.patch(f"/assistants/{made['assistant_id']}", json={"metadata": {"mcp": True}})
    assert "hidden" in tools(lone)


def test_the_list_comes_in_pages(lone: httpx.Client) -> None:
    for number in range(120):
        lone.post("/assistants", json={"graph_id": "typed", "name": f"many {number}"})
    total = 120 + len(lone.get("/info").json()["graphs"])
    names: list[str] = []
    params: dict[str, Any] = {}
    sizes = []
    while True:
        page = result(post(lone, rpc("tools/list", params), **NEWEST))
        names += [tool["name"] for tool in page["tools"]]
        sizes.append(len(page["tools"]))
        if "nextCursor" not in page:
            break
        params = {"cursor": page["nextCursor"]}

    assert sizes == [100, total - 100]
    assert len(set(names)) == total
    assert isinstance(params["cursor"], str)


@pytest.mark.parametrize("cursor", ["x", "-1", {}, 1.5])
def test_a_cursor_that_is_none_is_refused(mcp: httpx.Client, cursor: Any) -> None:
    answer = post(mcp, rpc("tools/list", {"cursor": cursor}))

    assert answer.json()["error"] == {"code": -32602, "message": "Invalid cursor"}


# ------------------------------------------------------------------ calls


def test_a_result_is_json_twice(mcp: httpx.Client) -> None:
    found = call(mcp, "typed", {"text": "a"})

    values = {"text": "a", "count": 1, "log": ["a"]}
    assert found["structuredContent"] == values
    assert json.loads(found["content"][0]["text"]) == values
    assert found["isError"] is False
    assert mcp.post("/threads/count", json={}).json() == 0


@pytest.mark.parametrize(
    "messages",
    ["you", ["you"], [{"role": "user", "content": "you"}], {"type": "human", "content": "you"}],
)
def test_messages_are_taken_as_text_and_as_messages(mcp: httpx.Client, messages: Any) -> None:
    found = call(mcp, "chatty", {"messages": messages, "topic": "t"})

    kinds = [(each["type"], each["content"]) for each in found["structuredContent"]["messages"]]
    assert kinds == [("human", "you"), ("ai", "t: you")]


def test_an_input_that_is_no_object_is_one_argument(mcp: httpx.Client) -> None:
    found = call(mcp, "upper", {"input": "abc"})

    assert found == {"content": [{"type": "text", "text": '"ABC"'}], "isError": False}


def test_context_reaches_the_graph(mcp: httpx.Client) -> None:
    found = call(mcp, "contextual", context={"user": "Ann"})

    assert found["structuredContent"] == {"answer": "Ann"}


def test_a_factory_that_needs_a_run_gets_one(mcp: httpx.Client) -> None:
    assert call(mcp, "picky")["structuredContent"] == {"answer": "made for a run"}


def test_media_of_the_last_message_are_content(mcp: httpx.Client) -> None:
    kinds = [part["type"] for part in call(mcp, "test_multiple_content_types")["content"]]

    assert kinds == ["text", "image", "resource"]


def test_an_error_is_told_in_words(mcp: httpx.Client) -> None:
    text = "ValueError: This tool intentionally returns an error for testing"

    assert call(mcp, "test_error_handling") == {
        "content": [{"type": "text", "text": text}], "isError": True,
    }  # fmt: skip


def test_what_is_masked_elsewhere_is_masked_here(mcp: httpx.Client) -> None:
    assert call(mcp, "secret")["content"][0]["text"] == "SecretError: An internal error occurred"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("typed", {}, "text: is required"),
        ("typed", {"text": 3}, "text: must be a string, not integer"),
        ("typed", {"text": "x", "log": ["a", 1]}, "log[1]: must be a string, not integer"),
        ("chatty", {"messages": 3, "topic": "t"}, "messages: must be a string, not integer"),
        ("json_schema_2020_12_tool", {"x": 1}, "x: is not known here"),
        (
            "json_schema_2020_12_tool",
            {"address": {"city": 1}},
            "address.city: must be a string, not integer",
        ),
    ],
)
def test_a_wrong_argument_is_named(
    mcp: httpx.Client, name: str, arguments: Any, words: str
) -> None:
    told = call(mcp, name, arguments)
    params = {"name": name, "arguments": arguments}
    refused = post(mcp, rpc("tools/call", params), MCP_Protocol_Version="2025-06-18").json()

    text = f"Invalid arguments: {words}"
    assert told == {"content": [{"type": "text", "text": text}], "isError": True}
    assert refused["error"]["code"] == -32602
    assert refused["error"]["message"].endswith(words)


@pytest.mark.parametrize(
    "params",
    [
        {"name": "nope"},
        {},
        {"name": 3},
        {"name": "typed", "arguments": []},
        {"name": "typed", "arguments": {"text": "x"}, "context": "x"},
    ],
)
def test_wrong_parameters_are_errors_of_the_protocol(mcp: httpx.Client, params: Any) -> None:
    answer = post(mcp, rpc("tools/call", params), **NEWEST)

    assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32602)


def test_magic_words_in_a_state_mean_nothing(mcp: httpx.Client) -> None:
    found = call(mcp, "magic")

    assert len(found["content"]) == 1
    assert "__interrupt__" in found["structuredContent"]["answer"]
    assert found["isError"] is False


def test_a_result_that_its_schema_does_not_allow_is_told(mcp: httpx.Client) -> None:
    found = call(mcp, "lying")

    assert found["isError"] is True
    assert "structuredContent" not in found
    assert found["content"][1]["text"].endswith("n: must be an integer, not string")


def test_an_interrupt_tells_what_is_asked(mcp: httpx.Client) -> None:
    found = call(mcp, "asking")

    assert found["isError"] is False
    assert found["structuredContent"] == {}
    asked = json.loads(found["content"][0]["text"])["__interrupt__"]
    assert [each["value"] for each in asked] == ["What is your name?"]
    assert '"What is your name?"' in found["content"][1]["text"]
    assert mcp.post("/threads/count", json={}).json() == 0


def events(text: str) -> list[Any]:
    return [
        json.loads(line.removeprefix("data: "))
        for line in text.splitlines()
        if line.startswith("data: ")
    ]


def test_progress_is_told_to_who_asks(mcp: httpx.Client) -> None:
    params = {"name": "test_tool_with_progress", "_meta": {"progressToken": "t"}}
    answer = post(mcp, rpc("tools/call", params, 7), **NEWEST)
    *notices, last = events(answer.text)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [notice["params"] for notice in notices] == [
        {"progressToken": "t", "progress": n, "total": 100, "message": f"{n} of 100"}
        for n in (0, 50, 100)
    ]
    assert (last["id"], last["result"]["structuredContent"]) == (7, {"answer": "done"})


def test_steps_are_progress_too(mcp: httpx.Client) -> None:
    params = {"name": "typed", "arguments": {"text": "x"}, "_meta": {"progressToken": 5}}
    notice, last = events(post(mcp, rpc("tools/call", params), **NEWEST).text)

    assert notice["params"] == {"progressToken": 5, "progress": 1, "message": "work"}
    assert last["result"]["isError"] is False


def test_without_events_there_is_no_progress(mcp: httpx.Client) -> None:
    params = {"name": "test_tool_with_progress", "_meta": {"progressToken": "t"}}
    answer = post(mcp, rpc("tools/call", params), Accept="application/json", **NEWEST)

    assert result(answer)["structuredContent"] == {"answer": "done"}


@pytest.mark.parametrize("named", [{}, [1], None, True, 1.5])
def test_a_cancellation_of_what_can_be_no_call_is_ignored(mcp: httpx.Client, named: object) -> None:
    note = {"method": "notifications/cancelled", "params": {"requestId": named}}

    assert post(mcp, {"jsonrpc": "2.0", **note}).status_code == 202


def _running(client: httpx.Client) -> int:
    return int(client.get("/info").json()["queue"]["running"])


def _until_running(client: httpx.Client, count: int) -> None:
    for _ in range(2000):
        if _running(client) == count:
            return
    raise AssertionError(f"there are not {count} running runs")


def test_a_call_that_is_cancelled_stops_its_run(lone: httpx.Client) -> None:
    host, port = lone.base_url.host, lone.base_url.port
    body = json.dumps(rpc("tools/call", {"name": "sleeping"}, 41)).encode()
    agent = lone.headers["user-agent"]
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, port), 30) as connection:
        connection.sendall(head.encode() + body)
        _until_running(lone, 1)
        for wrong in ("41", 40):
            note = {"method": "notifications/cancelled", "params": {"requestId": wrong}}
            assert post(lone, {"jsonrpc": "2.0", **note}).status_code == 202
        assert _running(lone) == 1
        note = {"method": "notifications/cancelled", "params": {"requestId": 41}}
        assert post(lone, {"jsonrpc": "2.0", **note}).status_code == 202
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"The run was cancelled before it was done" in answer
    assert _running(lone) == 0


@pytest.mark.parametrize("token", [None, "t"])
def test_a_client_that_goes_takes_its_run_along(lone: httpx.Client, token: str | None) -> None:
    params = {"name": "sleeping", **({"_meta": {"progressToken": token}} if token else {})}
    with pytest.raises(httpx.ReadTimeout):
        lone.post("/mcp", json=rpc("tools/call", params), timeout=httpx.Timeout(30, read=0.4))

    _until_running(lone, 0)
    assert lone.post("/threads/count", json={}).json() == 0


# ------------------------------------------------------------------ the stateless version


def test_the_server_can_be_discovered(mcp: httpx.Client) -> None:
    found = result(modern(mcp, "server/discover"))

    assert found["supportedVersions"] == [STATELESS, *reversed(HANDSHAKE)]
    assert found["capabilities"] == {"tools": {"listChanged": False}}
    assert found["resultType"] == "complete"
    assert (found["ttlMs"], found["cacheScope"]) == (0, "private")
    server = found["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert server["version"] == __version__


def test_a_call_without_a_handshake(mcp: httpx.Client) -> None:
    found = result(modern(mcp, "tools/call", {"name": "typed", "arguments": {"text": "x"}}))

    assert found["structuredContent"] == {"text": "x", "count": 1, "log": ["x"]}
    assert found["resultType"] == "complete"


@pytest.mark.parametrize("method", ["initialize", "ping", "resources/list"])
def test_methods_it_does_not_have_are_not_found(mcp: httpx.Client, method: str) -> None:
    answer = modern(mcp, method)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Mcp_Method": "ping"}, -32020),
        ({"Mcp_Name": "magic"}, -32020),
        ({"Mcp_Name": "=?base64?%%?="}, -32020),
        ({"Mcp_Name": f"=?base64?{base64.b64encode(b'typed').decode()}?="}, None),
        ({"MCP_Protocol_Version": "2025-11-25"}, -32020),
    ],
)
def test_headers_repeat_the_body(mcp: httpx.Client, headers: Any, code: int | None) -> None:
    params = {"name": "typed", "arguments": {"text": "x"}}
    answer = modern(mcp, "tools/call", params, **headers)

    assert answer.status_code == (200 if code is None else 400)
    assert answer.json().get("error", {}).get("code") == code


@pytest.mark.parametrize("missing", ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"])
def test_a_header_that_is_missing_is_named(mcp: httpx.Client, missing: str) -> None:
    meta = {VERSION_KEY: STATELESS, CAPABILITIES_KEY: {}}
    headers = {
        "Mcp-Method": "tools/call", "Mcp-Name": "typed", "MCP-Protocol-Version": STATELESS,
    }  # fmt: skip
    del headers[missing]
    body = rpc("tools/call", {"name": "typed", "_meta": meta})
    answer = mcp.post("/mcp", json=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020
    assert missing in answer.json()["error"]["message"]


def test_a_header_that_is_there_twice_is_refused(mcp: httpx.Client) -> None:
    meta = {VERSION_KEY: STATELESS, CAPABILITIES_KEY: {}}
    headers = [
        ("Mcp-Method", "tools/list"), ("Mcp-Method", "tools/call"),
        ("MCP-Protocol-Version", STATELESS),
    ]  # fmt: skip
    answer = mcp.post("/mcp", json=rpc("tools/list", {"_meta": meta}), headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        (None, -32602),
        ({VERSION_KEY: STATELESS}, -32602),
        ({CAPABILITIES_KEY: {}}, -32602),
        ({VERSION_KEY: STATELESS, CAPABILITIES_KEY: "x"}, -32602),
    ],
)
def test_each_request_tells_version_and_capabilities(
    mcp: httpx.Client, meta: Any, code: int
) -> None:
    body = rpc("tools/list", None if meta is None else {"_meta": meta})
    answer = post(mcp, body, MCP_Protocol_Version=STATELESS, Mcp_Method="tools/list")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_a_version_of_tomorrow_is_told_those_of_today(mcp: httpx.Client) -> None:
    meta = {VERSION_KEY: "2099-01-01", CAPABILITIES_KEY: {}}
    answer = post(mcp, rpc("server/discover", {"_meta": meta}), MCP_Protocol_Version="2099-01-01")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32022
    assert answer.json()["error"]["data"]["requested"] == "2099-01-01"
    assert STATELESS in answer.json()["error"]["data"]["supported"]


def test_a_user_is_asked_until_all_is_answered(lone: httpx.Client) -> None:
    params: dict[str, Any] = {"name": "asking", "arguments": {}}
    asked = result(modern(lone, "tools/call", params, elicits=True))
    ((key, form),) = asked["inputRequests"].items()

    assert asked["resultType"] == "input_required"
    assert form["params"]["message"] == "What is your name?"
    params["requestState"] = asked["requestState"]
    again = result(modern(lone, "tools/call", params, elicits=True))
    assert again["inputRequests"] == asked["inputRequests"]

    params["inputResponses"] = {key: {"action": "accept", "content": {"answer": "Ann"}}}
    second = result(modern(lone, "tools/call", params, elicits=True))
    ((key, form),) = second["inputRequests"].items()
    assert form["params"]["message"] == "How old are you?"
    assert form["params"]["requestedSchema"]["required"] == ["age"]

    params["inputResponses"] = {key: {"action": "accept", "content": {"age": 7}}}
    done = result(modern(lone, "tools/call", params, elicits=True))
    assert done["structuredContent"] == {"answer": "Ann", "second": "7"}
    assert lone.post("/threads/count", json={}).json() == 0
    late = modern(lone, "tools/call", params, elicits=True)
    assert (late.status_code, late.json()["error"]["code"]) == (400, -32602)


def test_an_answer_that_does_not_match_the_form_is_refused_and_can_be_mended(
    lone: httpx.Client,
) -> None:
    params: dict[str, Any] = {"name": "asking", "arguments": {}}
    asked = result(modern(lone, "tools/call", params, elicits=True))

    def answer(content: Any) -> httpx.Response:
        key = next(iter(asked["inputRequests"]))
        params["requestState"] = asked["requestState"]
        params["inputResponses"] = {key: {"action": "accept", "content": content}}
        return modern(lone, "tools/call", params, elicits=True)

    for content in ({}, {"answer": 7}, {"name": "Ann"}):
        refused = answer(content)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)
        assert "content" in refused.json()["error"]["message"]
    asked = result(answer({"answer": "Ann"}))
    wrong = answer({"age": "seven"}).json()["error"]["message"]
    assert "content.age" in wrong
    assert "integer" in wrong
    assert result(answer({"age": 7}))["structuredContent"] == {"answer": "Ann", "second": "7"}


def test_a_graph_that_cannot_be_described_is_listed_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path, "mcp") as url, httpx.Client(base_url=url, timeout=30) as client:
        for _ in range(3):
            tools = result(modern(client, "tools/list"))["tools"]
            assert "picky" in {tool["name"] for tool in tools}
    told = [each for each in caplog.records if "cannot be described" in each.getMessage()]
    (about,) = [each for each in told if "'picky'" in each.getMessage()]
    assert about.getMessage().endswith("RuntimeError: only for runs")
    assert not about.exc_info


def test_a_user_who_does_not_answer_ends_the_call(lone: httpx.Client) -> None:
    params: dict[str, Any] = {"name": "asking"}
    asked = result(modern(lone, "tools/call", params, elicits=True))
    params["requestState"] = asked["requestState"]
    params["inputResponses"] = {key: {"action": "decline"} for key in asked["inputRequests"]}
    found = result(modern(lone, "tools/call", params, elicits=True))

    assert found["isError"] is True
    assert found["content"][0]["text"] == "The user did not answer: What is your name?"
    assert lone.post("/threads/count", json={}).json() == 0


@pytest.mark.parametrize("state", ["x", 3, None, base64.b64encode(bytes(16)).decode()])
def test_a_state_that_nobody_gave_is_refused(mcp: httpx.Client, state: Any) -> None:
    params = {"name": "asking", "requestState": state}
    answer = modern(mcp, "tools/call", params, elicits=True)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)


def test_the_thread_of_something_else_cannot_be_gone_on_with(lone: httpx.Client) -> None:
    thread_id = lone.post("/threads", json={}).json()["thread_id"]
    lone.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "asking", "input": {}})
    state = base64.urlsafe_b64encode(bytes.fromhex(thread_id.replace("-", ""))).decode()
    params = {"name": "asking", "requestState": state}
    answer = modern(lone, "tools/call", params, elicits=True)

    assert answer.json()["error"]["code"] == -32602
    assert lone.get(f"/threads/{thread_id}").json()["status"] == "interrupted"


# ------------------------------------------------------------------ who may


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("mcp-guarded"), "mcp", API_KEYS) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("body", [b"{", b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'])
def test_nothing_is_said_to_strangers(guarded: httpx.Client, body: bytes) -> None:
    assert guarded.post("/mcp", content=body).status_code == 401
    assert guarded.get("/mcp/").status_code == 401


def test_an_owner_finds_the_graphs_and_what_is_his(guarded: httpx.Client) -> None:
    body = {"graph_id": "typed", "name": "of alice"}
    assert guarded.post("/assistants", json=body, headers=ALICE).status_code == 200

    assert "of_alice" in tools(guarded, **ALICE)
    assert set(tools(guarded, **BOB)) == set(guarded.get("/info").json()["graphs"])
    wanted = rpc("tools/call", {"name": "of_alice", "arguments": {"text": "x"}})
    assert post(guarded, wanted, **BOB).json()["error"]["message"] == "Unknown tool: of_alice"
    assert result(post(guarded, wanted, **ALICE))["isError"] is False
    own = rpc("tools/call", {"name": "typed", "arguments": {"text": "x"}})
    assert result(post(guarded, own, **BOB))["isError"] is False


def test_nobody_goes_on_with_another_owners_call(guarded: httpx.Client) -> None:
    params: dict[str, Any] = {"name": "asking", "arguments": {}}
    asked = result(modern(guarded, "tools/call", params, elicits=True, **ALICE))
    params["requestState"] = asked["requestState"]
    params["inputResponses"] = {key: {"action": "decline"} for key in asked["inputRequests"]}
    refused = modern(guarded, "tools/call", params, elicits=True, **BOB)
    done = modern(guarded, "tools/call", params, elicits=True, **ALICE)

    assert refused.json()["error"]["code"] == -32602
    assert result(done)["isError"] is True


def test_mcp_can_be_switched_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = {"http": {"disable_mcp": True}}
    with served(tmp_path_factory.mktemp("mcp-off"), "mcp", config) as url:
        assert httpx.post(f"{url}/mcp", json=rpc("ping")).status_code == 404
        assert httpx.get(f"{url}/info").json()["capabilities"]["mcp"] is False


def test_the_server_says_that_it_has_mcp(mcp: httpx.Client) -> None:
    assert mcp.get("/info").json()["capabilities"]["mcp"] is True
    assert set(mcp.get("/openapi.json").json()["paths"]["/mcp/"]) == {"post", "get", "delete"}
