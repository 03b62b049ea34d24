"""`lgserve threads export|import`: between servers, from a reference, from its folder."""

from __future__ import annotations

import gzip
import json
import pickle
import time
import urllib.request
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import ormsgpack
import pytest

from tests.servers import ServerProcess, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Lgserve


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A second server, with nothing in it."""
    with serving(tmp_path_factory.mktemp("empty")) as process:
        yield process


def ran(real: Lgserve, graph: str, given: Any) -> str:
    thread_id = real("threads", "create", "-o", "id", "--metadata", "from=here").out.strip()
    real("runs", "start", "-a", graph, "-t", thread_id, "-i", json.dumps(given), "-q")
    return thread_id


def seen(url: str, thread_id: str) -> list[Any]:
    """Return all that the API shows of a thread."""
    paths = ("", "/state?subgraphs=true", "/history?limit=1000")
    found = []
    for path in paths:
        with urllib.request.urlopen(f"{url}/threads/{thread_id}{path}") as answer:
            found.append(json.load(answer))
    return found


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_threads_are_equal_on_the_other_server(
    real: Lgserve, server: ServerProcess, empty: ServerProcess, tmp_path: Path, name: str
) -> None:
    if name.endswith("zst"):
        pytest.importorskip("zstandard")
    ids = [ran(real, "ask", {"q": "?"}), ran(real, "parent", {"text": "x", "stop": True})]
    ids.append(ran(real, "chat", {"messages": [{"role": "user", "content": "hi"}]}))
    done = real("threads", "export", *ids, "-f", str(tmp_path / name))
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith("exported 3 threads, ")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    result = real("threads", "import", str(tmp_path / name), "--url", empty.url, "-o", "json")
    assert (result.status, result.json["imported"], result.json["losses"]) == (0, 3, [])
    for thread_id in ids:
        assert seen(empty.url, thread_id) == seen(server.url, thread_id)


def test_a_file_begins_with_its_header_and_ends_with_its_count(
    real: Lgserve, server: ServerProcess
) -> None:
    thread_id = ran(real, "echo", {"text": "x"})
    lines = real("threads", "export", thread_id).out.splitlines()
    header, record, end = (json.loads(line) for line in lines)
    assert (header["format"], header["version"]) == ("lgserve.threads", 1)
    assert header["server"]["url"] == server.url
    assert record["thread"]["thread_id"] == thread_id
    assert end == {"end": True, "threads": 1, "checkpoints": 4}


def test_filters_choose_what_is_exported(real: Lgserve) -> None:
    thread_id = ran(real, "memo", {"text": "x"})
    real("threads", "update", thread_id, "--metadata", "chosen=yes", "-q")
    out = real("threads", "export", "--metadata", "chosen=yes").out
    assert json.loads(out.splitlines()[-1])["threads"] == 1
    assert json.loads(out.splitlines()[1])["thread"]["thread_id"] == thread_id


def test_what_is_there_stops_the_import_or_not(real: Lgserve, tmp_path: Path) -> None:
    file = str(tmp_path / "t.jsonl")
    thread_id = ran(real, "echo", {"text": "x"})
    real("threads", "export", thread_id, "-f", file)
    stopped = real("threads", "import", file, "-o", "json")
    assert (stopped.status, stopped.out) == (6, "")
    assert json.loads(stopped.err)["error"]["code"] == "E_CONFLICT"
    tried = real("threads", "import", file, "--dry-run", "-o", "json")
    assert (tried.status, tried.out) == (6, "")
    skipped = real("threads", "import", file, "--on-conflict", "skip", "-o", "json").json
    assert (skipped["imported"], skipped["skipped"]) == (0, 1)
    replaced = real("threads", "import", file, "--on-conflict", "replace", "-o", "json").json
    assert replaced["replaced"] == 1


def test_a_dry_run_changes_nothing(real: Lgserve, empty: ServerProcess, tmp_path: Path) -> None:
    file = str(tmp_path / "t.jsonl")
    thread_id = ran(real, "echo", {"text": "x"})
    real("threads", "export", thread_id, "-f", file)
    tried = real("threads", "import", file, "--dry-run", "--url", empty.url, "-o", "json").json
    assert (tried["imported"], tried["checkpoints"]) == (1, 4)
    assert real("threads", "show", thread_id, "--url", empty.url).status == 5


def test_a_graph_gets_another_name_on_the_way(
    real: Lgserve, empty: ServerProcess, tmp_path: Path
) -> None:
    file = str(tmp_path / "t.jsonl")
    thread_id = ran(real, "echo", {"text": "x"})
    real("threads", "export", thread_id, "-f", file)
    to = ("--url", empty.url)
    assert real("threads", "import", file, "--map-graph", "echo=memo", *to).status == 0
    moved = real("threads", "show", thread_id, *to, "-o", "json").json
    memo = real("assistants", "show", "memo", *to, "-o", "id").out.strip()
    assert moved["metadata"]["graph_id"] == "memo"
    assert moved["metadata"]["assistant_id"] == memo
    history = real("threads", "history", thread_id, *to, "-o", "json").json
    assert {state["metadata"]["graph_id"] for state in history} == {"memo"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin with the header"),
        ("{}\n", "does not begin with the header"),
        ("nonsense\n", "line 1 is not a JSON object"),
        ('{"format":"lgserve.threads","version":9}\n', "its version is 9"),
        ('{"format":"lgserve.threads","version":1}\n', "it ends early"),
        ('{"format":"lgserve.threads","version":1}\n{"a":1}\n', "line 2 is not a thread"),
    ],
)
def test_a_file_that_is_none_is_refused(
    real: Lgserve, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(text)
    result = real("threads", "import", str(file), "-o", "json")
    assert (result.status, result.out) == (9, "")
    assert says in json.loads(result.err)["error"]["message"]


def test_a_file_that_was_cut_off_is_taken_as_far_as_it_goes(
    real: Lgserve, empty: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "t.jsonl"
    ids = [ran(real, "echo", {"text": "x"}) for _ in range(2)]
    real("threads", "export", *ids, "-f", str(file))
    file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[:2]))
    result = real("threads", "import", str(file), "--url", empty.url)
    assert result.status == 9
    assert "1 threads were imported before" in result.err
    assert real("threads", "show", ids[0], "--url", empty.url).status == 0
    half = tmp_path / "half.gz"
    half.write_bytes(gzip.compress(file.read_bytes())[:-20])
    assert real("threads", "import", str(half), "--on-conflict", "skip").status == 9


def test_what_an_api_shows_is_rebuilt_step_by_step(
    real: Lgserve, server: ServerProcess, empty: ServerProcess, tmp_path: Path
) -> None:
    """A reference server has no export: its histories are carried out once more."""
    ids = [ran(real, "ask", {"q": "?"}), ran(real, "echo", {"text": "x"})]
    ids.append(ran(real, "chat", {"messages": [{"role": "user", "content": "hi"}]}))
    lines: list[Any] = [{"format": "lgserve.threads", "version": 1}]
    for thread_id in ids:
        thread, _, states = seen(server.url, thread_id)
        record = {"format": "langgraph.thread", "version": 1, "thread": thread, "states": states}
        lines.append(record)
    file = tmp_path / "t.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"end": True}]))
    result = real("threads", "import", str(file), "--url", empty.url, "-o", "json").json
    assert result["rebuilt"] == 3
    assert [loss.split(" lost ")[1] for loss in result["losses"]] == [
        "its open questions, asked again when it goes on"
    ]
    for thread_id in ids:
        old, new = (seen(url, thread_id) for url in (server.url, empty.url))
        assert new[1]["values"] == old[1]["values"]
        assert new[1]["next"] == old[1]["next"]
        assert new[0]["metadata"] == old[0]["metadata"]
        assert [s["values"] for s in new[2]][:2] == [s["values"] for s in old[2]][:2]
    answered = real("threads", "resume", ids[0], "--url", empty.url)
    assert answered.status == 0


class Danger:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("called"),)


def folder_of_the_reference(folder: Path) -> str:
    """Write a folder as `langgraph dev` does: one thread of `echo` with one checkpoint."""
    thread_id, checkpoint_id = str(uuid4()), "1f1e67fc-2b8d-68a1-bfff-29305891bd52"
    now, version = datetime.now(UTC), f"{1:032}.0.5"
    checkpoint = {
        "v": 4, "ts": now.isoformat(), "id": checkpoint_id, "versions_seen": {},
        "channel_versions": {"text": version, "gone": version}, "updated_channels": None,
    }  # fmt: skip
    metadata = {"source": "update", "step": 0, "parents": {}, "graph_id": "echo"}
    typed = [("msgpack", ormsgpack.packb(each)) for each in (checkpoint, metadata)]
    thread = {
        "thread_id": UUID(thread_id), "status": "idle", "metadata": {"graph_id": "echo"},
        "config": {}, "created_at": now, "updated_at": now, "state_updated_at": now,
        "values": {"text": "old"}, "interrupts": {}, "error": None,
    }  # fmt: skip
    blobs = {
        (thread_id, "", "text", version): ("msgpack", ormsgpack.packb("old")),
        (thread_id, "", "gone", version): ("empty", b""),
    }
    stored = {"": {checkpoint_id: (*typed, None)}}
    files = {
        ".langgraph_ops.pckl": {"threads": [thread], "runs": [Danger()]},
        ".langgraph_checkpoint.1.pckl": defaultdict(dict, {thread_id: stored}),
        ".langgraph_checkpoint.2.pckl": {},
        ".langgraph_checkpoint.3.pckl": blobs,
    }
    for name, value in files.items():
        (folder / name).write_bytes(pickle.dumps(value))
    return thread_id


def test_checkpoints_that_the_reference_has_not_written_yet_are_missed(
    real: Lgserve, tmp_path: Path
) -> None:
    thread_id = folder_of_the_reference(tmp_path)
    kept = [tmp_path / f".langgraph_checkpoint.{number}.pckl" for number in (1, 2, 3)]
    later = [(file, file.read_bytes()) for file in kept]
    for file in kept:
        file.unlink()
    arguments = ("threads", "import", str(tmp_path), "--trust-pickle", "-o", "json")
    for more in (("--dry-run",), ()):
        (lost,) = real(*arguments, *more).json["losses"]
        assert lost.startswith("1 threads have values and no checkpoints: ")
    for file, data in later:
        file.write_bytes(data)
    done = real(*arguments, "--on-conflict", "replace").json
    assert (done["replaced"], done["checkpoints"], done["losses"]) == (1, 1, [])
    real("threads", "delete", thread_id, "--yes", "-q")


def test_the_folder_of_the_reference_is_read_when_it_is_trusted(
    real: Lgserve, tmp_path: Path
) -> None:
    folder = tmp_path / ".langgraph_api"
    folder.mkdir()
    thread_id = folder_of_the_reference(folder)
    refused = real("threads", "import", str(folder), "-o", "json")
    assert (refused.status, refused.out) == (2, "")
    done = real("threads", "import", str(folder), "--trust-pickle", "-o", "json").json
    assert (done["imported"], done["checkpoints"]) == (1, 1)
    assert real("threads", "state", thread_id, "--raw").json == {"text": "old", "log": []}
    assert not Path("called").exists()


def test_a_hundred_threads_take_seconds(
    real: Lgserve, empty: ServerProcess, tmp_path: Path
) -> None:
    """The bar is a minute for a thousand."""
    thread_id = ran(real, "echo", {"text": "x"})
    for _ in range(99):
        real("threads", "copy", thread_id, "-q", "-o", "id")
    file = str(tmp_path / "t.jsonl.gz")
    began = time.monotonic()
    real("threads", "export", "--metadata", "from=here", "--graph", "echo", "-f", file)
    done = real(
        "threads", "import", file, "--url", empty.url, "--on-conflict", "skip", "-o", "json"
    )
    assert done.json["imported"] + done.json["skipped"] >= 100
    assert time.monotonic() - began < 20
