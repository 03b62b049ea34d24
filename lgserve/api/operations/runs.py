"""Operations on runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve.api import bodies
from lgserve.api import shapes as s
from lgserve.api.operations.table import (
    DONE,
    EVENTS,
    PAGE_HEADERS,
    STARTING,
    Answer,
    Operation,
    Route,
    json_answer,
)
from lgserve.api.run_bodies import CancelOne

_THREAD = "/threads/{thread_id}"
_RUN = _THREAD + "/runs/{run_id}"
_HEADERS = ("Location", "Content-Location")
_EVENTS = Answer(
    about="Server-sent events; the stream ends when the run has ended.",
    media=(EVENTS,),
    headers=_HEADERS,
)
_RESULT = json_answer(Any, "The values at the end, or `__error__`.", *_HEADERS)
_CANCELLED: Mapping[int, Answer] = {
    202: Answer(about="The run is being stopped."),
    **json_answer(dict[str, Any], "The run has stopped.", *_HEADERS),
}


#: A run that is waited for or followed at once.
_FOLLOWED = (*STARTING, "include_end")


def _starting(
    name: str, tag: str, body: Any, *, parameters: tuple[str, ...] = STARTING, **more: Any
) -> Operation:
    """Return an operation that starts a run."""
    return Operation(
        name=name, tag=tag, body=body, parameters=parameters, errors=(404, 409), **more
    )


OPERATIONS: Mapping[Route, Operation] = {
    ("GET", f"{_THREAD}/runs"): Operation(
        name="list_runs_http_threads__thread_id__runs_get", summary="List Runs",
        tag="Thread Runs", errors=(400, 404, 422),
        parameters=("run_limit", "offset", "run_status", "run_select", "metadata"),
        answers=json_answer(list[s.Run], "Runs, newest first.", *PAGE_HEADERS, selectable=True),
    ),
    ("POST", f"{_THREAD}/runs"): _starting(
        "create_run_threads__thread_id__runs_post", "Thread Runs", bodies.RunCreate,
        summary="Create Background Run",
        answers=json_answer(s.Run, "The run, which waits to be executed.", "Content-Location"),
    ),
    ("POST", f"{_THREAD}/runs/stream"): _starting(
        "stream_run_threads__thread_id__runs_stream_post", "Thread Runs", bodies.RunCreate,
        summary="Create Run, Stream Output", answers={200: _EVENTS}, parameters=_FOLLOWED,
    ),
    ("POST", f"{_THREAD}/runs/wait"): _starting(
        "wait_run_threads__thread_id__runs_wait_post", "Thread Runs", bodies.RunCreate,
        summary="Create Run, Wait for Output", answers=_RESULT, parameters=_FOLLOWED,
    ),
    ("GET", _RUN): Operation(
        name="get_run_http_threads__thread_id__runs__run_id__get", summary="Get Run",
        tag="Thread Runs", answers=json_answer(s.Run, "The run."), errors=(404, 422),
    ),
    ("DELETE", _RUN): Operation(
        name="delete_run_threads__thread_id__runs__run_id__delete", summary="Delete Run",
        tag="Thread Runs", answers=DONE, errors=(404, 422),
    ),
    ("GET", f"{_RUN}/join"): Operation(
        name="join_run_http_threads__thread_id__runs__run_id__join_get", summary="Join Run",
        tag="Thread Runs", parameters=("cancel_on_disconnect", "include_end"), answers=_RESULT,
        errors=(404, 422),
    ),
    ("GET", f"{_RUN}/stream"): Operation(
        name="stream_run_http_threads__thread_id__runs__run_id__join_get",
        summary="Join Run Stream", tag="Thread Runs",
        parameters=("stream_mode", "cancel_on_disconnect", "include_end", "Last-Event-ID"),
        answers={200: _EVENTS}, errors=(404, 422),
    ),
    ("POST", f"{_RUN}/cancel"): Operation(
        name="cancel_run_http_threads__thread_id__runs__run_id__cancel_post",
        summary="Cancel Run", tag="Thread Runs", body=CancelOne, body_required=False,
        parameters=("wait", "action", "cancel_reason"),
        answers=_CANCELLED, errors=(404, 409, 422),
    ),
    ("POST", "/runs"): _starting(
        "run_stateless_runs_post", "Stateless Runs", bodies.RunCreateStateless,
        summary="Create Background Run",
        answers=json_answer(s.Run, "The run, which waits to be executed.", "Content-Location"),
    ),
    ("POST", "/runs/stream"): _starting(
        "stream_run_stateless_runs_stream_post", "Stateless Runs", bodies.RunCreateStateless,
        summary="Create Run, Stream Output", answers={200: _EVENTS}, parameters=_FOLLOWED,
    ),
    ("POST", "/runs/wait"): _starting(
        "wait_run_stateless_runs_wait_post", "Stateless Runs", bodies.RunCreateStateless,
        summary="Create Run, Wait for Output", answers=_RESULT, parameters=_FOLLOWED,
    ),
    ("POST", "/runs/batch"): _starting(
        "run_batch_stateless_runs_post", "Stateless Runs", list[bodies.RunCreateStateless],
        summary="Create Run Batch", answers=json_answer(list[s.Run], "The runs."),
        about="All of them are created, or none.",
    ),
    ("POST", "/runs/cancel"): Operation(
        name="cancel_runs_post", summary="Cancel Runs", tag="Thread Runs",
        body=bodies.CancelMany, parameters=("action", "cancel_reason"), answers=DONE, errors=(404,),
    ),
    ("GET", "/runs/{run_id}"): Operation(
        name="get_run_stateless_runs__run_id__get", summary="Get Run by Id",
        tag="Stateless Runs", answers=json_answer(s.Run, "The run."), errors=(404, 422),
    ),
    ("GET", "/runs/{run_id}/join"): Operation(
        name="join_run_stateless_runs__run_id__join_get", summary="Join Run by Id",
        tag="Stateless Runs", parameters=("cancel_on_disconnect", "include_end"), answers=_RESULT,
        errors=(404, 422),
    ),
    ("GET", "/runs/{run_id}/stream"): Operation(
        name="stream_run_stateless_runs__run_id__stream_get", summary="Join Run Stream by Id",
        tag="Stateless Runs",
        parameters=("stream_mode", "cancel_on_disconnect", "include_end", "Last-Event-ID"),
        answers={200: _EVENTS}, errors=(404, 422),
    ),
    ("POST", "/runs/{run_id}/cancel"): Operation(
        name="cancel_run_stateless_runs__run_id__cancel_post", summary="Cancel Run by Id",
        tag="Stateless Runs", body=CancelOne, body_required=False,
        parameters=("wait", "action", "cancel_reason"), answers=_CANCELLED,
        errors=(404, 409, 422),
    ),
}  # fmt: skip
