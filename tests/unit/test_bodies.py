"""What request bodies are taken for, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from lgserve.api.bodies import (
    AssistantCreateBody,
    AssistantPatchBody,
    AssistantSearchBody,
    CancelMany,
    HistoryBody,
    RunCreate,
    RunCreateStateless,
    StateAtCheckpointBody,
    StateUpdateBody,
    ThreadCountBody,
    ThreadCreateBody,
    ThreadPatchBody,
    ThreadSearchBody,
)
from lgserve.api.fields import describe
from lgserve.core.errors import LgserveError
from lgserve.core.models import AssistantFilter, Page, ThreadFilter
from lgserve.services.assistants import AssistantPatch
from lgserve.services.run_requests import RunRequest
from lgserve.services.thread_state import StateUpdate

CHECKPOINT = "1f1e6458-1912-62fe-8001-c4aeaa4e7eda"
OTHER = "1f1e6458-1917-6ad7-8002-07a1d1c15bc5"
THREAD = "01a20222-ad9f-7396-bd45-2fc19b3fb169"
ALL_BODIES: list[type[BaseModel]] = [
    AssistantCreateBody,
    AssistantPatchBody,
    AssistantSearchBody,
    CancelMany,
    HistoryBody,
    RunCreate,
    RunCreateStateless,
    StateAtCheckpointBody,
    StateUpdateBody,
    ThreadCountBody,
    ThreadCreateBody,
    ThreadPatchBody,
    ThreadSearchBody,
]


def refusal(model: type[BaseModel], body: Any) -> str:
    """Return what a client is told of a body that is refused."""
    try:
        model.model_validate(body)
    except ValidationError as exc:
        return describe(exc)
    except LgserveError as exc:
        return exc.message
    raise AssertionError(f"{body} was taken")


def run_request(**body: Any) -> RunRequest:
    return RunCreate.model_validate({"assistant_id": "echo", **body}).to_request(None)


class TestRuns:
    def test_a_body_with_only_an_assistant_has_the_defaults(self) -> None:
        assert run_request() == RunRequest(assistant_id="echo")

    def test_every_field_reaches_the_request(self) -> None:
        body = {
            "assistant_id": "echo",
            "input": {"text": "hi"},
            "command": {"resume": "yes"},
            "metadata": {"m": 1},
            "config": {"tags": ["t"], "recursion_limit": 7, "configurable": {"c": 1}},
            "context": {},
            "checkpoint": {"checkpoint_id": CHECKPOINT, "checkpoint_ns": ""},
            "interrupt_before": "*",
            "interrupt_after": ["a"],
            "stream_mode": ["values", "messages-tuple"],
            "stream_subgraphs": True,
            "stream_resumable": True,
            "on_disconnect": "cancel",
            "multitask_strategy": "reject",
            "if_not_exists": "create",
            "after_seconds": 0.5,
            "durability": "sync",
            "on_completion": "keep",
        }

        assert RunCreateStateless.model_validate(body).to_request("r1") == RunRequest(
            assistant_id="echo",
            input={"text": "hi"},
            command={"resume": "yes"},
            metadata={"m": 1},
            config={"tags": ["t"], "recursion_limit": 7, "configurable": {"c": 1}},
            context={},
            checkpoint={"checkpoint_id": CHECKPOINT, "checkpoint_ns": ""},
            interrupt_before="*",
            interrupt_after=["a"],
            stream_mode=("values", "messages-tuple"),
            stream_subgraphs=True,
            stream_resumable=True,
            on_disconnect="cancel",
            multitask_strategy="reject",
            if_not_exists="create",
            after_seconds=0.5,
            durability="sync",
            on_completion="keep",
            request_id="r1",
        )

    @pytest.mark.parametrize(
        ("given_mode", "modes"),
        [
            ("updates", ("updates",)),
            (["updates", "debug"], ("updates", "debug")),
            ([], ("values",)),
        ],
    )
    def test_stream_mode_is_one_or_many_and_values_if_none(
        self, given_mode: object, modes: tuple[str, ...]
    ) -> None:
        assert run_request(stream_mode=given_mode).stream_mode == modes

    @pytest.mark.parametrize(
        ("body", "durability"),
        [
            ({}, "async"),
            ({"checkpoint_during": False}, "exit"),
            ({"checkpoint_during": True}, "async"),
            ({"checkpoint_during": False, "durability": "sync"}, "sync"),
        ],
    )
    def test_checkpoint_during_stands_for_durability(
        self, body: dict[str, Any], durability: str
    ) -> None:
        assert run_request(**body).durability == durability

    @pytest.mark.parametrize(
        "body",
        [
            {"checkpoint": {"checkpoint_id": CHECKPOINT}},
            {"checkpoint_id": CHECKPOINT},
            {"config": {"configurable": {"checkpoint_id": CHECKPOINT}}},
            {"checkpoint_id": OTHER, "checkpoint": {"checkpoint_id": CHECKPOINT}},
            {
                "config": {"configurable": {"checkpoint_id": OTHER}},
                "checkpoint_id": CHECKPOINT,
            },
        ],
    )
    def test_a_checkpoint_can_be_named_in_three_places(self, body: dict[str, Any]) -> None:
        request = run_request(**body)

        assert request.checkpoint == {"checkpoint_id": CHECKPOINT}
        assert request.config.get("configurable", {}) == {}

    @pytest.mark.parametrize(
        "body",
        [
            {"checkpoint_id": "bad"},
            {"checkpoint": {"checkpoint_id": "bad"}},
            {"checkpoint_id": 5},
            {"checkpoint": {"checkpoint_id": ["x"]}},
        ],
    )
    def test_a_checkpoint_id_is_a_uuid(self, body: dict[str, Any]) -> None:
        told = refusal(RunCreate, {"assistant_id": "echo", **body})
        assert "checkpoint_id: Invalid checkpoint ID (got " in told

    def test_ids_are_brought_into_their_canonical_form(self) -> None:
        body = {"assistant_id": "echo", "run_id": OTHER.upper(), "checkpoint_id": OTHER.upper()}
        request = run_request(**body)

        assert (request.run_id, request.checkpoint) == (OTHER, {"checkpoint_id": OTHER})
        before = HistoryBody.model_validate({"before": CHECKPOINT.upper()}).before
        assert before == {"checkpoint_id": CHECKPOINT}

    def test_a_checkpoint_in_the_config_is_checked_too(self) -> None:
        body = RunCreate.model_validate(
            {"assistant_id": "echo", "config": {"configurable": {"checkpoint_map": 5}}}
        )

        with pytest.raises(LgserveError, match=r"config\.configurable\.checkpoint_map: Input"):
            body.to_request(None)

    @pytest.mark.parametrize(
        "command",
        [
            {},
            {"resume": None},
            {"resume": {"any": ["json"]}},
            {"update": {"k": 1}},
            {"update": [["k", 1], ["k", 2]]},
            {"goto": "a"},
            {"goto": ["a", {"node": "b", "input": None}]},
            {"goto": {"node": "b", "input": 1}, "update": None},
        ],
    )
    def test_a_command_is_passed_on(self, command: dict[str, Any]) -> None:
        assert run_request(command=command).command == command

    def test_unknown_members_of_a_command_are_ignored_if_there_are_known_ones(self) -> None:
        assert run_request(command={"resume": 1, "more": 2}).command == {"resume": 1}

    @pytest.mark.parametrize("after_seconds", [-5, 0, 2, 0.25])
    def test_after_seconds_is_any_number(self, after_seconds: float) -> None:
        assert run_request(after_seconds=after_seconds).after_seconds == after_seconds

    def test_what_is_about_langsmith_is_harmless(self) -> None:
        request = run_request(feedback_keys=["k"], langsmith_tracer={"project_name": "p"})

        assert request == RunRequest(assistant_id="echo", feedback_keys=("k",))

    def test_unknown_fields_are_ignored(self) -> None:
        assert run_request(no_such_field=1) == RunRequest(assistant_id="echo")

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ({"assistant_id": 5}, "assistant_id: Input should be a string (got 5)"),
            ({"webhook": ""}, 'webhook: String should have at least 1 character (got "")'),
            ({"webhook": None}, "webhook: Input should not be null (got null)"),
            ({"strict_resume": 1}, "strict_resume: Input should be true or false (got 1)"),
            ({"metadata": None}, "metadata: Input should be an object (got null)"),
            ({"config": []}, "config: Input should be an object (got [])"),
            (
                {"config": {"recursion_limit": "x"}},
                'config.recursion_limit: Input should be an integer (got "x")',
            ),
            (
                {"config": {"recursion_limit": True}},
                "config.recursion_limit: Input should be an integer (got true)",
            ),
            ({"config": {"tags": [5]}}, "config.tags[0]: Input should be a string (got 5)"),
            (
                {"config": {"configurable": 5}},
                "config.configurable: Input should be an object (got 5)",
            ),
            (
                {"command": {"bogus": 1}},
                'command: Input should have update, resume or goto (got {"bogus":1})',
            ),
            ({"command": "x"}, 'command: Input should be an object (got "x")'),
            (
                {"command": {"update": [1]}},
                "command.update: Input should be an object or an array of [key, value] (got [1])",
            ),
            (
                {"command": {"goto": {"node": "b"}}},
                "command.goto: Input should be a node name, an object with node and input, or an"
                ' array of these (got {"node":"b"})',
            ),
            (
                {"interrupt_before": "a"},
                "interrupt_before: Input should be '*' or an array of node names (got \"a\")",
            ),
            ({"stream_subgraphs": 1}, "stream_subgraphs: Input should be true or false (got 1)"),
            ({"stream_mode": 5}, "stream_mode: Input should be an array (got 5)"),
            ({"on_disconnect": "x"}, "on_disconnect: Input should be 'cancel' or 'continue'"),
            ({"after_seconds": "5"}, 'after_seconds: Input should be a number (got "5")'),
            ({"after_seconds": True}, "after_seconds: Input should be a number (got true)"),
            (
                {"after_seconds": 1e300},
                "after_seconds: Input should be a number of at most 10 digits (got 1e+300)",
            ),
            (
                {"after_seconds": float("nan")},
                "after_seconds: Input should be a number of at most 10 digits (got null)",
            ),
            ({"durability": None}, "durability: Input should not be null (got null)"),
            ({"feedback_keys": "a"}, 'feedback_keys: Input should be an array (got "a")'),
        ],
    )
    def test_a_refusal_names_the_field_and_what_is_wrong(
        self, body: dict[str, Any], sentence: str
    ) -> None:
        assert refusal(RunCreate, {"assistant_id": "echo", **body}).startswith(sentence)

    def test_the_assistant_is_required(self) -> None:
        assert refusal(RunCreate, {}) == "assistant_id: Field required"

    def test_a_body_that_is_no_object_is_refused(self) -> None:
        assert refusal(RunCreate, [1]) == "request body: Input should be an object (got [1])"


class TestCancelMany:
    def test_all_runs_with_a_status(self) -> None:
        assert CancelMany.model_validate({"status": "pending"}).run_status == "pending"
        assert CancelMany.model_validate({"status": "all"}).run_status is None

    def test_some_runs_of_a_thread(self) -> None:
        body = CancelMany.model_validate({"thread_id": THREAD, "run_ids": [OTHER]})

        assert (body.thread_id, body.run_ids, body.run_status) == (THREAD, [OTHER], None)

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ({}, "Give either status, or thread_id and run_ids"),
            ({"thread_id": THREAD}, "Give either status, or thread_id and run_ids"),
            ({"run_ids": [OTHER]}, "Give either status, or thread_id and run_ids"),
            ({"status": "all", "thread_id": THREAD}, "status cannot be combined"),
            ({"status": "all", "thread_id": THREAD, "run_ids": []}, "status cannot be combined"),
            ({"status": "bogus"}, "status: Input should be 'pending', 'running' or 'all'"),
            ({"thread_id": "bad", "run_ids": []}, "thread_id: Invalid thread ID: must be a UUID"),
            (
                {"thread_id": THREAD, "run_ids": ["bad"]},
                "run_ids[0]: Invalid run ID: must be a UUID",
            ),
            ({"thread_id": THREAD, "run_ids": [""]}, "run_ids[0]: Invalid run ID: must be a UUID"),
        ],
    )
    def test_other_forms_are_refused(self, body: dict[str, Any], sentence: str) -> None:
        assert refusal(CancelMany, body).startswith(sentence)


class TestAssistants:
    def test_create_has_the_defaults_of_the_reference(self) -> None:
        assert AssistantCreateBody.model_validate({"graph_id": "echo"}).arguments() == {
            "graph_id": "echo",
            "assistant_id": None,
            "config": {},
            "context": {},
            "metadata": {},
            "if_exists": "raise",
            "name": None,
            "description": None,
        }

    def test_a_config_keeps_the_order_and_the_members_it_was_given(self) -> None:
        config = {"zzz": 1, "tags": ["t"], "configurable": {"b": 1}, "recursion_limit": 9}
        body = AssistantCreateBody.model_validate({"graph_id": "echo", "config": config})

        assert list(body.arguments()["config"].items()) == list(config.items())

    def test_an_empty_id_is_none(self) -> None:
        body = AssistantCreateBody.model_validate({"graph_id": "echo", "assistant_id": ""})

        assert body.arguments()["assistant_id"] is None

    def test_a_patch_leaves_out_what_was_left_out(self) -> None:
        body = AssistantPatchBody.model_validate({"name": "n", "metadata": {"a": 1}})

        assert body.to_patch() == AssistantPatch(name="n", metadata={"a": 1})

    @pytest.mark.parametrize("field", ["name", "description", "config", "graph_id"])
    def test_a_patch_takes_no_null(self, field: str) -> None:
        sentence = f"{field}: Input should not be null (got null)"

        assert refusal(AssistantPatchBody, {field: None}) == sentence

    def test_a_search_is_a_filter_and_a_page(self) -> None:
        body = AssistantSearchBody.model_validate({"name": "x", "limit": 2.0, "offset": 4})

        assert body.where() == AssistantFilter(name="x")
        assert body.page() == Page(limit=2, offset=4, sort_by="created_at", sort_order="desc")

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ({"limit": 0}, "limit: Input should be greater than or equal to 1 (got 0)"),
            ({"limit": 1001}, "limit: Input should be less than or equal to 1000 (got 1001)"),
            ({"limit": "5"}, 'limit: Input should be an integer (got "5")'),
            ({"limit": 1.5}, "limit: Input should be an integer (got 1.5)"),
            ({"limit": True}, "limit: Input should be an integer (got true)"),
            ({"offset": -1}, "offset: Input should be greater than or equal to 0 (got -1)"),
            ({"offset": 10**30}, "offset: Input should be less than or equal to"),
            ({"sort_by": "version"}, "sort_by: Input should be 'assistant_id', 'created_at'"),
            ({"select": ["bogus"]}, "select[0]: Input should be 'assistant_id', 'graph_id'"),
        ],
    )
    def test_a_wrong_page_is_refused(self, body: dict[str, Any], sentence: str) -> None:
        assert refusal(AssistantSearchBody, body).startswith(sentence)


class TestThreads:
    def test_create_takes_an_id_in_any_form(self) -> None:
        body = ThreadCreateBody.model_validate({"thread_id": THREAD.upper().replace("-", "")})

        assert body.value()["thread_id"] == THREAD

    def test_a_ttl_is_seen_by_auth_handlers_if_it_is_given(self) -> None:
        assert "ttl" not in ThreadCreateBody.model_validate({}).value()
        assert ThreadCreateBody.model_validate({"ttl": None}).value()["ttl"] is None
        assert ThreadPatchBody.model_validate({"ttl": 5}).value(THREAD)["ttl"] == {"ttl": 5}

    def test_a_search_is_a_filter_and_a_page(self) -> None:
        body = ThreadSearchBody.model_validate(
            {"metadata": {"a": 1}, "values": {"n": 2}, "status": "idle", "ids": [THREAD.upper()]}
        )

        assert body.where() == ThreadFilter(
            metadata={"a": 1}, values={"n": 2}, status="idle", ids=(THREAD,)
        )
        assert body.page() == Page(sort_by="updated_at")

    def test_no_ids_are_no_filter(self) -> None:
        assert ThreadCountBody.model_validate({"ids": []}).where() == ThreadFilter()

    def test_a_bad_id_is_named(self) -> None:
        with pytest.raises(LgserveError, match="Invalid thread ID bad"):
            ThreadCountBody.model_validate({"ids": ["bad"]}).where()

    @pytest.mark.parametrize(
        ("body", "needed"),
        [
            ({}, True),
            ({"select": ["thread_id"]}, False),
            ({"select": ["values"]}, True),
            ({"select": ["thread_id"], "extract": {"n": "values.n"}}, True),
            ({"select": ["thread_id"], "extract": {"n": "metadata.n"}}, False),
        ],
    )
    def test_values_are_needed_only_where_they_show(
        self, body: dict[str, Any], needed: bool
    ) -> None:
        assert ThreadSearchBody.model_validate(body).needs_values is needed

    @pytest.mark.parametrize(
        ("extract", "sentence"),
        [
            ({"a": "nope.x"}, "Extract path 'nope.x' must start with one of: config, interrupts"),
            ({"a": "thread_id"}, "Extract path 'thread_id' must start with one of"),
            ({"bad alias": "values.n"}, "Extract key 'bad alias' must be a valid identifier"),
            ({"status": "values.n"}, "Extract keys cannot use reserved field names: ['status']"),
            ({"a": "values["}, "Extract path 'values[' must be names with dots"),
            ({"a": "values.l[x]"}, "Extract path 'values.l[x]' must be names with dots"),
            ({"a": 5}, "extract: Input should be an object whose members are strings"),
            ({f"k{n}": "values" for n in range(11)}, "extract: Input should have at most 10"),
        ],
    )
    def test_a_wrong_extract_is_refused(self, extract: dict[str, Any], sentence: str) -> None:
        assert refusal(ThreadSearchBody, {"extract": extract}).startswith(sentence)


class TestState:
    def test_an_empty_update_is_one(self) -> None:
        assert StateUpdateBody.model_validate({}).to_update() == StateUpdate(
            values=None, as_node=None, checkpoint={}
        )

    def test_an_update_names_its_checkpoint_in_either_way(self) -> None:
        by_id = StateUpdateBody.model_validate({"checkpoint_id": CHECKPOINT})
        by_reference = StateUpdateBody.model_validate(
            {"checkpoint": {"checkpoint_id": CHECKPOINT, "thread_id": THREAD}}
        )

        assert by_id.to_update().checkpoint == {"checkpoint_id": CHECKPOINT}
        assert by_reference.to_update().checkpoint == {"checkpoint_id": CHECKPOINT}

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ({"as_node": None}, "as_node: Input should not be null (got null)"),
            ({"checkpoint_id": "bad"}, 'checkpoint_id: Invalid checkpoint ID (got "bad")'),
            ({"checkpoint": 5}, "checkpoint: Input should be an object (got 5)"),
        ],
    )
    def test_a_wrong_update_is_refused(self, body: dict[str, Any], sentence: str) -> None:
        assert refusal(StateUpdateBody, body) == sentence

    def test_values_are_an_object_or_an_array(self) -> None:
        assert refusal(StateUpdateBody, {"values": "x"}) == (
            'values: Input should be an object or an array (got "x")'
        )

    def test_a_checkpoint_is_required_to_read_a_state_at_one(self) -> None:
        assert refusal(StateAtCheckpointBody, {}) == "checkpoint: Field required"

    @pytest.mark.parametrize(
        "before",
        [
            CHECKPOINT,
            {"checkpoint_id": CHECKPOINT},
            {"thread_id": THREAD, "checkpoint_ns": "", "checkpoint_id": CHECKPOINT},
            {"configurable": {"checkpoint_id": CHECKPOINT}},
        ],
    )
    def test_history_before_is_named_in_any_of_three_ways(self, before: object) -> None:
        body = HistoryBody.model_validate({"before": before})

        assert body.before is not None
        assert body.before["checkpoint_id"] == CHECKPOINT

    def test_history_shows_one_state_unless_told_otherwise(self) -> None:
        assert HistoryBody.model_validate({}).arguments() == {
            "limit": 1,
            "before": None,
            "metadata": None,
            "checkpoint": {},
            "select": [],
        }

    def test_a_select_of_what_no_state_has_is_refused(self) -> None:
        assert HistoryBody.model_validate({"select": ["next", "values.log"]}).select
        assert refusal(HistoryBody, {"select": ["nope"]}).startswith("Invalid select: 'nope'")
        assert refusal(HistoryBody, {"select": ["values."]}).startswith("Invalid select")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def fields_of(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(model.model_fields)), JSON, max_size=4)


def outcome(model: type[BaseModel], body: Any) -> str:
    """Return `taken`, or what a client is told."""
    try:
        taken = model.model_validate(body)
        if isinstance(taken, RunCreate):
            taken.to_request(None)
        if isinstance(taken, ThreadCountBody):
            taken.where()
    except ValidationError as exc:
        return describe(exc)
    except LgserveError as exc:
        return exc.message
    return "taken"


@pytest.mark.requirement("HTTP-011")
@given(st.sampled_from(ALL_BODIES).flatmap(lambda m: st.tuples(st.just(m), fields_of(m) | JSON)))
def test_any_json_is_taken_or_refused_with_a_sentence(case: tuple[type[BaseModel], Any]) -> None:
    assert 0 < len(outcome(*case)) < 2000


@pytest.mark.requirement("HTTP-011")
@pytest.mark.parametrize("model", [CancelMany, ThreadSearchBody, HistoryBody, RunCreate])
def test_a_million_mistakes_make_a_short_answer(model: type[BaseModel]) -> None:
    many = [1] * 1_000_000
    body = {"run_ids": many, "select": many, "ids": many, "stream_mode": many, "assistant_id": "a"}

    assert len(refusal(model, body)) < 1000
