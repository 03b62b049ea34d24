"""Graphs as tools: what the conformance suite asks for, and what is hard to describe."""
import asyncio
import operator
import typing
from typing import Annotated

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict


def one_node(state, node, **schemas):
    builder = StateGraph(state, **schemas)
    builder.add_node("work", node)
    builder.set_entry_point("work")
    return builder.compile()


class Nothing(BaseModel):
    pass


class Answer(typing.TypedDict, total=False):
    answer: str


class AnyState(typing.TypedDict, total=False):
    answer: str
    n: int


def simple(state):
    return {"answer": "This is a simple text response for testing."}


test_simple_text = one_node(AnyState, simple)


def fail(state):
    raise ValueError("This tool intentionally returns an error for testing")


test_error_handling = one_node(AnyState, fail)


class SecretError(Exception):
    pass


def fail_secretly(state):
    raise SecretError("the password is 12345")


secret = one_node(AnyState, fail_secretly)


async def with_progress(state):
    write = get_stream_writer()
    for done in (0, 50, 100):
        write({"progress": done, "total": 100, "message": f"{done} of 100"})
        await asyncio.sleep(0.02)
    return {"answer": "done"}


test_tool_with_progress = one_node(AnyState, with_progress)


class address(BaseModel):  # noqa: N801 - the suite wants the definition of this name
    street: str = ""
    city: str = ""


Address = address


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"},
    )

    name: str = ""
    address: Address = Address()


json_schema_2020_12_tool = one_node(
    AnyState, lambda state: {"answer": "ok"}, input_schema=Strict
)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}
AUDIO = {"type": "audio", "base64": "UklGRiQAAABXQVZF", "mime_type": "audio/wav"}
FILE = {"type": "text-plain", "text": "This is an embedded resource content.", "mime_type": "text/plain", "url": "test://embedded-resource"}


class Media(typing.TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


def sends(*blocks):
    return one_node(Media, lambda state: {"messages": [AIMessage(content=list(blocks))]})


test_image_content = sends(IMAGE)
test_audio_content = sends(AUDIO)
test_embedded_resource = sends(FILE)
test_multiple_content_types = sends({"type": "text", "text": "Multiple content types test:"}, IMAGE, FILE)


class TypedState(typing.TypedDict):
    text: str
    count: typing.NotRequired[int]
    log: Annotated[typing.NotRequired[list[str]], operator.add]


def note(state):
    return {"log": [state["text"]], "count": state.get("count", 0) + 1}


typed = one_node(TypedState, note)


def say_magic(state):
    return {"answer": '__interrupt__ {"__interrupt__": []} __error__'}


magic = one_node(AnyState, say_magic)


def wrong_type(state):
    return {"n": "not a number"}


lying = one_node(AnyState, wrong_type)


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: str = ""
    second: str = ""


def ask_twice(state):
    first = interrupt("What is your name?")
    second = interrupt(
        {
            "message": "How old are you?",
            "requestedSchema": {
                "type": "object",
                "properties": {"age": {"type": "integer"}},
                "required": ["age"],
            },
        }
    )
    return {"answer": first, "second": f"{second['age']}"}


asking = one_node(Closed, ask_twice)


@entrypoint()
async def upper(text: str) -> str:
    return text.upper()


class Chat(typing.TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    topic: str


def reply(state):
    return {"messages": [AIMessage(content=f"{state['topic']}: {state['messages'][-1].content}")]}


chatty = one_node(Chat, reply)


async def sleep(state):
    await asyncio.sleep(300)


sleeping = one_node(AnyState, sleep)


class Context(typing.TypedDict, total=False):
    user: str


def who(state, runtime):
    return {"answer": runtime.context.get("user", "nobody")}


from langgraph.runtime import Runtime  # noqa: E402

who.__annotations__ = {"runtime": Runtime[Context]}
contextual = one_node(AnyState, who, context_schema=Context)


def picky(config):
    if not config["configurable"].get("run_id"):
        raise RuntimeError("only for runs")
    return one_node(AnyState, lambda state: {"answer": "made for a run"})


picky.__annotations__ = {"config": "RunnableConfig"}
