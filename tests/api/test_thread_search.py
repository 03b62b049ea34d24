"""Searching and counting threads."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient


class Found:
    """Three threads that share a mark: idle (echo), interrupted (ask), error (boom)."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.mark = uuid4().hex
        self.ids = [self._thread(i, graph) for i, graph in enumerate(("echo", "ask", "boom"))]

    def _thread(self, number: int, graph: str) -> str:
        metadata = {"mark": self.mark, "i": number, "nest": {"a": number, "b": 0}}
        thread_id = str(self.http.post("/threads", json={"metadata": metadata}).json()["thread_id"])
        body = {"assistant_id": graph, "input": {"text": "s", "q": "s"}}
        self.http.post(f"/threads/{thread_id}/runs/wait", json=body)
        return thread_id

    def rows(self, **search: Any) -> list[dict[str, Any]]:
        answer = self.search(**search)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def search(self, **search: Any) -> httpx.Response:
        metadata = {"mark": self.mark, **search.pop("metadata", {})}
        return self.http.post("/threads/search", json={"metadata": metadata, **search})

    def numbers(self, **search: Any) -> list[int]:
        """Return which of the three are found, in order."""
        return [self.ids.index(row["thread_id"]) for row in self.rows(**search)]

    def count(self, **search: Any) -> int:
        metadata = {"mark": self.mark, **search.pop("metadata", {})}
        body = {"metadata": metadata, **search}
        total: int = self.http.post("/threads/count", json=body).json()
        return total


@pytest.fixture(scope="module")
def three(http: httpx.Client) -> Found:
    return Found(http)


@pytest.mark.requirement("SEARCH-004")
def test_the_latest_changed_come_first(three: Found) -> None:
    assert three.numbers() == [2, 1, 0]


@pytest.mark.requirement("SEARCH-001")
@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ({"status": "idle"}, [0]),
        ({"status": "interrupted"}, [1]),
        ({"status": "error"}, [2]),
        ({"status": "busy"}, []),
        ({"metadata": {"i": 1}}, [1]),
        ({"metadata": {"i": 1.0}}, [1]),
        ({"metadata": {"i": True}}, []),
        ({"metadata": {"i": "1"}}, []),
        ({"metadata": {"nest": {"a": 2}}}, [2]),
        ({"metadata": {"nest": {"b": 0}}}, [2, 1, 0]),
        ({"metadata": {"graph_id": "ask"}}, [1]),
        ({"metadata": {"graph_id": "ask", "i": 0}}, []),
        ({"metadata": {"absent": None}}, []),
        ({"values": {"n": 2}}, [0]),
        ({"values": {"log": ["a:s", "b"]}}, [0]),
        ({"values": {"log": ["a:s"]}}, []),
        ({"values": {"text": "s", "n": 2}}, [0]),
    ],
)
def test_filters_contain(three: Found, search: dict[str, Any], numbers: list[int]) -> None:
    assert three.numbers(**search) == numbers
    assert three.count(**search) == len(numbers)


@pytest.mark.requirement("SEARCH-002")
def test_threads_without_values_match_no_values(http: httpx.Client) -> None:
    mark = uuid4().hex
    http.post("/threads", json={"metadata": {"mark": mark}})
    body = {"metadata": {"mark": mark}, "values": {"n": 2}}

    assert http.post("/threads/search", json=body).json() == []
    assert http.post("/threads/count", json=body).json() == 0


@pytest.mark.requirement("SEARCH-003")
def test_ids_narrow_and_no_ids_do_not(three: Found, http: httpx.Client) -> None:
    assert three.numbers(ids=[three.ids[0], three.ids[2].upper(), str(uuid4())]) == [2, 0]
    assert three.numbers(ids=[]) == [2, 1, 0]
    assert http.post("/threads/search", json={"ids": [str(uuid4())] * 40_000}).json() == []


@pytest.mark.requirement("SEARCH-004")
@pytest.mark.parametrize(
    ("sort_by", "ascending"),
    [
        ("thread_id", [0, 1, 2]),
        ("status", [2, 0, 1]),
        ("created_at", [0, 1, 2]),
        ("updated_at", [0, 1, 2]),
        ("state_updated_at", [0, 1, 2]),
    ],
)
def test_every_order_works_both_ways(three: Found, sort_by: str, ascending: list[int]) -> None:
    assert three.numbers(sort_by=sort_by, sort_order="asc") == ascending
    assert three.numbers(sort_by=sort_by, sort_order="desc") == ascending[::-1]
    assert three.numbers(sort_by=sort_by) == ascending[::-1]


@pytest.mark.requirement("HTTP-012")
def test_pages_say_how_many_there_are_in_all(three: Found) -> None:
    def page(**search: Any) -> tuple[list[int], str, str | None]:
        answer = three.search(**search)
        found = [three.ids.index(row["thread_id"]) for row in answer.json()]
        headers = answer.headers
        return found, headers["x-pagination-total"], headers.get("x-pagination-next")

    assert page(limit=1) == ([2], "3", "1")
    assert page(limit=1, offset=1) == ([1], "3", "2")
    assert page(limit=1, offset=2) == ([0], "3", None)
    assert page(offset=3) == ([], "3", None)


@pytest.mark.requirement("SEARCH-005")
def test_select_shows_only_what_is_asked_for(three: Found) -> None:
    assert three.rows(status="idle", select=["status", "thread_id"]) == [
        {"thread_id": three.ids[0], "status": "idle"}
    ]
    assert list(three.rows(status="idle", select=["interrupts", "values", "config"])[0]) == [
        "config",
        "values",
        "interrupts",
    ]


@pytest.mark.requirement("SEARCH-006")
def test_extract_reads_paths_into_the_row(three: Found) -> None:
    paths = {
        "n": "values.n",
        "first": "values.log[0]",
        "last": "values.log[-1]",
        "beyond": "values.log[9]",
        "not_a_list": "values.n[0]",
        "missing": "values.zzz.more",
        "nest": "metadata.nest.a",
        "whole": "config.configurable",
        "pending": "interrupts",
    }

    assert three.rows(status="idle", select=["status"], extract=paths) == [
        {
            "status": "idle",
            "extracted": {
                "n": 2,
                "first": "a:s",
                "last": "b",
                "beyond": None,
                "not_a_list": None,
                "missing": None,
                "nest": 0,
                "whole": {},
                "pending": {},
            },
        }
    ]


@pytest.mark.requirement("SEARCH-006")
def test_extract_of_a_thread_without_values_is_null(http: httpx.Client) -> None:
    mark = uuid4().hex
    http.post("/threads", json={"metadata": {"mark": mark}})
    body = {"metadata": {"mark": mark}, "select": ["status"], "extract": {"n": "values.n"}}

    assert http.post("/threads/search", json=body).json() == [
        {"status": "idle", "extracted": {"n": None}}
    ]


@pytest.mark.requirement("SEARCH-008")
async def test_the_sdk_searches_and_counts(client: LangGraphClient, three: Found) -> None:
    rows: Any = await client.threads.search(
        metadata={"mark": three.mark},
        status="idle",
        sort_by="created_at",
        select=["thread_id"],
        extract={"n": "values.n"},
    )

    assert rows == [{"thread_id": three.ids[0], "extracted": {"n": 2}}]
    assert await client.threads.count(metadata={"mark": three.mark}) == 3


@pytest.mark.requirement("SEARCH-007")
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"ids": ["bad"]}, 400, "ids[0]: Invalid thread ID bad"),
        ({"status": "bogus"}, 422, "status: Input should be 'idle', 'busy', 'interrupted' or"),
        ({"sort_by": "bogus"}, 422, "sort_by: Input should be 'thread_id', 'status'"),
        ({"select": ["error"]}, 422, "select[0]: Input should be 'thread_id'"),
        ({"limit": 5000}, 422, "limit: Input should be less than or equal to 1000 (got 5000)"),
        ({"extract": {"bad": "nope.x"}}, 422, "Extract path 'nope.x' must start with one of"),
    ],
)
def test_wrong_searches_are_refused_with_a_sentence(
    http: httpx.Client, body: Any, status: int, detail: str
) -> None:
    answer = http.post("/threads/search", json=body)

    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)
