"""Reading the query: lists, numbers, flags, objects."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from lgserve.api.http import flag, integer, names, object_parameter
from lgserve.core.errors import InvalidRequestError


@pytest.mark.requirement("HTTP-014")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ()),
        ("select=", ()),
        ("select=a", ("a",)),
        ("select=a&select=b", ("a", "b")),
        ("select=a,b", ("a", "b")),
        ("select=a,%20b,&select=c&other=d", ("a", "b", "c")),
    ],
)
def test_a_list_is_repeated_or_has_commas(query: str, expected: tuple[str, ...]) -> None:
    assert names(make_mocked_request("GET", f"/?{query}"), "select") == expected


@pytest.mark.requirement("HTTP-015")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("wait=1", True),
        ("wait=true", True),
        ("wait=True", True),
        ("wait=0", False),
        ("wait=yes", False),
        ("wait", False),
        ("", False),
    ],
)
def test_a_flag_is_1_or_true(query: str, *, expected: bool) -> None:
    assert flag(make_mocked_request("GET", f"/?{query}"), "wait") is expected


@pytest.mark.parametrize(("query", "expected"), [("", 10), ("limit=0", 0), ("limit=7", 7)])
def test_a_number_has_a_default(query: str, expected: int) -> None:
    assert integer(make_mocked_request("GET", f"/?{query}"), "limit", 10, low=0) == expected


@pytest.mark.parametrize(
    "text", ["x", "", "1.5", "-1", "٣", "1e3", "0x1", "9" * 19, "9" * 5000, "--1", "%2B1"]
)
def test_other_numbers_are_refused(text: str) -> None:
    request = make_mocked_request("GET", f"/?limit={text}")

    with pytest.raises(InvalidRequestError, match=r"^Invalid limit "):
        integer(request, "limit", 10, low=0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", None), ("metadata=", None), ("metadata=%7B%22a%22%3A1%7D", {"a": 1})],
)
def test_an_object_is_json(query: str, expected: Any) -> None:
    assert object_parameter(make_mocked_request("GET", f"/?{query}"), "metadata") == expected


@pytest.mark.parametrize("text", ["{bad", "[1]", "5", '{"a":NaN}', "%ff"])
def test_what_is_no_object_is_refused(text: str) -> None:
    request = make_mocked_request("GET", f"/?metadata={text}")

    with pytest.raises(InvalidRequestError, match=r"^Invalid metadata: must be a JSON object$"):
        object_parameter(request, "metadata")
