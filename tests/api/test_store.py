"""The store, through the SDK and over raw HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served

ITEM = ["namespace", "key", "value", "metadata", "created_at", "updated_at", "expires_at"]


@pytest.fixture
def space() -> str:
    """A namespace nobody else uses."""
    return f"space-{uuid4()}"


def keys(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["key"] for item in response.json()["items"]]


def put(http: httpx.Client, namespace: Any, key: str, value: Any, **more: Any) -> dict[str, Any]:
    body = {"namespace": namespace, "key": key, "value": value, **more}
    response = http.put("/store/items", json=body)
    assert response.status_code == 200, response.text
    item: dict[str, Any] = response.json()
    return item


# --- the SDK's forms


@pytest.mark.requirement("STORE-002")
async def test_the_sdk_puts_gets_searches_lists_and_deletes(
    client: LangGraphClient, space: str
) -> None:
    place = [space, "notes"]
    await client.store.put_item(place, "k", {"n": 1})
    await client.store.put_item(place, "l", {"n": 2}, index=False, ttl=60)

    item = dict(await client.store.get_item(place, "k"))
    assert list(item) == ITEM
    assert (item["namespace"], item["key"], item["value"]) == (place, "k", {"n": 1})
    assert (item["metadata"], item["expires_at"]) == ({}, None)
    assert item["created_at"] == item["updated_at"]

    found = (await client.store.search_items([space], filter={"n": {"$gte": 2}}))["items"]
    assert [(each["key"], each["score"]) for each in found] == [("l", None)]
    assert len((await client.store.search_items([space], limit=1, offset=1))["items"]) == 1
    listed = await client.store.list_namespaces(prefix=[space], suffix=["*"], max_depth=2)
    assert listed == {"namespaces": [place]}

    await client.store.delete_item(place, "k")
    await client.store.delete_item(place, "k")
    assert await client.store.get_item(place, "k") is None


@pytest.mark.requirement("CONFIG-009")
async def test_a_graph_and_the_api_share_one_store(client: LangGraphClient) -> None:
    await client.runs.wait(None, "memo", input={"text": "from the graph"})
    item = await client.store.get_item(["memo", "notes"], "last")
    assert item["value"] == {"text": "from the graph"}


# --- the simple forms


def test_a_namespace_may_be_a_text_wherever_a_list_is_taken(http: httpx.Client, space: str) -> None:
    item = put(http, space, "theme", {"mode": "dark"}, metadata={"user_id": "123"})
    assert list(item) == ITEM
    assert (item["namespace"], item["metadata"]) == ([space], {"user_id": "123"})
    put(http, f"{space}.deep", "tone", {"mode": "light"})

    query = {"namespace": space, "key": "theme"}
    assert http.get("/store/items", params=query).json() == item
    dotted = {"namespace": f"{space}.deep", "key": "tone"}
    assert http.get("/store/items", params=dotted).json()["value"] == {"mode": "light"}
    repeated = f"namespace={space}&namespace=deep&key=tone"
    assert http.get(f"/store/items?{repeated}").json()["key"] == "tone"
    search = http.post("/store/items/search", json={"namespace_prefix": f"{space}.deep"})
    assert keys(search) == ["tone"]
    listed = http.post("/store/namespaces", json={"prefix": space, "suffix": "deep"}).json()
    assert listed == {"namespaces": [[space, "deep"]]}


def test_a_prefix_in_place_of_a_key_lists_items_of_the_namespace(
    http: httpx.Client, space: str
) -> None:
    for key in ("theme", "theme-2", "them%", "tone", "_x"):
        put(http, space, key, {})
    put(http, f"{space}.below", "theme", {})

    def listed(**query: Any) -> list[str]:
        return keys(http.get("/store/items", params={"namespace": space, **query}))

    assert sorted(listed(prefix="theme")) == ["theme", "theme-2"]
    assert listed(prefix="them%") == ["them%"]
    assert sorted(listed(prefix="")) == ["_x", "them%", "theme", "theme-2", "tone"]
    assert listed(prefix="", limit=2, offset=1) == ["tone", "them%"]
    body = {"namespace": space, "prefix": "theme", "limit": 10}
    assert sorted(keys(http.post("/store/items/search", json=body))) == ["theme", "theme-2"]


@pytest.mark.requirement("STORE-004")
def test_items_are_deleted_by_query_and_by_body(http: httpx.Client, space: str) -> None:
    put(http, space, "a", {})
    put(http, [space, "x"], "b", {})
    query = {"namespace": space, "key": "a"}
    assert http.delete("/store/items", params=query).status_code == 204
    assert http.delete("/store/items", params=query).status_code == 204
    body = {"namespace": [space, "x"], "key": "b"}
    assert http.request("DELETE", "/store/items", json=body).status_code == 204
    assert http.request("DELETE", "/store/items", json={"key": "nowhere"}).status_code == 204
    assert keys(http.post("/store/items/search", json={"namespace_prefix": [space]})) == []
    nothing = http.delete("/store/items")
    assert (nothing.status_code, "key" in nothing.json()["detail"]) == (422, True)


@pytest.mark.requirement("STORE-005")
def test_namespaces_are_listed_by_query_as_by_body(http: httpx.Client, space: str) -> None:
    for labels in (["a"], ["a", "b", "c"], ["b", "c"]):
        put(http, [space, *labels], "k", {})
    put(http, f"{space}2", "k", {})

    def listed(**query: Any) -> list[str]:
        by_query = http.get("/store/namespaces", params={"prefix": space, **query})
        by_body = http.post("/store/namespaces", json={"prefix": space, **query})
        assert by_query.json() == by_body.json()
        return [".".join(labels[1:]) for labels in by_query.json()["namespaces"]]

    assert listed() == ["a", "a.b.c", "b.c"]
    assert listed(suffix="c") == ["a.b.c", "b.c"]
    assert listed(suffix="*.c") == ["a.b.c", "b.c"]
    assert listed(max_depth=2) == ["a", "b"]
    assert listed(limit=1, offset=1) == ["a.b.c"]
    nobody = http.get("/store/namespaces", params={"prefix": f"{space}.nowhere"})
    assert nobody.json() == {"namespaces": []}


def test_namespaces_keep_their_items_apart(http: httpx.Client, space: str) -> None:
    put(http, [space, "a"], "k", {"of": "a"})
    put(http, [space, "ab"], "k", {"of": "ab"})
    put(http, [space, "a", "b"], "k", {"of": "a.b"})

    def values(**body: Any) -> list[str]:
        found = http.post("/store/items/search", json=body).json()["items"]
        return sorted(item["value"]["of"] for item in found)

    assert values(namespace=[space, "a"]) == ["a"]
    assert values(namespace_prefix=[space, "a"]) == ["a", "a.b"]
    assert values(namespace_prefix=[space]) == ["a", "a.b", "ab"]
    assert values(namespace=f"{space}.b") == []


# --- what an item is


@pytest.mark.requirement("STORE-003")
def test_a_replaced_item_keeps_its_creation_time_and_nothing_else(
    http: httpx.Client, space: str
) -> None:
    first = put(http, space, "k", {"a": 1}, metadata={"m": 1}, ttl=5)
    second = put(http, space, "k", {"b": 2})
    assert second["created_at"] == first["created_at"] < second["updated_at"]
    assert (second["value"], second["metadata"]) == ({"b": 2}, {})
    assert (first["expires_at"] is None, second["expires_at"]) == (False, None)


@pytest.mark.requirement("STORE-001")
def test_values_come_back_as_they_were_sent(http: httpx.Client, space: str) -> None:
    value = {"ü": [1, 2.5, None, True, {"b": "😀"}], "big": 2**80, "": {}}
    assert put(http, space, "", value)["value"] == value
    found = http.get("/store/items", params={"namespace": space, "key": ""}).json()
    assert found["value"] == value


@pytest.mark.requirement("STORE-009")
def test_items_are_found_by_filter_and_by_metadata(http: httpx.Client, space: str) -> None:
    put(http, space, "a", {"n": 1, "tags": ["x"], "meta": {"by": "ann"}}, metadata={"user": "1"})
    put(http, space, "b", {"n": 5, "meta": 3}, metadata={"user": "2", "plan": {"size": 9}})
    put(http, space, "c", {})

    def found(**body: Any) -> list[str]:
        body = {"namespace_prefix": [space], **body}
        return sorted(keys(http.post("/store/items/search", json=body)))

    assert found(filter={"n": 1}) == ["a"]
    assert found(filter={"n": {"$gt": 0, "$lt": 5}}) == ["a"]
    assert found(filter={"n": {"$in": [5, 6]}}) == ["b"]
    assert found(filter={"n": {"$nin": [5, 6]}}) == ["a", "c"]
    assert found(filter={"n": {"$exists": False}}) == ["c"]
    assert found(filter={"n": {"$ne": 1}}) == ["b", "c"]
    assert found(filter={"tags": {"$contains": "x"}}) == ["a"]
    assert found(filter={"meta.by": "ann"}) == ["a"]
    assert found(metadata={"user": "2"}) == ["b"]
    assert found(metadata={"plan.size": {"$gte": 9}}) == ["b"]
    assert found(filter={"metadata.user": {"$in": ["1", "2"]}}, metadata={"user": "1"}) == ["a"]
    assert found(filter={"n": 1}, query="has no meaning without an index") == ["a"]


@pytest.mark.requirement("STORE-011")
def test_an_item_is_gone_when_its_time_is_over(http: httpx.Client, space: str) -> None:
    put(http, space, "short", {}, ttl=0.002)
    put(http, space, "ever", {}, ttl=None)
    query: dict[str, Any] = {"namespace": space, "key": "short", "refresh_ttl": "false"}
    deadline = time.monotonic() + 10
    while http.get("/store/items", params=query).json() is not None:
        assert time.monotonic() < deadline
    assert keys(http.post("/store/items/search", json={"namespace_prefix": [space]})) == ["ever"]


@pytest.mark.requirement("STORE-011")
def test_reading_makes_the_time_to_live_begin_anew_unless_told_otherwise(
    http: httpx.Client, space: str
) -> None:
    expiries = [put(http, space, "k", {}, ttl=10)["expires_at"]]
    query = {"namespace": space, "key": "k"}
    reads: list[Any] = [
        http.get("/store/items", params=query).json(),
        http.get("/store/items", params={**query, "refresh_ttl": "false"}).json(),
        http.post("/store/items/search", json={"namespace": space}).json()["items"][0],
        http.get("/store/items", params={**query, "refresh_ttl": "0"}).json(),
    ]
    expiries += [item["expires_at"] for item in reads]
    assert expiries[0] < expiries[1] == expiries[2] < expiries[3] == expiries[4]


@pytest.mark.requirement("STORE-008")
def test_reading_creates_nothing(http: httpx.Client, space: str) -> None:
    query = {"namespace": space, "key": "k"}
    assert http.get("/store/items", params=query).json() is None
    http.post("/store/items/search", json={"namespace_prefix": [space]})
    assert http.post("/store/namespaces", json={"prefix": [space]}).json() == {"namespaces": []}


# --- refusals


GOOD = {"namespace": ["a"], "key": "k", "value": {}}


@pytest.mark.requirement("STORE-006")
@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        ({"namespace": []}, 400, "Namespace cannot be empty."),
        ({"namespace": ""}, 400, "Namespace cannot be empty."),
        ({"namespace": ["langgraph", "x"]}, 400, 'Root label for namespace cannot be "langgraph".'),
        (
            {"namespace": ["a.b"]},
            422,
            "namespace[0]: Namespace label 'a.b' must be a non-empty string without",
        ),
        (
            {"namespace": ["a", ""]},
            422,
            "namespace[1]: Namespace label '' must be a non-empty string",
        ),
        ({"namespace": "a..b"}, 422, "namespace[1]: Namespace label '' must be a non-empty string"),
        ({"namespace": 5}, 422, "namespace: Input should be a string or an array of strings"),
        ({"namespace": [5]}, 422, "namespace[0]: Input should be a string"),
        ({"key": None}, 422, "key: Input should be a string"),
        ({"value": [1]}, 422, "value: Input should be an object"),
        ({"metadata": "x"}, 422, "metadata: Input should be an object"),
        ({"index": True}, 422, "index: Input should be false or an array of paths"),
        ({"index": [1]}, 422, "index: Input should be false or an array of paths"),
        ({"ttl": "1"}, 422, "ttl: Input should be a number"),
    ],
)
def test_a_put_that_makes_no_sense_names_what_is_wrong(
    http: httpx.Client, change: dict[str, Any], status: int, detail: str
) -> None:
    response = http.put("/store/items", json={**GOOD, **change})
    assert response.status_code == status
    assert response.json()["detail"].startswith(detail)


@pytest.mark.requirement("STORE-006")
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"limit": 0}, 422, "limit: "),
        ({"limit": -1}, 422, "limit: "),
        ({"limit": 10**6}, 422, "limit: "),
        ({"offset": -1}, 422, "offset: "),
        ({"filter": {"n": {"$near": 1}}}, 400, "Unsupported operator: $near"),
        ({"metadata": {"$or": []}}, 400, "Unsupported operator: $or"),
        ({"filter": []}, 422, "filter: Input should be an object"),
        ({"namespace_prefix": ["a."]}, 422, "namespace_prefix[0]: Namespace label 'a.'"),
        ({"namespace": "a", "namespace_prefix": ["a"]}, 422, "namespace: "),
        ({"refresh_ttl": "no"}, 422, "refresh_ttl: Input should be true or false"),
    ],
)
def test_a_search_that_makes_no_sense_names_what_is_wrong(
    http: httpx.Client, body: dict[str, Any], status: int, detail: str
) -> None:
    response = http.post("/store/items/search", json=body)
    assert (response.status_code, response.json()["detail"].startswith(detail)) == (status, True)


@pytest.mark.requirement("STORE-006")
@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("namespace=a", 400, "Key is required"),
        ("key=k", 422, "namespace is required"),
        ("namespace=a..b&key=k", 422, "namespace[1]: Namespace label ''"),
        ("namespace=a&key=k&refresh_ttl=x", 422, "Invalid refresh_ttl x"),
        ("namespace=a&prefix=k&limit=0", 422, "Invalid limit 0"),
    ],
)
def test_a_get_that_makes_no_sense_names_what_is_wrong(
    http: httpx.Client, query: str, status: int, detail: str
) -> None:
    response = http.get(f"/store/items?{query}")
    assert (response.status_code, response.json()["detail"].startswith(detail)) == (status, True)


@pytest.mark.requirement("STORE-006")
@pytest.mark.parametrize("body", [{"max_depth": 0}, {"max_depth": None}, {"limit": 0}])
def test_a_listing_that_makes_no_sense_is_refused(http: httpx.Client, body: Any) -> None:
    assert http.post("/store/namespaces", json=body).status_code == 422
    assert http.get("/store/namespaces?max_depth=x").status_code == 422


@pytest.mark.requirement("STORE-007")
def test_a_search_without_a_prefix_searches_everything(http: httpx.Client, space: str) -> None:
    put(http, space, "k", {"mark": space})
    everywhere: list[dict[str, Any]] = [{}, {"namespace_prefix": None}, {"namespace_prefix": []}]
    for body in everywhere:
        found = http.post("/store/items/search", json={**body, "filter": {"mark": space}})
        assert keys(found) == ["k"]


# --- semantic search, and the config's times to live


@pytest.fixture(scope="module")
def memory_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with an index."""
    with served(tmp_path_factory.mktemp("memory"), "memory") as url:
        yield url


@pytest.fixture
def memory(memory_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=memory_url, timeout=30) as client:
        yield client


@pytest.mark.requirement("STORE-010")
async def test_graphs_and_the_api_search_one_index(memory_url: str) -> None:
    async with get_client(url=memory_url) as client:
        await client.runs.wait(None, "remember", input={"key": "cat", "text": "cat cat"})
        await client.store.put_item(["memories"], "both", {"text": "cat dog"})
        await client.store.put_item(["memories"], "never", {"text": "cat"}, index=False)
        await client.store.put_item(["memories"], "title", {"title": "dog"}, index=["title"])

        found = (await client.store.search_items(["memories"], query="cat"))["items"]
        expected = [["cat", 1.0], ["both", 0.7071], ["title", 0.0], ["never", None]]
        assert [[item["key"], _rounded(item["score"])] for item in found] == expected
        for graph in ("recall", "recall_sync"):
            values: Any = await client.runs.wait(None, graph, input={"text": "cat"})
            assert [[key, _rounded(score)] for key, score in values["found"]] == expected
        values = await client.runs.wait(None, "recall", input={"text": "cat"})
        assert set(values["threads"]) == {"lgserve-user-loop"}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def test_embedding_code_that_fails_stores_nothing_and_says_so(memory: httpx.Client) -> None:
    response = memory.put("/store/items", json={**GOOD, "value": {"text": "fail"}})
    assert response.status_code == 500
    assert response.json() == {"detail": "the embedding function failed with RuntimeError"}
    assert memory.get("/store/items?namespace=a&key=k").json() is None


@pytest.mark.requirement("STORE-012")
def test_items_live_as_long_as_the_config_says_unless_they_say_it(memory: httpx.Client) -> None:
    default = put(memory, "ttl", "default", {})
    assert default["expires_at"] is not None
    assert put(memory, "ttl", "ever", {}, ttl=None)["expires_at"] is None
    assert put(memory, "ttl", "long", {}, ttl=60)["expires_at"] > default["expires_at"]
    read = memory.get("/store/items?namespace=ttl&key=default").json()
    assert read["expires_at"] == default["expires_at"]
    again = memory.get("/store/items?namespace=ttl&key=default&refresh_ttl=true").json()
    assert again["expires_at"] > default["expires_at"]


def test_info_says_whether_searches_can_be_for_a_meaning(
    memory: httpx.Client, http: httpx.Client
) -> None:
    found = [client.get("/info").json()["capabilities"] for client in (memory, http)]
    assert [(each["store"], each["semantic_search"]) for each in found] == [
        (True, True),
        (True, False),
    ]


# --- what is refused


@pytest.mark.parametrize("ttl", [0, -1, -0.5, 0.0])
def test_a_time_to_live_of_nothing_is_refused(http: httpx.Client, space: str, ttl: float) -> None:
    body = {"namespace": space, "key": "k", "value": {}, "ttl": ttl}
    answer = http.put("/store/items", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("ttl: Input should be more than 0 minutes")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e400", "true", '"5"'])
def test_a_time_to_live_that_is_no_number_is_refused(
    http: httpx.Client, space: str, text: str
) -> None:
    body = f'{{"namespace": "{space}", "key": "k", "value": {{}}, "ttl": {text}}}'
    assert http.put("/store/items", content=body).status_code == 422


@pytest.mark.parametrize("query", ["key=k", "key=k&namespace="])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_item_cannot_be_named_without_its_namespace(
    http: httpx.Client, method: str, query: str
) -> None:
    answer = http.request(method, f"/store/items?{query}")

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("namespace is required")


@pytest.mark.parametrize(
    ("condition", "operator"),
    [
        ({"$in": "a"}, "$in"),
        ({"$nin": {"a": 1}}, "$nin"),
        ({"$in": None}, "$in"),
        ({"$gt": {"a": 1}}, "$gt"),
        ({"$gte": [1]}, "$gte"),
        ({"$lt": True}, "$lt"),
        ({"$lte": None}, "$lte"),
        ({"$exists": "yes"}, "$exists"),
        ({"$exists": 1}, "$exists"),
        ({"deep": {"deeper": {"$in": 1}}}, "$in"),
        ([{"$exists": 0}], "$exists"),
        ({"$gte": 1, "$in": 1}, "$in"),
    ],
)
@pytest.mark.parametrize("member", ["filter", "metadata"])
def test_an_operand_that_fits_no_operator_is_refused_by_the_operator_s_name(
    http: httpx.Client, member: str, condition: Any, operator: str
) -> None:
    answer = http.post("/store/items/search", json={member: {"n": condition}})

    assert answer.status_code == 422
    assert f"{operator} should have" in answer.json()["detail"]


def test_what_stands_beside_operators_may_look_like_one(http: httpx.Client, space: str) -> None:
    put(http, space, "k", {"n": {"$in": 1}, "m": ["a"]})
    for condition in ({"n": {"$eq": {"$in": 1}}}, {"m": {"$contains": ["a"]}}, {"m": ["a"]}):
        body = {"namespace": space, "filter": condition}
        assert keys(http.post("/store/items/search", json=body)) == ["k"]
