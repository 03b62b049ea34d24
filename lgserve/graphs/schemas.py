"""What a graph says of itself: JSON schemas, its drawing, and the context it accepts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from langgraph.pregel import Pregel
from langgraph.pregel.protocol import PregelProtocol
from pydantic import AliasChoices, AliasPath, BaseModel, create_model
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from lgserve.graphs.typed_dicts import rebuilt, typed_dict_schema

AnyGraph: TypeAlias = Pregel[Any, Any, Any, Any]
_AnyProtocol: TypeAlias = PregelProtocol[Any, Any, Any, Any]


def graph_schemas(graph_id: str, graph: AnyGraph) -> dict[str, Any]:
    """Return the JSON schemas of the graph; one that cannot be made is null."""
    return {"graph_id": graph_id, **_schemas(graph)}


def subgraph_schemas(
    graph: AnyGraph, namespace: str | None = None, *, recurse: bool = False
) -> dict[str, Any]:
    """Return the JSON schemas of the subgraphs by namespace; none if there is no such namespace."""
    # A namespace may be that of a subgraph of a subgraph: LangGraph goes there only if told to.
    found = graph.get_subgraphs(namespace=namespace, recurse=recurse or namespace is not None)
    return {name: _schemas(subgraph) for name, subgraph in found}


async def draw(graph: AnyGraph, xray: int | bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - LangGraph's own parameter
    """Return the nodes and edges; `xray` shows the insides of subgraphs, to a depth if a number."""
    drawn: dict[str, Any] = (await graph.aget_graph(xray=xray)).to_json()
    for node in drawn["nodes"]:
        # The class of the node's runnable is LangGraph's own affair; clients never saw it.
        if isinstance(node.get("data"), dict):
            node["data"].pop("id", None)
    return drawn


def context_for(graph: AnyGraph, context: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what to pass as `context`: keys unknown to the graph's context schema are dropped.

    LangGraph makes the schema's instance, also of an empty context, whose defaults then hold.
    """
    schema = graph.context_schema
    known = known_context(schema, context or {})
    return known if known or is_class_schema(schema) else None


def known_context(schema: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the context that the schema knows; all of it if there is no schema."""
    keys = _context_keys(schema)
    if keys is None:
        return dict(context)
    return {key: value for key, value in context.items() if key in keys}


def is_class_schema(schema: Any) -> bool:
    """Tell whether a context of this schema is an instance (not a TypedDict, nor free)."""
    return isinstance(schema, type) and (issubclass(schema, BaseModel) or is_dataclass(schema))


def _context_keys(schema: Any) -> frozenset[str] | None:
    if is_typeddict(schema):
        return frozenset(schema.__required_keys__ | schema.__optional_keys__)
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return _model_keys(schema)
    if isinstance(schema, type) and is_dataclass(schema):
        return frozenset(field.name for field in fields(schema) if field.init)
    return None


def _model_keys(model: type[BaseModel]) -> frozenset[str] | None:
    if model.model_config.get("extra") == "allow":
        return None
    by_name = any(model.model_config.get(key) for key in ("populate_by_name", "validate_by_name"))
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        aliases = _aliases(field)
        keys.update(aliases)
        keys.update([name] if by_name or not aliases else [])
    return frozenset(keys)


def _aliases(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    heads = [choice.path[0] if isinstance(choice, AliasPath) else choice for choice in choices]
    return [head for head in heads if isinstance(head, str)]


def _schemas(graph: AnyGraph | _AnyProtocol) -> dict[str, Any]:
    context = getattr(graph, "context_schema", None)
    builder = getattr(graph, "builder", None)
    context_schema = _or_rebuilt(lambda: _context_schema(graph), context)
    return {
        "input_schema": _or_rebuilt(
            graph.get_input_jsonschema, getattr(builder, "input_schema", None)
        ),
        "output_schema": _or_rebuilt(
            graph.get_output_jsonschema, getattr(builder, "output_schema", None)
        ),
        "state_schema": _try(lambda: _state_schema(graph)),
        "config_schema": {} if context is None else context_schema,
        "context_schema": context_schema,
    }


def _or_rebuilt(make: Callable[[], dict[str, Any] | None], kind: Any) -> dict[str, Any] | None:
    """Return a schema; where LangGraph makes none of a TypedDict, that of it rebuilt."""
    return _try(make) or _try(lambda: typed_dict_schema(kind))


def _try(make: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    try:
        return make()
    except Exception:  # noqa: BLE001 - user types: pydantic and typing raise what they like
        return None


def _context_schema(graph: Any) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = graph.get_context_jsonschema()
    return schema


def _state_schema(graph: Any) -> dict[str, Any]:
    """Return the schema of all channels a client sees; one without a schema may be anything."""
    channels = graph.stream_channels_list
    schema = _try(lambda: _channels_schema(graph, channels))
    if schema is None:
        schema = _merge([_channel_schema(graph, channel) for channel in channels])
    return {**schema, "title": graph.get_name("State")}


def _channel_schema(graph: Any, channel: str) -> dict[str, Any]:
    anything = {"default": None, "title": channel.replace("_", " ").title()}
    schema = _try(lambda: _channels_schema(graph, [channel]))
    schema = schema or _try(lambda: _rebuilt_schema(channel, graph.channels[channel]))
    return schema or {"properties": {channel: anything}, "type": "object"}


def _rebuilt_schema(channel: str, kept: Any) -> dict[str, Any]:
    members: dict[str, Any] = {channel: (rebuilt(kept.UpdateType), None)}
    model: type[BaseModel] = create_model("Channel", **members)
    return model.model_json_schema()


def _channels_schema(graph: Any, channels: list[str]) -> dict[str, Any]:
    """Return the schema as of a graph whose input is these channels."""
    view = copy.copy(graph)
    view.input_channels = channels
    schema: dict[str, Any] = view.get_input_schema().model_json_schema()
    return schema


def _merge(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    definitions = {k: v for schema in schemas for k, v in schema.get("$defs", {}).items()}
    properties = {k: v for schema in schemas for k, v in schema.get("properties", {}).items()}
    merged = {"properties": properties, "title": None, "type": "object"}
    return {"$defs": definitions, **merged} if definitions else merged
