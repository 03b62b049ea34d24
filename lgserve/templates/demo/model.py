"""A chat model for demonstrations: it answers by simple rules, word by word, and calls tools."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from typing_extensions import override

HELP = (
    "I am the demo agent of lgserve: no key, no network. Ask me “what is 2 + 3 * 4?”, "
    "“what is the weather in Paris?” or “refund order 1042”, which needs your approval."
)
#: Rules look at the start of a question only: patterns take long on long texts.
_QUESTION_LIMIT = 500
_SUM = re.compile(r"-?\(*\s*\d[\d\s.()]*(?:[-+*/%]\s*\(*\s*-?[\d.]+[\s)]*)+")
_WEATHER = re.compile(r"\bweather\b.*?\b(?:in|for|at)\s+([^?.!,]+)", re.IGNORECASE)
_REFUND = re.compile(r"\brefund\b\D*(?:order\D*)?(\d+)", re.IGNORECASE)


class DemoChatModel(BaseChatModel):
    """Streams canned answers a word at a time, and calls a tool when a question asks for one."""

    #: Pause before each word, so that a stream looks like one.
    word_seconds: float = 0.015

    @property
    def _llm_type(self) -> str:
        return "lgserve-demo"

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = answer(messages)
        message.usage_metadata = _usage(messages, message)
        return ChatResult(generations=[ChatGeneration(message=message)])

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, answer(messages)):
            time.sleep(self.word_seconds)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, answer(messages)):
            await asyncio.sleep(self.word_seconds)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def answer(messages: Sequence[BaseMessage]) -> AIMessage:
    """Answer the last message: report what a tool found, call a tool, or say what it can do."""
    last = messages[-1] if messages else HumanMessage("")
    if isinstance(last, ToolMessage):
        return AIMessage(_report(messages))
    question = str(last.text).strip()
    call = _wanted_call(question)
    if call:
        return AIMessage(f"Let me use the tool {call['name']}.", tool_calls=[call])
    if not question or re.search(r"\b(help|hi|hello|hey)\b", question, re.IGNORECASE):
        return AIMessage(f"Hello! {HELP}")
    return AIMessage(f"You said: “{question}”. {HELP}")


def _report(messages: Sequence[BaseMessage]) -> str:
    """Join what the tools of the last step answered."""
    found: list[str] = []
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            break
        found.insert(0, str(message.text))
    return " ".join(found)


def _wanted_call(question: str) -> ToolCall | None:
    question = question[:_QUESTION_LIMIT]
    rules: tuple[tuple[re.Pattern[str], str, Callable[[re.Match[str]], dict[str, Any]]], ...] = (
        (_REFUND, "refund", lambda match: {"order_id": match[1]}),
        (_WEATHER, "weather", lambda match: {"city": match[1].strip()}),
        (_SUM, "calculator", lambda match: {"expression": match[0].strip()}),
    )
    for pattern, name, arguments in rules:
        if match := pattern.search(question):
            return tool_call(name=name, args=arguments(match), id=f"call_{uuid4().hex[:12]}")
    return None


def _usage(messages: Sequence[BaseMessage], answered: AIMessage) -> UsageMetadata:
    """Count words, as other models count tokens."""
    asked = sum(len(str(message.text).split()) for message in messages)
    said = len(answered.text.split()) + len(answered.tool_calls)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)


def _chunks(messages: Sequence[BaseMessage], message: AIMessage) -> Iterator[ChatGenerationChunk]:
    words = re.findall(r"\s*\S+", message.text)
    for word in words:
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    calls = [
        tool_call_chunk(
            name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index
        )
        for index, call in enumerate(message.tool_calls)
    ]
    last = AIMessageChunk(
        content="",
        tool_call_chunks=calls,
        usage_metadata=_usage(messages, message),
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)
