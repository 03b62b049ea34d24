"""Operations on threads and their states."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api import bodies
from lgserve.api import shapes as s
from lgserve.api.moving_bodies import ThreadImportBody
from lgserve.api.operations.table import (
    CREATING,
    DONE,
    EVENTS,
    PAGE_HEADERS,
    Answer,
    Operation,
    Route,
    json_answer,
)

_THREAD = "/threads/{thread_id}"
_EVENTS = Answer(about="Server-sent events; the stream does not end.", media=(EVENTS,))

OPERATIONS: Mapping[Route, Operation] = {
    ("POST", "/threads"): Operation(
        name="create_thread_threads_post", summary="Create Thread", tag="Threads",
        body=bodies.ThreadCreateBody, parameters=("include", *CREATING),
        answers=json_answer(s.Thread, "The thread."), errors=(404, 409),
    ),
    ("POST", "/threads/search"): Operation(
        name="search_threads_threads_search_post", summary="Search Threads", tag="Threads",
        body=bodies.ThreadSearchBody, parameters=("include",),
        answers=json_answer(list[s.Thread], "A page of threads.", *PAGE_HEADERS, selectable=True),
    ),
    ("POST", "/threads/count"): Operation(
        name="count_threads_threads_count_post", summary="Count Threads", tag="Threads",
        body=bodies.ThreadCountBody, answers=json_answer(int, "How many there are."),
    ),
    ("POST", "/threads/prune"): Operation(
        name="prune_threads_threads_prune_post", summary="Prune Threads", tag="Threads",
        body=bodies.ThreadPruneBody, errors=(409,),
        answers=json_answer(s.ThreadPruneResponse, "How many were pruned."),
        about="`keep_latest` keeps a thread and its latest checkpoints.",
    ),
    ("GET", f"{_THREAD}/export"): Operation(
        name="export_thread", summary="Export Thread", tag="Threads", errors=(404, 422),
        answers=json_answer(s.ExportedThread, "The thread, as the import takes it."),
    ),
    ("POST", "/threads/import"): Operation(
        name="import_thread", summary="Import Thread", tag="Threads",
        body=ThreadImportBody, parameters=("on_conflict",), errors=(409,),
        answers=json_answer(s.ThreadImportResponse, "What became of it."),
    ),
    ("GET", f"{_THREAD}/storage"): Operation(
        name="get_thread_storage_threads__thread_id__storage_get", summary="Get Thread Storage",
        tag="Threads", answers=json_answer(s.ThreadStorage, "What it takes."), errors=(404, 422),
    ),
    ("GET", f"{_THREAD}/state"): Operation(
        name="get_latest_thread_state_threads__thread_id__state_get", summary="Get Thread State",
        tag="Threads", parameters=("subgraphs", "select"),
        answers=json_answer(s.ThreadState, "The latest state.", selectable=True), errors=(404, 422),
    ),
    ("POST", f"{_THREAD}/state"): Operation(
        name="update_thread_state_threads__thread_id__state_post",
        summary="Update Thread State", tag="Threads", body=bodies.StateUpdateBody,
        errors=(404, 409),
        answers=json_answer(s.ThreadStateUpdateResponse, "The new checkpoint."),
    ),
    ("GET", f"{_THREAD}/state/{{checkpoint_id}}"): Operation(
        name="get_thread_state_at_checkpoint_threads__thread_id__state__checkpoint_id__get",
        summary="Get Thread State At Checkpoint", tag="Threads",
        parameters=("subgraphs", "select"), errors=(404, 422),
        answers=json_answer(s.ThreadState, "The state at the checkpoint.", selectable=True),
    ),
    ("POST", f"{_THREAD}/state/checkpoint"): Operation(
        name="post_thread_state_at_checkpoint_threads__thread_id__state__checkpoint_id__get",
        summary="Get Thread State At Checkpoint", tag="Threads",
        body=bodies.StateAtCheckpointBody, errors=(404,),
        answers=json_answer(s.ThreadState, "The state at the checkpoint.", selectable=True),
    ),
    ("GET", f"{_THREAD}/history"): Operation(
        name="get_thread_history_threads__thread_id__history_get", summary="Get Thread History",
        tag="Threads", parameters=("history_limit", "before", "select"), errors=(404, 422),
        answers=json_answer(list[s.ThreadState], "States, newest first.", selectable=True),
    ),
    ("POST", f"{_THREAD}/history"): Operation(
        name="get_thread_history_post_threads__thread_id__history_post",
        summary="Get Thread History Post", tag="Threads", body=bodies.HistoryBody, errors=(404,),
        answers=json_answer(list[s.ThreadState], "States, newest first.", selectable=True),
    ),
    ("POST", f"{_THREAD}/copy"): Operation(
        name="copy_thread_post_threads__thread_id__copy_post", summary="Copy Thread",
        tag="Threads", parameters=("include", *CREATING),
        answers=json_answer(s.Thread, "The copy."),
        errors=(404, 409, 422),
    ),
    ("GET", _THREAD): Operation(
        name="get_thread_threads__thread_id__get", summary="Get Thread", tag="Threads",
        parameters=("include",), answers=json_answer(s.Thread, "The thread."), errors=(404, 422),
    ),
    ("PATCH", _THREAD): Operation(
        name="patch_thread_threads__thread_id__patch", summary="Patch Thread", tag="Threads",
        body=bodies.ThreadPatchBody, parameters=("include", "Prefer"), errors=(404,),
        answers={**json_answer(s.Thread, "The thread."), **DONE},
    ),
    ("DELETE", _THREAD): Operation(
        name="delete_thread_threads__thread_id__delete", summary="Delete Thread", tag="Threads",
        answers=DONE, errors=(404, 422),
    ),
    ("GET", f"{_THREAD}/stream"): Operation(
        name="join_thread_stream_threads__thread_id__stream_get", summary="Join Thread Stream",
        tag="Threads", parameters=("stream_modes", "Last-Event-ID"),
        answers={200: _EVENTS}, errors=(404, 422),
    ),
}  # fmt: skip
