"""`/openapi.json`: the routes that this server has, described by the table of operations.

The document is built when it is first asked for, and kept: routes do not change while serving.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from lgserve import __version__, jsonio
from lgserve.api.cron_shapes import Cron
from lgserve.api.custom_openapi import with_app
from lgserve.api.operations import OPERATIONS, TAGS, Answer, Operation, Route
from lgserve.api.parameters import HEADERS, IN_PATHS, PARAMETERS
from lgserve.api.shapes import Assistant, ErrorResponse, Run, Thread, ThreadState
from lgserve.core.models import Json

if TYPE_CHECKING:
    from lgserve.api.keys import ApiOptions

Object = dict[str, Any]

_REF = "#/components/schemas/"
_PATH_NAME = re.compile(r"{(\w+)}")

#: The field's names of what has another one here.
_NAMES: Mapping[str, str] = {
    "AssistantCreateBody": "AssistantCreate",
    "AssistantPatchBody": "AssistantPatch",
    "AssistantSearchBody": "AssistantSearchRequest",
    "AssistantCountBody": "AssistantCountRequest",
    "AssistantVersionsBody": "AssistantVersionsSearchRequest",
    "AssistantLatestBody": "AssistantVersionChange",
    "ThreadCreateBody": "ThreadCreate",
    "ThreadPatchBody": "ThreadPatch",
    "ThreadSearchBody": "ThreadSearchRequest",
    "ThreadCountBody": "ThreadCountRequest",
    "ThreadPruneBody": "ThreadPruneRequest",
    "StateUpdateBody": "ThreadStateUpdate",
    "StateAtCheckpointBody": "ThreadStateCheckpointRequest",
    "HistoryBody": "ThreadStateSearch",
    "Wanted": "ProtocolEventStreamRequest",
    "CancelOne": "RunCancel",
    "RunCreate": "RunCreateStateful",
    "CancelMany": "RunsCancel",
    "CronSearchBody": "CronSearch",
    "CronCountBody": "CronCountRequest",
    "StorePutBody": "StorePutRequest",
    "StoreDeleteBody": "StoreDeleteRequest",
    "StoreSearchBody": "StoreSearchRequest",
    "StoreNamespacesBody": "StoreListNamespacesRequest",
}
#: What `select` can leave members out of.
_SELECTABLE = (Assistant, Thread, Run, ThreadState, Cron)
#: Routes that are served and not described: the parts of the page of `/docs`, second names.
UNLISTED: frozenset[Route] = frozenset(
    {("GET", "/docs/{asset}"), ("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp")}
)

#: The errors by status: a name, and what it means.
_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "The request makes no sense here."),
    401: ("Unauthorized", "Nobody knows who calls."),
    403: ("Forbidden", "The caller may not."),
    404: ("NotFound", "There is no such thing."),
    409: ("Conflict", "It is there already, or busy."),
    413: ("PayloadTooLarge", "The body is too large."),
    422: ("InvalidRequest", "The request cannot be understood; the sentence names the field."),
    426: ("UpgradeRequired", "This is for WebSockets."),
    500: ("Internal", "Something went wrong inside the server, or loading a graph."),
    503: ("Unavailable", "The server is starting or stopping; try again."),
}
_WITH_BODY = (400, 413, 422)
_SECURED = (401, 403)
_ANYWHERE = (500, 503)

_BEARER = {"type": "http", "scheme": "bearer"}
_SCHEMES: Mapping[str, Mapping[str, Object]] = {
    "api_keys": {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "Bearer": _BEARER,
    },
    "jwt": {"Bearer": _BEARER},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the document is about: routes, where they are, and who may call."""

    routes: tuple[Route, ...]
    prefix: str = ""
    #: `none`, `api_keys`, `jwt` or `custom`.
    auth: str = "none"
    #: Paths, below the prefix, that everybody may call.
    public: frozenset[str] = frozenset()
    #: What the config's `auth.openapi` adds.
    added: Mapping[str, Any] = field(default_factory=dict)
    #: What the project's own app says of its routes, and whether everybody may call them.
    custom: Mapping[str, Any] = field(default_factory=dict)
    custom_is_open: bool = True


class _Generator(GenerateJsonSchema):
    """Names types as the field does, and leaves out titles that only repeat a name."""

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(_NAMES.get(name, name.removeprefix("_")))

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the name is pydantic's
        return False

    def default_schema(self, schema: Any) -> Object:
        """Leave out a default that only means: not given."""
        found = super().default_schema(schema)
        return {k: v for k, v in found.items() if (k, v) != ("default", None)}


def served_routes(app: web.Application, options: ApiOptions) -> tuple[Route, ...]:
    """Return method and path, below the prefix, of what a complete application really serves."""
    prefix = options.mount_prefix
    known = [
        (route.method, route.resource.canonical.removeprefix(prefix) or "/")
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(prefix or "/")
    ]
    return tuple(
        route for route in known if route[0] not in ("HEAD", "*") and route not in UNLISTED
    )


def document(about: Described) -> Json:
    """Return the document as JSON."""
    served = [route for route in OPERATIONS if route in about.routes]
    shapes = _Shapes([OPERATIONS[route] for route in served])
    paths: dict[str, Object] = {}
    for method, path in served:
        paths.setdefault(path, {})[method.lower()] = _operation((method, path), about, shapes)
    tags = {OPERATIONS[route].tag for route in served}
    found: Object = {
        "openapi": "3.1.0",
        "info": {"title": "lgserve", "version": __version__, "description": _ABOUT},
        "servers": [{"url": about.prefix or "/"}],
        "tags": [{"name": n, "description": text} for n, text in TAGS.items() if n in tags],
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "responses": {name: _error(text) for name, text in _ERRORS.values()},
            "securitySchemes": dict(_SCHEMES.get(about.auth, {})),
        },
    }
    with_app(found, about.custom, is_open=about.custom_is_open)
    return jsonio.dumps(_merged(found, about.added))


_ABOUT = 'The LangGraph Server API, as this server answers it. Errors are `{"detail": sentence}`.'


class _Shapes:
    """The JSON schemas of all bodies and answers, made in one go so that they share parts."""

    def __init__(self, operations: list[Operation]) -> None:
        wanted: dict[tuple[str, str], tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = {}
        for name, mode, shape in _typed(operations):
            wanted[name, mode] = (name, mode, TypeAdapter(shape))
        made, rest = TypeAdapter.json_schemas(
            list(wanted.values()), ref_template=_REF + "{model}", schema_generator=_Generator
        )
        self._made = {key: _tidy(schema) for key, schema in made.items()}
        self.components: Object = {
            name: _untitled(_tidy(schema)) for name, schema in sorted(rest["$defs"].items())
        }
        for shape in _SELECTABLE:
            self._add_selection(shape.__name__)

    def _add_selection(self, name: str) -> None:
        if whole := self.components.get(name):
            selection = {key: value for key, value in whole.items() if key != "required"}
            selection["description"] = f"The selected members of: {whole['description']}"
            self.components[f"{name}Selection"] = selection

    def of_body(self, operation: Operation) -> Object:
        """Return the schema of what an operation takes."""
        schema: Object = self._made[repr(operation.body), "validation"]
        return schema

    def of_answer(self, answer: Answer) -> Object:
        """Return the schema of what an operation gives."""
        schema: Object = self._made[repr(answer.shape), "serialization"]
        return _or_selection(schema) if answer.selectable else schema


def _typed(operations: list[Operation]) -> Iterator[tuple[str, JsonSchemaMode, Any]]:
    yield repr(ErrorResponse), "serialization", ErrorResponse
    for operation in operations:
        if operation.body is not None:
            yield repr(operation.body), "validation", operation.body
        for answer in operation.answers.values():
            if answer.shape is not None:
                yield repr(answer.shape), "serialization", answer.shape


def _or_selection(schema: Object) -> Object:
    if "items" in schema:
        return {**schema, "items": _or_selection(schema["items"])}
    return {"anyOf": [schema, {"$ref": f"{schema['$ref']}Selection"}]}


def _untitled(schema: Object) -> Object:
    """Leave out a title: the component's name says more."""
    return {key: value for key, value in schema.items() if key != "title"}


_RENAMED = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}


def _tidy(schema: Any) -> Any:
    """Say limits in JSON schema's words, where pydantic has passed on its own."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    numeric = "anyOf" in schema or schema.get("type") in ("integer", "number")
    return {
        (_RENAMED.get(key, key) if numeric else key): _tidy(value) for key, value in schema.items()
    }


def _operation(route: Route, about: Described, shapes: _Shapes) -> Object:
    _, path = route
    operation = OPERATIONS[route]
    found: Object = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
    }
    if operation.about:
        found["description"] = operation.about
    if parameters := _parameters(path, operation):
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": shapes.of_body(operation)}},
        }
    found["responses"] = _responses(operation, about, path, shapes)
    if path in about.public and about.auth != "none":
        found["security"] = []
    return found


def _parameters(path: str, operation: Operation) -> list[Object]:
    named = [IN_PATHS[name] for name in _PATH_NAME.findall(path)]
    return named + [PARAMETERS[name] for name in operation.parameters]


def _responses(operation: Operation, about: Described, path: str, shapes: _Shapes) -> Object:
    found = {str(status): _answer(answer, shapes) for status, answer in operation.answers.items()}
    for status in sorted(_error_statuses(operation, about, path)):
        name, _ = _ERRORS[status]
        found.setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
    return dict(sorted(found.items()))


def _error_statuses(operation: Operation, about: Described, path: str) -> set[int]:
    statuses = {*operation.errors}
    if operation.body is not None:
        statuses.update(_WITH_BODY)
    if path in about.public:
        return statuses
    secured = about.auth != "none"
    return statuses | {*_ANYWHERE} | ({*_SECURED} if secured else set())


def _error(about: str) -> Object:
    schema = {"$ref": f"{_REF}ErrorResponse"}
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _answer(answer: Answer, shapes: _Shapes) -> Object:
    found: Object = {"description": answer.about}
    if answer.headers:
        found["headers"] = {name: HEADERS[name] for name in answer.headers}
    if answer.media:
        found["content"] = {media: _content(media, answer, shapes) for media in answer.media}
    return found


def _content(media: str, answer: Answer, shapes: _Shapes) -> Object:
    if answer.shape is not None:
        return {"schema": shapes.of_answer(answer)}
    return {"schema": {} if media == "application/json" else {"type": "string"}}


def _merged(found: Object, added: Mapping[str, Any]) -> Object:
    """Add what the project says of its own authentication."""
    schemes = found["components"]["securitySchemes"]
    schemes.update(added.get("securitySchemes", {}))
    if schemes:
        found["security"] = added.get("security", [{name: []} for name in schemes])
    for path, methods in added.get("paths", {}).items():
        for method, more in methods.items():
            if method in found["paths"].get(path, {}):
                found["paths"][path][method] |= more
    return found
