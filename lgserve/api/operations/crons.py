"""Operations on crons."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api import cron_bodies as bodies
from lgserve.api import cron_shapes, shapes
from lgserve.api.operations.table import (
    CREATING,
    DONE,
    PAGE_HEADERS,
    Operation,
    Route,
    json_answer,
)

_CRON = "/runs/crons/{cron_id}"
_CREATED = json_answer(cron_shapes.Cron, "The cron.")
_SCHEDULES = (
    "A schedule is a cron expression of five fields, of six with the seconds last, or a name as"
    " `@daily`, in the cron's time zone. A time that comes twice when clocks are put back is fired"
    " once, one that is passed over when they are put forward in the moment after the gap; a"
    " schedule for every hour goes by the time that passes."
)
OPERATIONS: Mapping[Route, Operation] = {
    ("POST", "/threads/{thread_id}/runs/crons"): Operation(
        name="create_thread_cron_threads__thread_id__runs_crons_post",
        summary="Create Thread Cron", tag="Crons", body=bodies.CronCreate, parameters=CREATING,
        answers=_CREATED, errors=(404, 409), about=_SCHEDULES,
    ),
    ("POST", "/runs/crons"): Operation(
        name="create_cron_runs_crons_post", summary="Create Cron", tag="Crons",
        body=bodies.CronCreate, parameters=CREATING, answers=_CREATED, errors=(404, 409),
        about=f"Each of its runs has a thread of its own. {_SCHEDULES}",
    ),
    ("POST", "/runs/crons/search"): Operation(
        name="search_crons_runs_crons_post", summary="Search Crons", tag="Crons",
        body=bodies.CronSearchBody,
        answers=json_answer(
            list[cron_shapes.Cron], "A page of crons.", *PAGE_HEADERS, selectable=True
        ),
    ),
    ("POST", "/runs/crons/count"): Operation(
        name="count_crons_runs_crons_count_post", summary="Count Crons", tag="Crons",
        body=bodies.CronCountBody, answers=json_answer(int, "How many there are."),
    ),
    ("GET", _CRON): Operation(
        name="get_cron_runs_crons__cron_id__get", summary="Get Cron", tag="Crons",
        answers=json_answer(cron_shapes.Cron, "The cron."), errors=(404, 422),
    ),
    ("PATCH", _CRON): Operation(
        name="patch_cron_runs_crons__cron_id__patch", summary="Update Cron", tag="Crons",
        body=bodies.CronPatch, errors=(404,),
        answers=json_answer(cron_shapes.Cron, "The cron as it is now."),
        about="Metadata is merged, everything else that is named is replaced.",
    ),
    ("DELETE", _CRON): Operation(
        name="delete_cron_runs_crons__cron_id__delete", summary="Delete Cron", tag="Crons",
        answers=DONE, errors=(404, 422),
    ),
    ("GET", f"{_CRON}/firings"): Operation(
        name="list_cron_firings", summary="List Firings", tag="Crons",
        parameters=("firing_limit", "offset"), errors=(404, 422),
        answers=json_answer(
            list[cron_shapes.CronFiring], "What became of its firings, newest first.",
            *PAGE_HEADERS,
        ),
        about="The newest 200 of each cron are kept.",
    ),
    ("POST", f"{_CRON}/trigger"): Operation(
        name="trigger_cron", summary="Trigger Cron", tag="Crons", parameters=CREATING,
        errors=(400, 404, 409, 422),
        answers=json_answer(
            shapes.Run, "The run, which waits to be executed.", "Content-Location"
        ),
        about="Creates a run now, whether or not the cron is enabled; its schedule goes on.",
    ),
}  # fmt: skip
