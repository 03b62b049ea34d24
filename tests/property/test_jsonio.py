"""No value makes encoding fail, and what JSON can say comes back as it was."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from lgserve import jsonio

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
hostile_text = st.text(alphabet=st.characters(exclude_categories=[]))
hostile = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | hostile_text
    | st.binary()
    | st.decimals()
    | st.timedeltas()
    | st.datetimes()
    | st.uuids()
    | st.just(object())
    | st.just(int),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=4)
        | st.builds(deque, st.lists(inner, max_size=3))
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(plain)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert jsonio.loads(jsonio.dumps(value)) == value


@pytest.mark.requirement("VALUE-001")
@given(hostile)
def test_any_value_is_encoded_as_valid_json(value: Any) -> None:
    json.loads(jsonio.dumps(value))
    assert b"\\u0000" not in jsonio.dumps_wire(value).replace(b"\\\\", b"")


@given(hostile_text)
def test_a_message_with_any_text_is_encoded(text: str) -> None:
    decoded = json.loads(jsonio.dumps(AIMessage(content=text)))
    assert decoded["type"] == "ai"
    assert len(decoded["content"]) == len(text)


@pytest.mark.requirement("VALUE-002")
def test_integers_beyond_64_bits_keep_their_value_both_ways() -> None:
    assert jsonio.dumps({"n": 2**80}) == b'{"n":%d}' % 2**80
    assert jsonio.loads(b'{"n":%d}' % 2**80) == {"n": 2**80}
    assert jsonio.loads(jsonio.dumps([10**4000])) == [10**4000]


@pytest.mark.requirement("VALUE-003")
def test_a_tree_that_is_too_deep_is_cut_and_not_refused() -> None:
    tree: list[Any] = []
    for _ in range(5000):
        tree = [tree]
    json.loads(jsonio.dumps(tree))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b'"\\ud83d"', b"[" * 100_000, b"[1" + b"0" * 400 + b",NaN]"]
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(jsonio.InvalidJsonError):
        jsonio.loads(text)


def test_numbers_and_arrays_of_numpy_are_numbers_and_lists() -> None:
    value = {"n": numpy.float32(1.5), "a": numpy.array([[1, 2], [3, 4]]), "b": numpy.bool_(True)}
    assert jsonio.dumps(value) == b'{"n":1.5,"a":[[1,2],[3,4]],"b":true}'


@dataclass
class Point:
    x: int
    odd: Any = None


def test_values_inside_dataclasses_are_cleaned_too() -> None:
    assert jsonio.dumps(Point(1, "\ud800")) == b'{"x":1,"odd":"?"}'
    assert jsonio.dumps({"d": Decimal(3)}) == b'{"d":3}'
