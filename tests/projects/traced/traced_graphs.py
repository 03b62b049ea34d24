"""Graphs whose runs are worth a look: an agent with a tool, and runs that do not go well."""

from typing import TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt
from langgraph_sdk import get_client

CALL = {"name": "weather", "args": {"city": "Bern"}, "id": "call-1", "type": "tool_call"}


class Model(BaseChatModel):
    """Asks for the weather once, then tells it."""

    model_name: str = "weather-1"

    @property
    def _llm_type(self):
        return "weather"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        told = messages[-1].type == "tool"
        message = AIMessage(
            content="It rains." if told else "",
            tool_calls=[] if told else [CALL],
            usage_metadata={"input_tokens": 11, "output_tokens": 4, "total_tokens": 15},
            response_metadata={
                "finish_reason": "stop" if told else "tool_calls",
                "model_name": "weather-1-2026",
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"rain over {city}"


async def think(state):
    return {"messages": [await Model().ainvoke(state["messages"])]}


def onward(state):
    return "tools" if state["messages"][-1].tool_calls else END


_builder = StateGraph(MessagesState)
_builder.add_node(think)
_builder.add_node("tools", ToolNode([weather]))
_builder.add_edge(START, "think")
_builder.add_conditional_edges("think", onward)
_builder.add_edge("tools", "think")
agent = _builder.compile()


class State(TypedDict, total=False):
    text: str


def _single(node):
    builder = StateGraph(State)
    builder.add_node("only", node)
    builder.add_edge(START, "only")
    return builder.compile()


def _fail(state):
    raise ValueError("it went wrong")


def _ask(state):
    return {"text": interrupt("what?")}


def _inner(state):
    return {"text": "inner"}


async def _call(state):
    client = get_client()
    return await client.runs.wait(None, "nested", input={"text": "called"})


def _record(state):
    from opentelemetry import trace

    with trace.get_tracer("mine").start_as_current_span("by hand"):
        return {"text": "recorded"}


failing = _single(_fail)
asking = _single(_ask)
nested = _single(_single(_inner))
calling = _single(_call)
recording = _single(_record)
