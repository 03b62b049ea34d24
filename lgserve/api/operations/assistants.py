"""Operations on assistants."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api import bodies
from lgserve.api import shapes as s
from lgserve.api.operations.table import (
    CREATING,
    DONE,
    PAGE_HEADERS,
    Operation,
    Route,
    json_answer,
)

_ASSISTANT = "/assistants/{assistant_id}"
OPERATIONS: Mapping[Route, Operation] = {
    ("POST", "/assistants"): Operation(
        name="create_assistant_assistants_post", summary="Create Assistant", tag="Assistants",
        body=bodies.AssistantCreateBody, parameters=CREATING,
        answers=json_answer(s.Assistant, "The assistant."), errors=(404, 409),
    ),
    ("POST", "/assistants/search"): Operation(
        name="search_assistants_assistants_search_post", summary="Search Assistants",
        tag="Assistants", body=bodies.AssistantSearchBody, errors=(404,),
        answers=json_answer(
            list[s.Assistant], "A page of assistants.", *PAGE_HEADERS, selectable=True
        ),
    ),
    ("POST", "/assistants/count"): Operation(
        name="count_assistants_assistants_count_post", summary="Count Assistants",
        tag="Assistants", body=bodies.AssistantCountBody, errors=(404,),
        answers=json_answer(int, "How many there are."),
    ),
    ("GET", _ASSISTANT): Operation(
        name="get_assistant_assistants__assistant_id__get", summary="Get Assistant",
        tag="Assistants", answers=json_answer(s.Assistant, "The assistant."), errors=(404, 422),
    ),
    ("PATCH", _ASSISTANT): Operation(
        name="patch_assistant_assistants__assistant_id__patch", summary="Patch Assistant",
        tag="Assistants", body=bodies.AssistantPatchBody, errors=(404, 409),
        answers=json_answer(s.Assistant, "The assistant, in its new version."),
        about="Metadata is merged, config and context are replaced. Each change is a new version.",
    ),
    ("DELETE", _ASSISTANT): Operation(
        name="delete_assistant_assistants__assistant_id__delete", summary="Delete Assistant",
        tag="Assistants", parameters=("delete_threads",), answers=DONE, errors=(404, 422),
    ),
    ("GET", f"{_ASSISTANT}/graph"): Operation(
        name="get_assistant_graph_assistants__assistant_id__graph_get",
        summary="Get Assistant Graph", tag="Assistants", parameters=("xray",),
        answers=json_answer(s.Graph, "Nodes and edges."), errors=(404, 422),
    ),
    ("GET", f"{_ASSISTANT}/subgraphs"): Operation(
        name="get_assistant_subgraphs_assistants__assistant_id__subgraphs_get",
        summary="Get Assistant Subgraphs", tag="Assistants", parameters=("recurse",),
        answers=json_answer(dict[str, s.GraphSchemaNoId], "Schemas by subgraph."),
        errors=(404, 422),
    ),
    ("GET", f"{_ASSISTANT}/subgraphs/{{namespace}}"): Operation(
        name="get_assistant_subgraphs_assistants__assistant_id__subgraphs__namespace__get",
        summary="Get Assistant Subgraphs by Namespace", tag="Assistants", parameters=("recurse",),
        answers=json_answer(dict[str, s.GraphSchemaNoId], "Schemas by subgraph."),
        errors=(404, 422),
    ),
    ("POST", f"{_ASSISTANT}/versions"): Operation(
        name="get_assistant_versions_assistants__assistant_id__versions_get",
        summary="Get Assistant Versions", tag="Assistants", body=bodies.AssistantVersionsBody,
        answers=json_answer(list[s.AssistantVersion], "Versions, newest first."), errors=(404,),
    ),
    ("POST", f"{_ASSISTANT}/latest"): Operation(
        name="set_latest_assistant_version_assistants__assistant_id__versions_post",
        summary="Set Latest Assistant Version", tag="Assistants", body=bodies.AssistantLatestBody,
        answers=json_answer(s.Assistant, "The assistant, as it was at the version."),
        errors=(404,),
    ),
    ("GET", f"{_ASSISTANT}/schemas"): Operation(
        name="get_assistant_schemas_assistants__assistant_id__schemas_get",
        summary="Get Assistant Schemas", tag="Assistants",
        answers=json_answer(s.GraphSchema, "Schemas of input, output, state and context."),
        errors=(404, 422),
    ),
}  # fmt: skip
