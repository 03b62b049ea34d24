"""Every route is public, or keeps owners apart: a route that is in neither table fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest

from lgserve.api.app import build_app
from lgserve.api.auth import PUBLIC
from lgserve.api.keys import ApiOptions, Services
from lgserve.settings import Cors
from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB, Holdings, everything, seed

Route = tuple[str, str]
_ACTIVE = ("busy_thread_id", "waiting_run_id")


@dataclass(frozen=True)
class Case:
    """How a route is called for what is alice's, and what that gives to bob."""

    #: What bob gets; alice always gets a success.
    status: int
    body: Callable[[Holdings], Any] | None = None
    query: Callable[[Holdings], dict[str, str]] = lambda _: {}
    #: What bob's answer says, where it is not an error.
    answer: Any = None
    #: Which of alice's threads and runs are in the path.
    ids: tuple[str, str] = ("thread_id", "run_id")
    #: Whether a success is a stream without an end.
    endless: bool = False
    #: Whether it is refused to everybody.
    refused: bool = False
    #: What alice gets where that is no success: she did not ask for a WebSocket.
    refusal: int | None = None


def _run(_: Holdings) -> Any:
    return {"assistant_id": "echo", "input": {"text": "x"}, "if_not_exists": "create"}


def _run_of_hers(of: Holdings) -> Any:
    return {"assistant_id": of.assistant_id, "input": {"text": "x"}}


def _moved(of: Holdings) -> Any:
    moment = "2026-01-01T00:00:00+00:00"
    times = dict.fromkeys(("created_at", "updated_at", "state_updated_at"), moment)
    thread = {"thread_id": of.thread_id, "metadata": {}, "status": "idle", **times}
    return {
        "format": "lgserve.thread",
        "version": 1,
        "thread": thread,
        "blobs": [],
        "checkpoints": [],
    }


def _nothing(_: Holdings) -> Any:
    return {}


def _list_tools(_: Holdings) -> Any:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def _agent(of: Holdings) -> dict[str, str]:
    return {"assistant_id": of.assistant_id}


_AGENT = "/a2a/{assistant_id}"
_THREAD, _RUN = "/threads/{thread_id}", "/threads/{thread_id}/runs/{run_id}"
_ITEM, _CRON = "/store/items", "/runs/crons/{cron_id}"

CASES: dict[Route, Case] = {
    ("POST", "/assistants"): Case(
        409,
        lambda of: {
            "graph_id": "echo", "assistant_id": of.assistant_id, "if_exists": "do_nothing",
        },
    ),
    ("POST", "/assistants/search"): Case(
        200, lambda of: {"metadata": {"owner": "alice"}}, answer=[]
    ),
    ("POST", "/assistants/count"): Case(200, lambda of: {"metadata": {"owner": "alice"}}, answer=0),
    ("GET", "/assistants/{assistant_id}"): Case(404),
    ("PATCH", "/assistants/{assistant_id}"): Case(404, lambda of: {"metadata": {"owner": "bob"}}),
    ("DELETE", "/assistants/{assistant_id}"): Case(404, query=lambda of: {"delete_threads": "1"}),
    ("POST", "/assistants/{assistant_id}/versions"): Case(404, _nothing),
    ("POST", "/assistants/{assistant_id}/latest"): Case(404, lambda _: {"version": 1}),
    ("GET", "/assistants/{assistant_id}/graph"): Case(404),
    ("GET", "/assistants/{assistant_id}/schemas"): Case(404),
    ("GET", "/assistants/{assistant_id}/subgraphs"): Case(404),
    ("GET", "/assistants/{assistant_id}/subgraphs/{namespace}"): Case(404),
    ("POST", "/threads"): Case(
        409, lambda of: {"thread_id": of.thread_id, "if_exists": "do_nothing"}
    ),
    ("POST", "/threads/search"): Case(200, _nothing, answer=[]),
    ("POST", "/threads/count"): Case(200, _nothing, answer=0),
    ("POST", "/threads/prune"): Case(
        200,
        lambda of: {"thread_ids": [of.thread_id, of.busy_thread_id]},
        answer={"pruned_count": 0},
    ),
    ("POST", f"{_THREAD}/copy"): Case(404),
    ("GET", f"{_THREAD}/storage"): Case(404),
    ("GET", f"{_THREAD}/export"): Case(404),
    ("POST", "/threads/import"): Case(
        409, _moved, query=lambda _: {"on_conflict": "replace"}
    ),
    ("GET", _THREAD): Case(404),
    ("PATCH", _THREAD): Case(404, lambda of: {"metadata": {"owner": "bob"}}),
    ("DELETE", _THREAD): Case(404),
    ("GET", f"{_THREAD}/state"): Case(404),
    ("POST", f"{_THREAD}/state"): Case(404, lambda of: {"values": {"text": "x"}}),
    ("GET", f"{_THREAD}/state/{{checkpoint_id}}"): Case(404),
    ("POST", f"{_THREAD}/state/checkpoint"): Case(
        404, lambda of: {"checkpoint": {"checkpoint_id": of.checkpoint_id}}
    ),
    ("GET", f"{_THREAD}/history"): Case(404),
    ("POST", f"{_THREAD}/history"): Case(404, _nothing),
    ("GET", f"{_THREAD}/stream"): Case(404, endless=True),
    ("POST", f"{_THREAD}/stream/events"): Case(
        404, lambda _: {"channels": ["values"]}, endless=True
    ),
    ("GET", f"{_THREAD}/stream/events"): Case(404, refusal=426),
    ("POST", f"{_THREAD}/commands"): Case(
        200,
        lambda _: {"id": 1, "method": "agent.getTree"},
        answer={
            "type": "error", "id": 1, "error": "no_such_run",
            "message": "No active run is bound to this thread.",
        },
    ),
    ("GET", f"{_THREAD}/runs"): Case(404),
    ("POST", f"{_THREAD}/runs"): Case(404, _run),
    ("POST", f"{_THREAD}/runs/wait"): Case(404, _run),
    ("POST", f"{_THREAD}/runs/stream"): Case(404, _run),
    ("GET", _RUN): Case(404),
    ("DELETE", _RUN): Case(404),
    ("GET", f"{_RUN}/join"): Case(404),
    ("GET", f"{_RUN}/stream"): Case(404),
    ("POST", f"{_RUN}/cancel"): Case(404, ids=_ACTIVE),
    ("POST", "/runs"): Case(404, _run_of_hers),
    ("POST", "/runs/wait"): Case(404, _run_of_hers),
    ("POST", "/runs/stream"): Case(404, _run_of_hers),
    ("POST", "/runs/batch"): Case(404, lambda of: [_run_of_hers(of)]),
    ("POST", "/runs/cancel"): Case(
        404, lambda of: {"thread_id": of.busy_thread_id, "run_ids": [of.waiting_run_id]}
    ),
    ("GET", "/runs/{run_id}"): Case(404),
    ("GET", "/runs/{run_id}/join"): Case(404),
    ("GET", "/runs/{run_id}/stream"): Case(404),
    ("POST", "/runs/{run_id}/cancel"): Case(404, ids=_ACTIVE),
    ("POST", "/runs/crons"): Case(
        404, lambda of: {"assistant_id": of.assistant_id, "schedule": "0 0 1 1 *"}
    ),
    ("POST", f"{_THREAD}/runs/crons"): Case(
        404, lambda _: {"assistant_id": "echo", "schedule": "0 0 1 1 *"}
    ),
    ("POST", "/runs/crons/search"): Case(
        200, lambda of: {"metadata": {"note": of.mark}}, answer=[]
    ),
    ("POST", "/runs/crons/count"): Case(200, lambda of: {"metadata": {"note": of.mark}}, answer=0),
    ("GET", _CRON): Case(404),
    ("PATCH", _CRON): Case(404, lambda of: {"metadata": {"owner": "bob"}}),
    ("DELETE", _CRON): Case(404),
    ("GET", f"{_CRON}/firings"): Case(404),
    ("POST", f"{_CRON}/trigger"): Case(404),
    ("PUT", _ITEM): Case(200, lambda of: {"namespace": [of.mark], "key": "k", "value": {"n": 1}}),
    ("GET", _ITEM): Case(200, query=lambda of: {"namespace": of.mark, "key": "k"}),
    ("DELETE", _ITEM): Case(204, query=lambda of: {"namespace": of.mark, "key": "k"}),
    ("POST", f"{_ITEM}/search"): Case(
        200, lambda of: {"namespace_prefix": [of.mark]}, answer={"items": []}
    ),
    ("GET", "/store/namespaces"): Case(
        200, query=lambda of: {"prefix": of.mark}, answer={"namespaces": []}
    ),
    ("POST", "/store/namespaces"): Case(
        200, lambda of: {"prefix": [of.mark]}, answer={"namespaces": []}
    ),
    ("GET", "/webhooks"): Case(200, answer=[]),
    ("GET", "/webhooks/{webhook_id}"): Case(404),
    ("POST", "/webhooks/{webhook_id}/redeliver"): Case(404),
    ("POST", "/mcp"): Case(200, _list_tools),
    ("GET", "/mcp"): Case(405, refused=True),
    ("DELETE", "/mcp"): Case(404, refused=True),
    ("POST", "/mcp/"): Case(200, _list_tools),
    ("GET", "/mcp/"): Case(405, refused=True),
    ("DELETE", "/mcp/"): Case(404, refused=True),
    ("GET", _AGENT): Case(400),
    ("GET", f"{_AGENT}/.well-known/agent-card.json"): Case(400),
    ("GET", f"{_AGENT}/.well-known/agent.json"): Case(400),
    ("GET", "/.well-known/agent-card.json"): Case(400, query=_agent),
    ("GET", "/.well-known/agent.json"): Case(400, query=_agent),
    ("POST", _AGENT): Case(
        200, lambda of: {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
    ),
}  # fmt: skip

#: The operations of the API, whether or not this server has them yet.
OPERATIONS = """
POST /assistants | POST /assistants/search | POST /assistants/count
GET /assistants/{assistant_id} | DELETE /assistants/{assistant_id}
PATCH /assistants/{assistant_id} | GET /assistants/{assistant_id}/graph
GET /assistants/{assistant_id}/subgraphs | GET /assistants/{assistant_id}/subgraphs/{namespace}
GET /assistants/{assistant_id}/schemas | POST /assistants/{assistant_id}/versions
POST /assistants/{assistant_id}/latest | POST /threads | POST /threads/search
POST /threads/count | POST /threads/prune | GET /threads/{thread_id}/storage
GET /threads/{thread_id}/state | POST /threads/{thread_id}/state
GET /threads/{thread_id}/state/{checkpoint_id} | POST /threads/{thread_id}/state/checkpoint
GET /threads/{thread_id}/history | POST /threads/{thread_id}/history
POST /threads/{thread_id}/copy | GET /threads/{thread_id} | DELETE /threads/{thread_id}
PATCH /threads/{thread_id} | GET /threads/{thread_id}/stream
POST /threads/{thread_id}/stream/events | GET /threads/{thread_id}/runs
POST /threads/{thread_id}/runs | POST /threads/{thread_id}/runs/crons
POST /threads/{thread_id}/runs/stream | POST /threads/{thread_id}/runs/wait
GET /threads/{thread_id}/runs/{run_id} | DELETE /threads/{thread_id}/runs/{run_id}
GET /threads/{thread_id}/runs/{run_id}/join | GET /threads/{thread_id}/runs/{run_id}/stream
POST /threads/{thread_id}/runs/{run_id}/cancel | POST /runs/crons | POST /runs/crons/search
POST /runs/crons/count | POST /runs/stream | POST /runs/cancel | POST /runs/wait | POST /runs
POST /runs/batch | GET /runs/crons/{cron_id} | PATCH /runs/crons/{cron_id}
DELETE /runs/crons/{cron_id} | PUT /store/items | DELETE /store/items | GET /store/items
POST /store/items/search | POST /store/namespaces | POST /a2a/{assistant_id} | POST /mcp/
GET /mcp/ | DELETE /mcp/ | GET /info | GET /metrics | GET /docs | GET /ok
POST /threads/{thread_id}/commands | GET / | GET /health | GET /ready | GET /openapi.json
GET /metrics/json | GET /store/namespaces | GET /runs/{run_id} | GET /runs/{run_id}/join
GET /runs/{run_id}/stream | POST /runs/{run_id}/cancel | GET /.well-known/agent-card.json
GET /a2a/{assistant_id} | GET /a2a/{assistant_id}/.well-known/agent-card.json
GET /internal/debug/thread | POST /internal/truncate | POST /deploy | GET /no-such-path
"""
_OPERATIONS = [text.strip().split(" ") for text in OPERATIONS.replace("\n", "|").split("|") if text]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("guarded"), config=API_KEYS) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def routes() -> dict[Route, str]:
    """Return the routes of the complete application, and the modules of their handlers."""
    app = build_app(cast("Services", None), ApiOptions(cors=Cors()))
    return {
        (route.method, route.resource.canonical): route.handler.__module__
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


@pytest.mark.requirement("AUTH-001")
def test_every_route_is_public_or_tested_with_two_owners() -> None:
    known = routes()
    public = {route for route in known if route[1] in PUBLIC}
    # Handlers of operations that are not there yet see nothing but the request.
    missing = {route for route, module in known.items() if module == "lgserve.api.later"}

    assert {method for method, _ in public} == {"GET"}
    assert known.keys() - public - missing == CASES.keys()


@pytest.mark.requirement("AUTH-007")
@pytest.mark.parametrize("route", CASES, ids=" ".join)
def test_another_owner_finds_nothing_and_changes_nothing(
    guarded: httpx.Client, route: Route
) -> None:
    case = CASES[route]
    hers = seed(guarded, ALICE)
    before = everything(guarded, ALICE, hers)

    answer = call(guarded, route, hers, BOB)

    assert answer.status_code == case.status, answer.text
    assert sent_by_himself(route) or hers.mark not in answer.text
    if case.answer is not None:
        assert answer.json() == case.answer
    if route == ("GET", _ITEM):
        assert answer.json() is None
    assert everything(guarded, ALICE, hers) == before
    assert all(status == 404 or found is None for status, found in strangers_view(guarded, hers))


@pytest.mark.parametrize("route", CASES, ids=" ".join)
def test_the_owner_herself_is_served(guarded: httpx.Client, route: Route) -> None:
    hers = seed(guarded, ALICE)

    answer = call(guarded, route, hers, ALICE)

    assert (
        answer.is_success or CASES[route].refused or answer.status_code == CASES[route].refusal
    ), answer.text


@pytest.mark.requirement("AUTH-002")
@pytest.mark.parametrize("key", [None, "", "wrong", "lgs_000000000000_wrong"])
@pytest.mark.parametrize("route", CASES, ids=" ".join)
def test_without_a_valid_key_there_is_only_401(
    guarded: httpx.Client, route: Route, key: str | None
) -> None:
    nothing = Holdings("m", "t", "r", "c", "t", "r", "a")
    answer = call(guarded, route, nothing, {} if key is None else {"x-api-key": key})

    assert answer.status_code == 401
    assert answer.json()["detail"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.requirement("AUTH-001")
@pytest.mark.parametrize(("method", "path"), _OPERATIONS)
def test_every_operation_of_the_api_is_public_or_needs_a_key(
    guarded: httpx.Client, method: str, path: str
) -> None:
    answer = guarded.request(method, path, headers={"x-auth-scheme": "langsmith"})

    if path in PUBLIC and (method, path) in routes():
        assert answer.status_code in (200, 501)
    else:
        assert answer.status_code == 401


def call(client: httpx.Client, route: Route, of: Holdings, who: dict[str, str]) -> httpx.Response:
    """Call a route for somebody's holdings."""
    method, path = route
    case = CASES[route]
    thread, run = case.ids
    for name, value in (
        ("thread_id", getattr(of, thread)),
        ("run_id", getattr(of, run)),
        ("checkpoint_id", of.checkpoint_id),
        ("assistant_id", of.assistant_id),
        ("cron_id", of.cron_id),
        ("webhook_id", of.webhook_id),
        ("namespace", "child"),
    ):
        path = path.replace(f"{{{name}}}", value)
    body = None if case.body is None else case.body(of)
    request = client.build_request(method, path, json=body, params=case.query(of), headers=who)
    answer = client.send(request, stream=True)
    if answer.is_success and case.endless:
        answer.close()
    else:
        answer.read()
    return answer


def sent_by_himself(route: Route) -> bool:
    """Whether the answer repeats what was asked, as that of a put does."""
    return route == ("PUT", _ITEM)


def strangers_view(client: httpx.Client, of: Holdings) -> Iterator[tuple[int, Any]]:
    """Return what bob sees of alice's: an item that he has put there himself is his own."""
    seen = everything(client, BOB, of)
    for path, (status, found) in seen.items():
        yield (
            status,
            None if path.startswith(_ITEM) and (found or {}).get("value") == {"n": 1} else found,
        )


@pytest.mark.requirement("AUTH-013")
def test_closing_a_public_route_closes_what_is_below_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    auth = {**API_KEYS["lgserve"]["auth"], "protect": ["/metrics"]}
    with served(tmp_path_factory.mktemp("closed"), config={"lgserve": {"auth": auth}}) as url:
        answers = [httpx.get(url + path).status_code for path in ("/metrics", "/metrics/json")]
        assert answers == [401, 401]
        assert httpx.get(f"{url}/info").status_code == 200
