"""A graph that returns values of every kind, and says of its input what it was."""

import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import operator
import pathlib
import re
import uuid
from collections import OrderedDict, deque, namedtuple
from typing import Annotated, Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Command, Send
from pydantic import BaseModel
from typing_extensions import TypedDict


class Color(enum.Enum):
    RED = "red"
    ONE = 1


class Point(BaseModel):
    x: int
    when: dt.datetime


@dataclasses.dataclass
class Pair:
    y: int
    inner: Any = None


Named = namedtuple("Named", "p q")


class Odd:
    """Nothing JSON knows."""


KINDS = {
    "datetime_naive": lambda: dt.datetime(2024, 1, 2, 3, 4, 5, 678),
    "datetime_utc": lambda: dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
    "datetime_zone": lambda: dt.datetime(
        2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))
    ),
    "date": lambda: dt.date(2024, 1, 2),
    "time": lambda: dt.time(1, 2, 3),
    "timedelta": lambda: dt.timedelta(seconds=90),
    "timedelta_parts": lambda: dt.timedelta(days=1, milliseconds=5),
    "uuid": lambda: uuid.UUID(int=5),
    "path": lambda: pathlib.Path("/x/y"),
    "pure_path": lambda: pathlib.PurePosixPath("a/b"),
    "ipv4": lambda: ipaddress.ip_address("10.0.0.1"),
    "ipv6": lambda: ipaddress.ip_address("::1"),
    "network": lambda: ipaddress.ip_network("10.0.0.0/8"),
    "set": lambda: {1},
    "frozenset": lambda: frozenset({2}),
    "deque": lambda: deque([1, 2]),
    "tuple": lambda: (1, "two"),
    "bytes": lambda: b"ab\xff",
    "bytearray": lambda: bytearray(b"ab\xff"),
    "decimal": lambda: decimal.Decimal("1.5"),
    "decimal_whole": lambda: decimal.Decimal("3"),
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "minus_inf": lambda: float("-inf"),
    "enum": lambda: Color.RED,
    "enum_int": lambda: Color.ONE,
    "pydantic": lambda: Point(x=1, when=dt.datetime(2024, 1, 2, 3, 4, 5)),
    "human": lambda: HumanMessage("hi", id="h1"),
    "dataclass": lambda: Pair(2, Color.RED),
    "namedtuple": lambda: Named(1, 2),
    "exception": lambda: ValueError("oops"),
    "class": lambda: Point,
    "function": lambda: len,
    "unknown": lambda: Odd(),
    "int_keys": lambda: {1: "a", 2: {3: "b"}},
    "other_keys": lambda: {None: 0, True: 1, 1.5: 2},
    "ordered": lambda: OrderedDict(b=1, a=2),
    "surrogate": lambda: "\ud83d x",
    "nul": lambda: "a\x00b",
    "escaped_nul": lambda: "a\\u0000b",
    "send": lambda: Send("n", {"a": 1}),
    "command": lambda: Command(goto="n"),
    "pattern": lambda: re.compile("a+"),
    "int64": lambda: 2**63 - 1,
    "uint64": lambda: 2**64 - 1,
    "big": lambda: 2**64,
    "bigger": lambda: 123456789012345678901234567890,
    "negative": lambda: -(2**100),
    "in_list": lambda: [2**70, {"n": [2**80]}],
    "in_model": lambda: Pair(2**90, AIMessage("x", id="a1", additional_kwargs={"n": 2**91})),
    "float": lambda: 0.1,
    "text": lambda: "é 😀 \u2028 </script>",
    "empty": lambda: {"list": [], "object": {}, "text": "", "none": None},
}


class State(TypedDict, total=False):
    kind: str
    value: Any
    given: Any
    said: Annotated[list[str], operator.add]


async def show(state: State, *, store: BaseStore):
    make = KINDS.get(state.get("kind"))
    if make is None:
        given = state.get("given")
        return {"said": [f"{type(given).__name__}:{given}"]}
    value = make()
    get_stream_writer()(value)
    try:
        await store.aput(("kinds",), state["kind"], {"value": value}, index=False)
    except TypeError as exc:
        return {"value": value, "said": [f"refused: {exc}"]}
    return {"value": value}


builder = StateGraph(State)
builder.add_node("show", show)
builder.add_edge(START, "show")
builder.add_edge("show", END)
graph = builder.compile()
