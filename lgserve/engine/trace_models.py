"""What a model was asked and what it took, in the words of the GenAI semantic conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.outputs import LLMResult

from lgserve.engine.trace_contents import finish_reason

#: Providers whose name in LangChain is not the conventions'.
_PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
_NAMES = ("model", "model_name", "model_id", "deployment_name", "azure_deployment", "_type")
_NUMBERS = {
    "gen_ai.request.temperature": ("ls_temperature", "temperature"),
    "gen_ai.request.max_tokens": ("ls_max_tokens", "max_tokens"),
    "gen_ai.request.top_p": ("ls_top_p", "top_p"),
}
_DETAILS = {
    ("input_token_details", "cache_read"): "gen_ai.usage.cache_read.input_tokens",
    ("input_token_details", "cache_creation"): "gen_ai.usage.cache_creation.input_tokens",
    ("output_token_details", "reasoning"): "gen_ai.usage.reasoning.output_tokens",
}


def request(
    serialized: Mapping[str, Any] | None, metadata: Mapping[str, Any], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is known of a call before it is answered; `told` are the callback's kwargs."""
    asked = told.get("invocation_params") or {}
    found: dict[str, Any] = {"gen_ai.request.model": _model(serialized, metadata, asked, told)}
    provider = metadata.get("ls_provider")
    if isinstance(provider, str) and provider:
        found["gen_ai.provider.name"] = _PROVIDERS.get(provider, provider)
    for attribute, (label, name) in _NUMBERS.items():
        value = metadata.get(label, asked.get(name))
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[attribute] = value
    return found


def _model(
    serialized: Mapping[str, Any] | None,
    metadata: Mapping[str, Any],
    asked: Mapping[str, Any],
    told: Mapping[str, Any],
) -> str:
    names = (metadata.get("ls_model_name"), *(asked.get(name) for name in _NAMES))
    path = (serialized or {}).get("id") or [None]
    others = (told.get("name"), (serialized or {}).get("name"), path[-1])
    return next((name for name in (*names, *others) if isinstance(name, str) and name), "model")


def response(result: LLMResult) -> dict[str, Any]:
    """Return what is known of a call once it is answered."""
    choices = [choice for batch in result.generations for choice in batch]
    found: dict[str, Any] = _usage(result, choices)
    reasons = [reason for choice in choices if (reason := finish_reason(choice))]
    if reasons:
        found["gen_ai.response.finish_reasons"] = reasons
    known = _response_metadata(choices) | dict(result.llm_output or {})
    for attribute, names in (
        ("gen_ai.response.model", ("model_name", "model")),
        ("gen_ai.response.id", ("id",)),
    ):
        value = next((known[name] for name in names if isinstance(known.get(name), str)), None)
        if value:
            found[attribute] = value
    return found


def _response_metadata(choices: list[Any]) -> dict[str, Any]:
    for choice in choices:
        metadata = getattr(getattr(choice, "message", None), "response_metadata", None)
        if metadata:
            return dict(metadata)
    return {}


def _usage(result: LLMResult, choices: list[Any]) -> dict[str, Any]:
    """Return the tokens that were used: as the message says, or as older models put it."""
    for choice in choices:
        usage = getattr(getattr(choice, "message", None), "usage_metadata", None)
        if usage:
            return _of_message(usage)
    old = (result.llm_output or {}).get("token_usage") or {}
    given = {
        "input_tokens": old.get("prompt_tokens"),
        "output_tokens": old.get("completion_tokens"),
    }
    return _counted(given)


def _of_message(usage: Mapping[str, Any]) -> dict[str, Any]:
    found = _counted(usage)
    for (group, name), attribute in _DETAILS.items():
        count = (usage.get(group) or {}).get(name)
        if isinstance(count, int):
            found[attribute] = count
    return found


def _counted(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"gen_ai.usage.{kind}": usage[kind]
        for kind in ("input_tokens", "output_tokens")
        if isinstance(usage.get(kind), int)
    }
