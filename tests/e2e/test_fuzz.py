"""A server of the sample graphs, held against its own document by schemathesis.

Requests are made from `/openapi.json`, such as it takes and such as it refuses. Half of them name
things that exist, so that they get past "not found". No answer may be a 5xx, and each must be one
that the document knows: its status, its content type, its headers and its body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from lgserve import jsonio
from lgserve.api.app import build_app
from lgserve.api.http import decode
from lgserve.api.keys import ApiOptions, Services
from lgserve.api.openapi import Described, document, served_routes
from lgserve.api.operations import OPERATIONS
from lgserve.core.errors import LgserveError
from lgserve.settings import Cors
from tests.servers import serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]
_EXAMPLES = 8
_SECONDS = 20
_FRAME = re.compile(rb": heartbeat|event: [^\r\n]+\r\ndata: [^\r\n]+(\r\nid: [0-9]+-[0-9]+)?")
#: Their answers have no end: of these only the beginning is looked at.
_ENDLESS = ("GET /threads/{thread_id}/stream", "POST /threads/{thread_id}/stream/events")

_OPTIONS = ApiOptions(cors=Cors())
_APP = build_app(cast("Services", None), _OPTIONS)
_ROUTES = [route for route in OPERATIONS if route in served_routes(_APP, _OPTIONS)]
_DOCUMENT = jsonio.loads(document(Described(routes=tuple(_ROUTES))))

#: Seeded, so that everybody's run is the same one; `pytest` shows the request that fails.
bounded = settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server, its document as it publishes it, and things that are on it."""

    http: httpx.Client
    schema: Any

    def thread_and_run(self) -> dict[str, str]:
        """Return a thread on which a run has ended."""
        thread_id = self.http.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "echo", "input": {"text": "x"}}
        self.http.post(f"/threads/{thread_id}/runs/wait", json=body).raise_for_status()
        run = self.http.get(f"/threads/{thread_id}/runs").json()[0]
        state = self.http.get(f"/threads/{thread_id}/state").json()
        return {
            "thread_id": thread_id,
            "run_id": run["run_id"],
            "checkpoint_id": state["checkpoint_id"],
        }

    def assistant(self) -> dict[str, str]:
        """Return an assistant."""
        made = self.http.post("/assistants", json={"graph_id": "parent"}).json()
        return {"assistant_id": made["assistant_id"], "namespace": "child"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with (
        serving(tmp_path_factory.mktemp("fuzzed")) as server,
        httpx.Client(base_url=server.url, timeout=_SECONDS) as http,
    ):
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        yield Target(http=http, schema=schema)


@pytest.fixture(scope="module")
def things(target: Target) -> dict[str, str]:
    return {**target.thread_and_run(), **target.assistant()}


@pytest.mark.requirement("OPENAPI-003")
def test_the_document_is_valid_by_the_schema_of_openapi(target: Target) -> None:
    found = target.http.get("/openapi.json").json()

    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(found)] == []


@pytest.mark.requirement("OPENAPI-009")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("route", _ROUTES, ids=" ".join)
def test_every_answer_is_one_that_the_document_knows(
    target: Target, things: dict[str, str], route: tuple[str, str], mode: GenerationMode
) -> None:
    operation = target.schema[route[1]][route[0]]
    if mode is GenerationMode.NEGATIVE and not _can_be_wrong(route):
        return

    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    @bounded
    def check(case: Any, real: bool) -> None:
        if real:
            _name_real_things(case, target, things)
        _keep_short(case)
        _call(case, target)

    check()


def _can_be_wrong(route: tuple[str, str]) -> bool:
    """Tell whether there is anything that can be wrong: an assistant's name can be any text."""
    operation = OPERATIONS[route]
    return operation.body is not None or bool(operation.parameters) or "/{thread_id}" in route[1]


def _name_real_things(case: Any, target: Target, things: dict[str, str]) -> None:
    """Put what exists into the path, and a graph into the body of a run."""
    if case.operation.label in _ENDLESS:
        return
    deletes = case.method == "DELETE"
    known = {**target.thread_and_run(), **target.assistant()} if deletes else things
    case.path_parameters = {
        name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
    }
    bodies = case.body if isinstance(case.body, list) else [case.body]
    for body in bodies:
        if isinstance(body, dict) and isinstance(body.get("assistant_id"), str):
            body["assistant_id"] = "echo"
        if isinstance(body, dict) and isinstance(body.get("graph_id"), str):
            body["graph_id"] = "echo"


def _keep_short(case: Any) -> None:
    """Let no run begin later: whoever waits for it, or for its thread, would wait as long."""
    for body in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(body, dict) and isinstance(body.get("after_seconds"), int | float):
            body["after_seconds"] = min(0, body["after_seconds"])


def _call(case: Any, target: Target) -> None:
    if case.operation.label in _ENDLESS:
        asked = case.as_transport_kwargs()
        with requests.request(**asked, stream=True, timeout=_SECONDS) as answer:
            assert str(answer.status_code) in case.operation.definition.raw["responses"]
            assert answer.status_code < 500
        return
    answer = case.call(timeout=_SECONDS)
    if not answer.headers.get("content-type", [""])[0].startswith("text/event-stream"):
        case.validate_response(answer, checks=[*CHECKS, response_schema_conformance])
        return
    case.validate_response(answer, checks=CHECKS)
    frames = answer.content.split(b"\r\n\r\n")
    assert frames.pop() == b""
    assert [frame for frame in frames if not _FRAME.fullmatch(frame)] == []


_WITH_BODY = [route for route in _ROUTES if OPERATIONS[route].body is not None]


@pytest.mark.requirement("OPENAPI-010")
@pytest.mark.parametrize("route", _WITH_BODY, ids=" ".join)
def test_a_body_that_the_document_allows_is_not_refused(route: tuple[str, str]) -> None:
    schema: Any = schemathesis.openapi.from_dict(_DOCUMENT)
    read = _reader(OPERATIONS[route].body)

    @given(case=schema[route[1]][route[0]].as_strategy())
    @settings(bounded, max_examples=40)
    def check(case: Any) -> None:
        if isinstance(case.body, dict | list):
            read(decode(json.dumps(case.body).encode()))

    check()


def _reader(model: Any) -> Callable[[Any], None]:
    from pydantic import TypeAdapter

    adapter = TypeAdapter(model)

    def read(value: Any) -> None:
        try:
            adapter.validate_python(value)
        except (ValueError, LgserveError) as exc:
            raise AssertionError(f"refused: {value!r}: {exc}") from None

    return read
