"""The model of the agent: a real one if MODEL names it, else a fake that needs no key."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool


def make_model(tools: Sequence[BaseTool] = ()) -> Runnable[Any, Any]:
    """Return the model that MODEL names, such as openai:gpt-4o-mini; without it, the fake.

    A real model needs its package: pip install langchain langchain-openai
    """
    name = os.environ.get("MODEL")
    if not name:
        return FakeModel()
    from langchain.chat_models import init_chat_model

    return init_chat_model(name).bind_tools(tools)


class FakeModel(BaseChatModel):
    """Answers by simple rules, word by word; a sum makes it call the tool `add`."""

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_answer(messages))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        answer = _answer(messages)
        for word in re.findall(r"\s*\S+", answer.text):
            await asyncio.sleep(0.02)
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        calls = [
            tool_call_chunk(
                name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=0
            )
            for call in answer.tool_calls
        ]
        last = AIMessageChunk(content="", tool_call_chunks=calls, chunk_position="last")
        yield ChatGenerationChunk(message=last)


def _answer(messages: Sequence[BaseMessage]) -> AIMessage:
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage(f"The result is {last.text}.")
    if found := re.search(r"(-?\d+(?:\.\d+)?)\s*(?:\+|plus|and)\s*(-?\d+(?:\.\d+)?)", str(last.text)):
        numbers = {"a": float(found[1]), "b": float(found[2])}
        call = tool_call(name="add", args=numbers, id=f"call_{uuid4().hex[:12]}")
        return AIMessage("Let me add these.", tool_calls=[call])
    return AIMessage(f"You said: {last.text}. I am a fake model; ask me what 2 + 3 is.")
