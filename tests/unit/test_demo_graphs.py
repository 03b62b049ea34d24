"""The graphs of langgraph.yaml.example: they work without a key and without a network."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from lgserve.templates.demo import agent, counter
from lgserve.templates.demo.model import DemoChatModel
from lgserve.templates.demo.tools import approves, calculator

CONFIG: RunnableConfig = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The agent with a memory, and a model that does not pause."""
    monkeypatch.setattr(agent.model, "word_seconds", 0.0)
    return agent.graph.copy(update={"checkpointer": InMemorySaver()})


def says(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def ask(chat: Any, question: Any) -> list[Any]:
    state = await chat.ainvoke(question, CONFIG)
    return list(state["messages"])


async def test_the_agent_answers_plain_messages(chat: Any) -> None:
    messages = await ask(chat, says("hi"))
    assert [message.type for message in messages] == ["human", "ai"]
    assert messages[-1].text.startswith("Hello! I am the demo agent")
    assert "You said: “blue”." in (await ask(chat, says("blue")))[-1].text


async def test_the_agent_streams_its_answer_word_by_word(chat: Any) -> None:
    chunks = [
        chunk
        async for chunk, _ in chat.astream(says("hello"), CONFIG, stream_mode="messages")
        if isinstance(chunk, AIMessageChunk)
    ]
    state = await chat.aget_state(CONFIG)
    assert len(chunks) > 20
    assert "".join(chunk.text for chunk in chunks) == state.values["messages"][-1].text


@pytest.mark.parametrize(
    ("question", "tool", "answer"),
    [
        ("what is 2+3*4?", "calculator", "2+3*4 = 14."),
        ("and (1 + 2) / 4", "calculator", "(1 + 2) / 4 = 0.75."),
        ("1/0", "calculator", "I cannot work out 1/0: division by zero."),
        ("What's the weather in Paris?", "weather", "It is 3 °C and windy in Paris."),
    ],
)
async def test_the_agent_calls_the_tool_that_a_question_needs(
    chat: Any, question: str, tool: str, answer: str
) -> None:
    human, call, result, last = await ask(chat, says(question))
    assert isinstance(call, AIMessage)
    assert [(made["name"], made["id"]) for made in call.tool_calls] == [(tool, result.tool_call_id)]
    assert isinstance(result, ToolMessage)
    assert (human.text, last.text) == (question, answer)


@pytest.mark.parametrize(
    ("decision", "answer"),
    [
        ({"approved": True}, "Order 1042 was refunded."),
        ("no", "Order 1042 was not refunded: you did not approve it."),
    ],
)
async def test_the_agent_asks_before_it_refunds(chat: Any, decision: Any, answer: str) -> None:
    await ask(chat, says("please refund order 1042"))
    state = await chat.aget_state(CONFIG)
    assert state.next == ("tools",)
    assert [interrupt.value for interrupt in state.interrupts] == [
        {
            "action": "refund",
            "order_id": "1042",
            "question": "Refund order 1042?",
            "answers": ["approve", "reject"],
        }
    ]
    assert (await ask(chat, Command(resume=decision)))[-1].text == answer
    assert (await chat.aget_state(CONFIG)).next == ()


@pytest.mark.parametrize(
    "decision", [True, "yes", " Approve ", {"approved": True}, {"approved": "ok"}]
)
def test_a_yes_approves(decision: object) -> None:
    assert approves(decision)


@pytest.mark.parametrize("decision", [False, None, 1, "", "no", [], {}, {"approved": False}])
def test_anything_else_does_not_approve(decision: object) -> None:
    assert not approves(decision)


@pytest.mark.parametrize(
    "expression", ["__import__('os')", "2 ** 9", "a", "(", "-" * 5_000 + "1", "1" * 5_000]
)
def test_the_calculator_refuses_what_is_not_arithmetic(expression: str) -> None:
    assert calculator.invoke({"expression": expression}).startswith("I cannot work out")


def test_the_model_answers_without_an_event_loop_too() -> None:
    model = DemoChatModel(word_seconds=0.0)
    whole = model.invoke("weather in Rome")
    streamed = list(model.stream("weather in Rome"))
    assert whole.text == "".join(chunk.text for chunk in streamed) == "Let me use the tool weather."
    assert [call["args"] for call in whole.tool_calls] == [{"city": "Rome"}]
    assert [call["args"] for chunk in streamed for call in chunk.tool_calls] == [{"city": "Rome"}]


async def test_the_counter_remembers_its_total_and_forgets_what_was_added() -> None:
    graph = counter.graph.copy(update={"checkpointer": InMemorySaver()})
    inputs: list[counter.CounterInput] = [{"add": 5}, {"add": -2}, {}]
    totals = [await graph.ainvoke(value, CONFIG) for value in inputs]
    assert [total["total"] for total in totals] == [5, 3, 4]
    assert totals[-1] == {"total": 4, "steps": ["added 5", "added -2", "added 1"]}


@pytest.mark.parametrize("question", ["hi", "weather in Rome"])
def test_the_model_tells_its_usage_once_however_it_is_asked(question: str) -> None:
    model = DemoChatModel(word_seconds=0.0)
    streamed = list(model.stream(question))
    whole = model.invoke(question).usage_metadata

    assert whole is not None
    assert whole["input_tokens"] == len(question.split())
    assert 0 < whole["output_tokens"] == whole["total_tokens"] - whole["input_tokens"]
    assert [chunk.usage_metadata for chunk in streamed if chunk.usage_metadata] == [whole]
