"""`lgserve threads interrupts|resume|copy|update|diff|history --tree|watch|storage|prune`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lgserve.cli.commands.threads.comparing import changes_between
from lgserve.cli.commands.threads.tree import draw_tree

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve


def asked(real: Lgserve, question: str = "ok?", graph: str = "ask") -> str:
    """Start a run that waits for an answer; return its thread."""
    given = {"ask": {"q": question}, "parent": {"text": "x", "stop": True}}[graph]
    run = real(
        "runs", "start", "-a", graph, "-i", json.dumps(given), "--background", "-o", "json"
    ).json
    real("runs", "join", run["run_id"], "-q")
    return str(run["thread_id"])


def test_interrupts_lists_the_questions_of_all_waiting_threads(real: Lgserve) -> None:
    first, second = asked(real, "one?"), asked(real, "two?")
    rows = real("threads", "interrupts", "-o", "json").json
    questions = {row["thread_id"]: row["value"] for row in rows}
    assert questions.items() >= {first: {"question": "one?"}, second: {"question": "two?"}}.items()
    (row,) = real("threads", "interrupts", first, "-o", "json").json
    assert (row["graph_id"], row["value"]) == ("ask", {"question": "one?"})
    assert real("threads", "interrupts", first, "--graph", "echo", "-o", "json").json == []
    table = real("threads", "interrupts", first)
    assert table.table[0] == ["THREAD", "GRAPH", "INTERRUPT", "SINCE", "BEFORE", "VALUE"]
    assert table.err == f"answer: lgserve threads resume {first} --value '…'\n"


def test_resume_answers_and_writes_the_values(real: Lgserve) -> None:
    thread_id = asked(real)
    result = real("threads", "resume", thread_id, "--value", '{"yes": 1}', "-o", "json")
    assert result.json["answer"] == {"yes": 1}
    again = real("threads", "resume", thread_id, "--value", "x", "-o", "json")
    assert (again.status, again.out) == (6, "")
    assert json.loads(again.err)["error"]["code"] == "E_CONFLICT"


def test_resume_takes_a_text_a_file_and_the_latest_thread(real: Lgserve, tmp_path: Any) -> None:
    asked(real)
    (tmp_path / "answer").write_text("by all means")
    assert real("threads", "resume", "@last", "--value", "@answer").json["answer"] == "by all means"


def test_resume_by_the_name_of_the_question(real: Lgserve) -> None:
    thread_id = asked(real)
    (row,) = real("threads", "interrupts", thread_id, "-o", "json").json
    chosen = ("--interrupt", row["interrupt_id"][:8])
    values = real("threads", "resume", thread_id, "--value", "1", *chosen).json
    assert values["answer"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--value is missing"),
        (("--value", "{bad"), "--value is not JSON"),
        (("--value", "x", "--interrupt", "nope"), "none of the open questions"),
        (("--value", "x", "--background", "--exit-status"), "--background excludes"),
    ],
)
def test_resume_refuses_what_is_no_answer(
    real: Lgserve, arguments: tuple[str, ...], says: str
) -> None:
    result = real("threads", "resume", asked(real), *arguments)
    assert (result.status, result.out) == (2, "")
    assert says in result.err


def test_a_thread_that_stopped_before_a_node_goes_on_without_a_value(real: Lgserve) -> None:
    run = real(
        "runs", "start", "-a", "echo", "-i", '{"text": "x"}', "--interrupt-before", "b",
        "--background", "-o", "json",
    ).json  # fmt: skip
    thread_id = run["thread_id"]
    real("runs", "join", run["run_id"], "-q")
    (row,) = real("threads", "interrupts", thread_id, "-o", "json").json
    assert (row["next"], row["interrupt_id"]) == (["b"], None)
    assert real("threads", "resume", thread_id, "--value", "x").status == 2
    assert real("threads", "resume", thread_id).json["log"] == ["a:x", "b"]


def echoed(real: Lgserve, text: str = "x") -> str:
    run = real("runs", "start", "-a", "echo", "-i", json.dumps({"text": text}), "--background",
               "-o", "json").json  # fmt: skip
    real("runs", "join", run["run_id"], "-q")
    return str(run["thread_id"])


def test_copy_makes_a_thread_that_stands_where_the_other_does(real: Lgserve) -> None:
    thread_id = echoed(real)
    copied = real("threads", "copy", thread_id, "-o", "id").out.strip()
    assert copied != thread_id
    values = [real("threads", "state", each, "--raw").out for each in (thread_id, copied)]
    assert values[0] == values[1]


def test_update_writes_as_a_node_and_forks_at_a_checkpoint(real: Lgserve) -> None:
    thread_id = echoed(real)
    real("threads", "update", thread_id, "--values", '{"log": ["me"]}', "--as-node", "b")
    assert real("threads", "state", thread_id, "--key", "log").json == ["a:x", "b", "me"]
    history = real("threads", "history", thread_id, "-o", "json").json
    checkpoint = history[1]["checkpoint_id"]
    made = real("threads", "update", thread_id, "--values", "-", "--checkpoint", checkpoint,
                "-o", "json", stdin='{"text": "y"}').json  # fmt: skip
    state = real("threads", "state", thread_id, "-o", "json").json
    assert state["checkpoint_id"] == made["checkpoint_id"]
    assert state["parent_checkpoint_id"] == checkpoint


def test_update_merges_metadata(real: Lgserve) -> None:
    thread_id = echoed(real)
    made = real("threads", "update", thread_id, "--metadata", "a=b", "-o", "json").json
    assert (made["checkpoint_id"], made["metadata"]["a"]) == (None, "b")


def test_diff_shows_what_the_last_step_changed(real: Lgserve) -> None:
    thread_id = echoed(real)
    found = real("threads", "diff", thread_id, "-o", "json").json
    assert found["changes"] == [
        {"channel": "log", "change": "added", "item": "[1]", "after": "b"},
        {"channel": "n", "change": "changed", "item": None, "before": 1, "after": 2},
    ]
    assert (found["from"]["step"], found["to"]["step"]) == (1, 2)
    table = real("threads", "diff", thread_id)
    assert table.table[0] == ["CHANNEL", "CHANGE", "ITEM", "BEFORE", "AFTER"]
    assert table.err.endswith(": 2 changes\n")


def test_diff_takes_two_checkpoints_by_their_beginnings(real: Lgserve) -> None:
    thread_id = echoed(real)
    history = real("threads", "history", thread_id, "-o", "json").json
    first, last = history[-1]["checkpoint_id"], history[0]["checkpoint_id"]
    forth = real("threads", "diff", thread_id, first, last, "-o", "jsonl")
    kinds = [json.loads(line)["change"] for line in forth.out.splitlines()]
    assert kinds == ["added"] * 4
    back = real("threads", "diff", thread_id, last, first, "-o", "json").json
    assert {change["change"] for change in back["changes"]} == {"removed"}
    assert real("threads", "diff", thread_id, "ffffffff").status == 5
    assert real("threads", "diff", thread_id, "fff").status == 2


def test_messages_are_compared_by_their_ids() -> None:
    def message(key: str, content: str) -> dict[str, str]:
        return {"id": key, "type": "human", "content": content}

    old = {"messages": [message("1", "a"), message("2", "b"), message("3", "c")]}
    new = {"messages": [message("0", "z"), message("1", "a"), message("3", "C")]}
    assert changes_between(old, new) == [
        {"channel": "messages", "change": "removed", "item": "2", "before": message("2", "b")},
        {
            "channel": "messages", "change": "changed", "item": "3",
            "before": message("3", "c"), "after": message("3", "C"),
        },
        {"channel": "messages", "change": "added", "item": "0", "after": message("0", "z")},
    ]  # fmt: skip


def test_values_that_are_no_object_are_compared_as_a_whole() -> None:
    (change,) = changes_between(1, 2)
    assert change == {
        "channel": "__root__", "change": "changed", "item": None, "before": 1, "after": 2,
    }  # fmt: skip
    assert changes_between(None, {}) == []


def test_the_tree_draws_forks_where_they_branch_off() -> None:
    def state(key: str, parent: str | None) -> dict[str, Any]:
        return {"checkpoint_id": key, "parent_checkpoint_id": parent, "metadata": {"step": 0}}

    states = [state("5", "2"), state("4", "3"), state("3", "2"), state("2", "1"), state("1", None)]
    rows = draw_tree(states, lambda _: [])
    assert [row["text"].split("  ")[0] for row in rows] == ["● 1", "● 2", "├─● 3", "│ ● 4", "● 5"]
    assert [row["depth"] for row in rows] == [0, 0, 1, 1, 0]
    assert [row["checkpoint_id"] for row in rows if row["latest"]] == ["5"]


def test_a_long_history_is_drawn_without_recursion() -> None:
    states = [
        {"checkpoint_id": f"{n:06}", "parent_checkpoint_id": f"{n - 1:06}" if n else None}
        for n in range(5_000)
    ]
    assert len(draw_tree(states, lambda _: [])) == 5_000


def test_the_tree_of_a_thread_shows_its_subgraphs(real: Lgserve) -> None:
    thread_id = asked(real, graph="parent")
    drawn = real("threads", "history", thread_id, "--tree").out
    assert "┊ child: ● " in drawn
    assert "waits" in drawn
    rows = real("threads", "history", thread_id, "--tree", "-o", "json").json
    assert {row["checkpoint_ns"].split(":")[0] for row in rows} == {"", "child"}
    assert "text" not in rows[0]


def test_watch_tells_what_happens_on_a_thread(real: Lgserve) -> None:
    run = real("runs", "start", "-a", "slow", "-i", '{"seconds": 0.3}', "--background",
               "-o", "json").json  # fmt: skip
    result = real("threads", "watch", run["thread_id"], "--mode", "lifecycle", "--count", "1",
                  "--for", "20s", "-o", "jsonl")  # fmt: skip
    assert result.status == 0
    assert json.loads(result.out.splitlines()[0])["data"]["run_id"] == run["run_id"]


def test_watch_ends_when_its_time_is_over(real: Lgserve) -> None:
    assert real("threads", "watch", echoed(real), "--for", "100ms", "-o", "json").json == []


def test_storage_adds_up(real: Lgserve) -> None:
    found = real("threads", "storage", echoed(real), "-o", "json").json
    assert found["checkpoints"]["count"] == 4


def test_prune_keeps_the_latest_checkpoint(real: Lgserve) -> None:
    thread_id = echoed(real)
    dry = real("threads", "prune", thread_id, "--keep-latest", "--dry-run", "-o", "id")
    assert dry.out == f"{thread_id}\n"
    assert len(real("threads", "history", thread_id, "-o", "json").json) == 4
    done = real("threads", "prune", thread_id, "--keep-latest", "--yes", "-o", "json").json
    assert done == {"strategy": "keep_latest", "pruned": 1, "threads": 1}
    assert len(real("threads", "history", thread_id, "-o", "json").json) == 1


def test_prune_deletes_only_what_is_old_enough(real: Lgserve) -> None:
    thread_id = echoed(real)
    young = real("threads", "prune", thread_id, "--older-than", "30d", "--yes", "-o", "json").json
    assert young["pruned"] == 0
    old = real("threads", "prune", thread_id, "--older-than", "1ms", "--yes", "-o", "json").json
    assert old == {"strategy": "delete", "pruned": 1, "threads": 1}
    assert real("threads", "show", thread_id).status == 5


@pytest.mark.parametrize("arguments", [("--yes",), ("--keep-latest",), ("x", "--status", "idle")])
def test_prune_asks_what_and_whether(real: Lgserve, arguments: tuple[str, ...]) -> None:
    result = real("threads", "prune", *arguments, stdin="")
    assert (result.status, result.out) == (2, "")
