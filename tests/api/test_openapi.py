"""`/openapi.json`: what it says is there is there, and what is there it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from lgserve import __version__, jsonio
from lgserve.api.app import GROUPS, build_app
from lgserve.api.auth import PUBLIC, open_paths
from lgserve.api.keys import ApiOptions, Services
from lgserve.api.openapi import Described, document, served_routes
from lgserve.api.operations import OPERATIONS, TAGS
from lgserve.settings import Cors
from tests.api.conftest import served
from tests.api.owners import API_KEYS
from tests.api.test_auth_routes import OPERATIONS as FIELD_OPERATIONS

Route = tuple[str, str]

#: Operations of the field that come with later issues.
_LATER = re.compile(r"(?!)")
#: What the list of the operations of the field has besides: our own, and what must not be there.
_NOT_OF_THE_FIELD = re.compile(r"/internal/|/deploy|/no-such-path|/\.well-known")
_ERRORS = "#/components/responses/"


def _options(**more: Any) -> ApiOptions:
    return ApiOptions(cors=Cors(), **more)


def _served(options: ApiOptions) -> tuple[Route, ...]:
    return served_routes(build_app(cast("Services", None), options), options)


def _described(options: ApiOptions | None = None, **more: Any) -> dict[str, Any]:
    options = options or _options()
    about = Described(routes=_served(options), prefix=options.mount_prefix, **more)
    found: dict[str, Any] = jsonio.loads(document(about))
    return found


def _listed(found: Mapping[str, Any]) -> dict[Route, dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return _described()


@pytest.fixture(scope="module")
def published(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_the_document_lists_exactly_the_routes_that_are_served(published: dict[str, Any]) -> None:
    assert set(_listed(published)) == set(_served(_options()))


def test_every_route_has_an_entry_in_the_table_and_every_entry_has_a_route() -> None:
    assert set(_served(_options())) == set(OPERATIONS)


@pytest.mark.requirement("OPENAPI-001")
def test_every_operation_of_the_field_is_described(whole: dict[str, Any]) -> None:
    named = re.findall(r"(\w+) (/\S*)", FIELD_OPERATIONS)
    wanted = {
        (method, path)
        for method, path in named
        if not _LATER.search(path) and not _NOT_OF_THE_FIELD.search(path)
    }

    assert len(wanted) > 50
    assert wanted - set(_listed(whole)) == set()


@pytest.mark.requirement("OPENAPI-002")
def test_operations_have_the_names_that_generated_clients_know(whole: dict[str, Any]) -> None:
    listed = _listed(whole)

    assert listed["POST", "/assistants"]["operationId"] == "create_assistant_assistants_post"
    assert listed["POST", "/assistants"]["summary"] == "Create Assistant"
    assert listed["POST", "/runs/wait"]["operationId"] == "wait_run_stateless_runs_wait_post"
    assert listed["PUT", "/store/items"]["operationId"] == "put_item"
    names = [operation["operationId"] for operation in listed.values()]
    assert len(set(names)) == len(names)
    assert {tag for operation in listed.values() for tag in operation["tags"]} <= set(TAGS)
    assert {"Assistant", "Thread", "Run", "ThreadState", "Item", "AssistantCreate",
            "RunCreateStateful", "RunCreateStateless", "ErrorResponse"} <= set(
        whole["components"]["schemas"]
    )  # fmt: skip


@pytest.mark.requirement("OPENAPI-003")
def test_the_document_is_openapi_3_1_without_loose_ends(whole: dict[str, Any]) -> None:
    assert whole["openapi"] == "3.1.0"
    assert whole["info"]["version"] == __version__
    for reference in _references(whole):
        _resolved(whole, reference)
    for (_, path), operation in _listed(whole).items():
        in_path = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert all(each["description"] for each in _answers(whole, operation))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


def _resolved(found: Mapping[str, Any], reference: str) -> Any:
    value: Any = found
    for name in reference.removeprefix("#/").split("/"):
        value = value[name]
    return value


def _answers(found: Mapping[str, Any], operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _resolved(found, answer["$ref"]) if "$ref" in answer else answer
        for answer in operation["responses"].values()
    ]


@pytest.mark.requirement("OPENAPI-004")
def test_errors_are_the_one_shape_everywhere(whole: dict[str, Any]) -> None:
    for operation in _listed(whole).values():
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "$ref" in answer:
                error = _resolved(whole, answer["$ref"])["content"]["application/json"]["schema"]
                assert error == {"$ref": "#/components/schemas/ErrorResponse"}
    assert whole["components"]["schemas"]["ErrorResponse"]["required"] == ["detail"]


def test_streams_are_server_sent_events(whole: dict[str, Any]) -> None:
    for path in ("/runs/stream", "/threads/{thread_id}/runs/stream"):
        content = whole["paths"][path]["post"]["responses"]["200"]["content"]
        assert list(content) == ["text/event-stream"]


@pytest.mark.parametrize(
    ("schema", "member", "expected"),
    [
        ("AssistantSearchRequest", "limit", {"minimum": 1, "maximum": 1000, "default": 10}),
        ("ThreadSearchRequest", "status", {"enum": ["idle", "busy", "interrupted", "error"]}),
        ("RunCreateStateful", "multitask_strategy", {"default": "enqueue"}),
        ("RunsCancel", "run_ids", {"items": {"type": "string", "format": "uuid"}}),
        ("ThreadCreate", "thread_id", {"type": "string", "format": "uuid"}),
    ],
)
def test_bodies_say_what_is_taken(
    whole: dict[str, Any], schema: str, member: str, expected: dict[str, Any]
) -> None:
    found = whole["components"]["schemas"][schema]["properties"][member]

    assert {name: found.get(name) for name in expected} == expected


def test_what_may_not_be_null_is_not_said_to_be(whole: dict[str, Any]) -> None:
    assistant = whole["components"]["schemas"]["AssistantPatch"]["properties"]

    assert assistant["name"] == {"type": "string"}
    assert "anyOf" not in assistant["metadata"]


@pytest.mark.requirement("OPENAPI-005")
@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"meta"}))
def test_what_is_switched_off_is_not_described(group: str) -> None:
    rest = _listed(_described(_options(disabled=frozenset({group}))))

    assert set(rest) == set(_served(_options(disabled=frozenset({group}))))
    assert len(rest) < len(_served(_options()))


@pytest.mark.requirement("OPENAPI-006")
def test_below_a_prefix_paths_stay_and_the_server_has_the_prefix(tmp_path: Path) -> None:
    with served(tmp_path, config={"http": {"mount_prefix": "/agents/api"}}) as url:
        assert httpx.get(f"{url}/openapi.json").status_code == 404
        found = httpx.get(f"{url}/agents/api/openapi.json").json()

    assert found["servers"] == [{"url": "/agents/api"}]
    assert set(_listed(found)) == set(_served(_options()))


def test_without_authentication_nothing_is_said_of_it(published: dict[str, Any]) -> None:
    assert "security" not in published
    assert published["components"]["securitySchemes"] == {}
    assert all("401" not in each["responses"] for each in _listed(published).values())


@pytest.mark.requirement("OPENAPI-007")
def test_with_api_keys_the_document_tells_how_to_send_one(tmp_path: Path) -> None:
    with served(tmp_path, config=API_KEYS) as url:
        found = httpx.get(f"{url}/openapi.json").json()

    schemes = found["components"]["securitySchemes"]
    assert schemes["ApiKey"] == {"type": "apiKey", "in": "header", "name": "x-api-key"}
    assert schemes["Bearer"] == {"type": "http", "scheme": "bearer"}
    assert found["security"] == [{"ApiKey": []}, {"Bearer": []}]
    for (_, path), operation in _listed(found).items():
        if path in PUBLIC:
            assert operation["security"] == []
        else:
            assert operation["responses"]["401"] == {"$ref": f"{_ERRORS}Unauthorized"}


def test_a_public_route_that_is_protected_is_described_as_such() -> None:
    found = _listed(_described(auth="jwt", public=open_paths(("/metrics",))))

    assert "security" not in found["GET", "/metrics"]
    assert "401" in found["GET", "/metrics"]["responses"]
    assert found["GET", "/info"]["security"] == []


@pytest.mark.requirement("OPENAPI-008")
def test_the_project_says_how_its_own_authentication_works(tmp_path: Path) -> None:
    scheme = {"type": "oauth2", "flows": {}}
    openapi = {
        "securitySchemes": {"Login": scheme},
        "security": [{"Login": ["read"]}],
        "paths": {"/threads": {"post": {"security": [{"Login": ["write"]}]}, "put": {"x": 1}}},
    }
    auth = {"path": "./guard.py:guard", "openapi": openapi}
    with served(tmp_path, "guarded", config={"auth": auth}) as url:
        found = httpx.get(f"{url}/openapi.json").json()

    assert found["components"]["securitySchemes"] == {"Login": scheme}
    assert found["security"] == [{"Login": ["read"]}]
    assert found["paths"]["/threads"]["post"]["security"] == [{"Login": ["write"]}]
    assert "put" not in found["paths"]["/threads"]


def test_a_client_that_has_the_document_is_told_so(http: httpx.Client) -> None:
    first = http.get("/openapi.json")

    again = http.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert http.get("/openapi.json", headers={"If-None-Match": '"other"'}).status_code == 200
