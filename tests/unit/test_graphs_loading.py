"""Projects on disk, loaded as the server loads them."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from lgserve.core.errors import GraphLoadError, GraphNotFoundError
from lgserve.graphs.loader import GraphSource, prepend_to_sys_path
from lgserve.graphs.registry import GraphRegistry
from lgserve.graphs.tracebacks import UserFrame

BUILD = """
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.store.memory import InMemoryStore
from typing_extensions import TypedDict

class State(TypedDict, total=False):
    text: str

def builder(answer="done"):
    made = StateGraph(State)
    made.add_node("node", lambda state: {"text": answer})
    made.add_edge(START, "node")
    return made
"""
#: A whole module that exports `graph`.
GRAPH = BUILD + "\ngraph = builder(__name__).compile()\n"


class Project:
    """A folder of files, and the registry that loads graphs from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.registry = GraphRegistry()

    def write(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")

    def load(self, *paths: str, import_paths: list[Path] | None = None) -> GraphRegistry:
        """Load each path under its own text as the graph id."""
        sources = [GraphSource(graph_id=path, path=path) for path in paths]
        folders = [self.root] if import_paths is None else import_paths
        self.registry.load(sources, self.root, folders)
        return self.registry

    def load_broken(self, path: str) -> Any:
        return self.load(path).errors()[path]

    async def run(self, path: str) -> Any:
        """Return the text of the graph's answer, which is the name of its module."""
        async with open_graph(self.registry, path) as graph:
            return (await graph.ainvoke({}))["text"]


def open_graph(registry: GraphRegistry, graph_id: str, **config: Any) -> Any:
    return registry.open(graph_id, config, access_context="threads.create_run", store=None)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    path, modules = list(sys.path), dict(sys.modules)
    yield Project(tmp_path.resolve())
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path.resolve())) or name in ("agent", "plain"):
            del sys.modules[name]


async def test_a_plain_file_is_imported_under_its_own_name(project: Project) -> None:
    project.write("lonely.py", GRAPH)
    project.load("./lonely.py:graph")
    assert await project.run("./lonely.py:graph") == "lonely"
    assert sys.modules["lonely"].__file__ == str(project.root / "lonely.py")


async def test_a_file_in_a_package_can_import_its_neighbours(project: Project) -> None:
    project.write("agent/__init__.py")
    project.write("agent/inner/__init__.py")
    project.write("agent/building.py", BUILD)
    project.write(
        "agent/inner/main.py",
        """
        from ..building import builder
        graph = builder(__name__).compile()
        """,
    )
    project.load("./agent/inner/main.py:graph")
    assert await project.run("./agent/inner/main.py:graph") == "agent.inner.main"


async def test_a_package_below_src_needs_no_import_path_of_its_own(project: Project) -> None:
    project.write("src/agent/__init__.py")
    project.write("src/agent/building.py", BUILD)
    project.write(
        "src/agent/main.py",
        """
        from agent.building import builder
        graph = builder(__name__).compile()
        """,
    )
    project.load("./src/agent/main.py:graph", "agent.main:graph")
    assert await project.run("./src/agent/main.py:graph") == "agent.main"
    assert project.registry.errors() == {}


async def test_a_folder_without_init_works_as_a_namespace_package(project: Project) -> None:
    project.write("agents/building.py", BUILD)
    project.write("agents/one.py", "from .building import builder\ngraph = builder(__name__)\n")
    project.load("./agents/one.py:graph")
    assert await project.run("./agents/one.py:graph") == "agents.one"


async def test_the_deepest_import_path_names_the_module(project: Project) -> None:
    project.write("libs/one/tool.py", GRAPH)
    project.load("./libs/one/tool.py:graph", import_paths=[project.root, project.root / "libs/one"])
    assert await project.run("./libs/one/tool.py:graph") == "tool"


async def test_a_package_is_named_by_its_folder(project: Project) -> None:
    project.write("agent/__init__.py", GRAPH)
    project.load("./agent:graph", "./agent/__init__.py:graph")
    assert await project.run("./agent:graph") == "agent"
    assert await project.run("./agent/__init__.py:graph") == "agent"


async def test_a_file_outside_of_the_project_is_loaded_too(project: Project) -> None:
    project.write("elsewhere/plain.py", GRAPH)
    project.root = project.root / "here"
    project.load("../elsewhere/plain.py:graph")
    assert await project.run("../elsewhere/plain.py:graph") == "plain"


async def test_a_taken_file_name_gets_a_stable_name_of_its_own(project: Project) -> None:
    project.write("types.py", GRAPH)
    project.load("./types.py:graph")
    name = await project.run("./types.py:graph")
    assert name.startswith("_lgserve_types_")
    assert sys.modules[name].__file__ == str(project.root / "types.py")
    assert "graph" not in vars(sys.modules["types"])


async def test_a_package_with_a_taken_name_still_imports_relatively(project: Project) -> None:
    project.write("email/__init__.py")
    project.write("email/building.py", BUILD)
    for name in ("one", "two"):
        text = "from .building import State, builder\ngraph = builder(__name__).compile()\n"
        project.write(f"email/{name}.py", text)
    project.load("./email/one.py:graph", "./email/two.py:graph")
    one = await project.run("./email/one.py:graph")
    two = await project.run("./email/two.py:graph")
    assert one.startswith("_lgserve_email_")
    assert one.endswith(".one")
    assert sys.modules[one].State is sys.modules[two].State


def test_two_entries_of_one_file_import_it_once(project: Project) -> None:
    project.write("twice.py", GRAPH + "\nother = builder()\nprint('imported')\n")
    registry = project.load("./twice.py:graph", "./twice.py:other", "twice:graph")
    assert registry.errors() == {}
    assert [report.kind for report in project.registry.reports()] == ["graph", "graph", "graph"]


def test_a_broken_file_is_run_once_for_all_its_entries(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("twice.py", "print('run')\nraise ValueError('no')\n")
    registry = project.load("./twice.py:one", "./twice.py:two")
    assert capsys.readouterr().out == "run\n"
    assert {error.message for error in registry.errors().values()} == {"no"}


def test_type_hints_and_dataclasses_find_their_module(project: Project) -> None:
    project.write(
        "types.py",
        f"""
        from __future__ import annotations
        from dataclasses import dataclass, fields
        from typing import get_type_hints
        {BUILD.replace(chr(10), chr(10) + " " * 8)}
        @dataclass
        class Point:
            next: Point | None = None

        assert get_type_hints(Point)["next"] == Point | None
        graph = builder()
        """,
    )
    assert project.load("./types.py:graph").errors() == {}


async def test_a_module_may_call_asyncio_run_as_it_is_imported(project: Project) -> None:
    text = "\nimport asyncio\nasyncio.run(asyncio.sleep(0))\n"
    project.write("eager.py", GRAPH + text)
    loop = asyncio.get_running_loop()
    assert project.load("./eager.py:graph").errors() == {}
    assert asyncio.get_running_loop() is loop


def test_import_paths_come_first_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", ["/first", str(tmp_path), "/last"])
    prepend_to_sys_path([tmp_path, tmp_path / "src"])
    prepend_to_sys_path([tmp_path, tmp_path / "src"])
    assert sys.path == [str(tmp_path), str(tmp_path / "src"), "/first", "/last"]
    prepend_to_sys_path([Path("/last"), Path("/new")], only_if_missing=True)
    assert sys.path == ["/new", str(tmp_path), str(tmp_path / "src"), "/first", "/last"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("./main.py:grahp", "'./main.py' has no attribute 'grahp'; did you mean 'graph'?"),
        ("./main.py:xyz", "'./main.py' has no attribute 'xyz'; it has the graphs: graph"),
        ("main:xyz", "'main' has no attribute 'xyz'; it has the graphs: graph"),
        ("./main.py:number", "'./main.py:number' is neither a graph nor a graph factory but a int"),
        ("./mian.py:graph", "There is no file './mian.py'; did you mean 'main.py'? (seen from %s)"),
        ("./no/where.py:graph", "There is no file './no/where.py' (seen from %s)"),
        ("./app.ts:graph", "'./app.ts' is not a Python file; lgserve serves Python graphs only"),
    ],
)
def test_an_entry_that_leads_nowhere_says_what_is_there(
    project: Project, path: str, message: str
) -> None:
    project.write("main.py", GRAPH + "\nnumber = 5\n")
    project.write("app.ts")
    error = project.load_broken(path)
    assert error.message == message.replace("%s", str(project.root))
    assert error.summary == error.text == error.message


@pytest.mark.requirement("CONFIG-008")
async def test_one_broken_graph_does_not_stop_the_others(project: Project) -> None:
    project.write("good.py", GRAPH)
    project.write("bad.py", "import sys\nsys.exit(3)\n")
    registry = project.load("./bad.py:graph", "./good.py:graph")
    assert registry.ids() == ("./bad.py:graph", "./good.py:graph")
    assert list(registry.errors()) == ["./bad.py:graph"]
    assert [report.kind for report in project.registry.reports()] == ["broken", "graph"]
    assert await project.run("./good.py:graph") == "good"
    with pytest.raises(GraphLoadError) as raised:
        open_graph(registry, "./bad.py:graph")
    assert raised.value.message == (
        "Graph './bad.py:graph' cannot be loaded: "
        "SystemExit: the module ended the process: sys.exit(3) (bad.py, line 2)"
    )


def test_an_unknown_graph_is_refused_with_the_known_ones(project: Project) -> None:
    project.write("main.py", GRAPH)
    registry = project.load("./main.py:graph")
    for ask in (registry.description, registry.is_static):
        with pytest.raises(GraphNotFoundError) as raised:
            ask("nope")
        assert raised.value.message == (
            "Graph 'nope' not found. Expected one of: ['./main.py:graph']"
        )
    with pytest.raises(GraphNotFoundError):
        open_graph(registry, "nope")


def test_the_report_tells_what_was_found(project: Project) -> None:
    project.write(
        "main.py",
        GRAPH
        + "\nown = builder().compile(checkpointer=InMemorySaver(), store=InMemoryStore())"
        + "\ndef make():\n    return builder()\n",
    )
    sources = [
        GraphSource(graph_id="plain", path="./main.py:graph", description="what it does"),
        GraphSource(graph_id="own", path="./main.py:own"),
        GraphSource(graph_id="made", path="./main.py:make"),
    ]
    registry = project.registry
    registry.load(sources, project.root)
    facts = [(r.kind, r.own_checkpointer, r.own_store, r.error) for r in registry.reports()]
    assert facts == [
        ("graph", False, False, None),
        ("graph", True, True, None),
        ("factory", False, False, None),
    ]
    assert registry.description("plain") == "what it does"
    assert registry.description("own") is None
    assert all(report.seconds > 0 for report in registry.reports())
    assert registry.is_static("own")
    assert not registry.is_static("made")


async def test_a_static_graph_is_opened_without_any_work(project: Project) -> None:
    project.write("main.py", GRAPH)
    registry = project.load("./main.py:graph")
    first, second = (open_graph(registry, "./main.py:graph") for _ in range(2))
    assert first is second
    async with first as one, second as two:
        assert one is two


async def test_a_graph_is_named_after_its_id_unless_it_has_a_name(project: Project) -> None:
    project.write("main.py", GRAPH + "\nnamed = builder().compile(name='mine')\n")
    registry = GraphRegistry()
    sources = [GraphSource(graph_id=name, path="./main.py:graph") for name in ("one", "two")]
    registry.load([*sources, GraphSource(graph_id="x", path="./main.py:named")], project.root)
    names = []
    for graph_id in registry.ids():
        async with open_graph(registry, graph_id) as graph:
            names.append(graph.name)
    assert names == ["one", "two", "mine"]


async def test_the_server_can_attach_its_checkpointer(project: Project) -> None:
    project.write("main.py", GRAPH)
    registry = project.load("./main.py:graph")
    config: Any = {"configurable": {"thread_id": "1"}}
    async with open_graph(registry, "./main.py:graph") as graph:
        attached = graph.copy({"checkpointer": InMemorySaver()})
        await attached.ainvoke({}, config)
        assert (await attached.aget_state(config)).values == {"text": "main"}


def test_an_error_shows_the_users_own_lines(project: Project) -> None:
    project.write("tools/__init__.py")
    project.write("tools/numbers.py", "import json\n\ndef parse(x):\n    return json.loads(x)\n")
    project.write("main.py", "from tools.numbers import parse\n\ngraph = parse('{')\n")
    error = project.load_broken("./main.py:graph")
    assert error.exception == "JSONDecodeError"
    assert error.frames == (
        UserFrame(file="main.py", line=3, function="<module>", code="graph = parse('{')"),
        UserFrame(file="tools/numbers.py", line=4, function="parse", code="return json.loads(x)"),
    )
    assert error.text.splitlines() == [
        'File "main.py", line 3, in <module>',
        "    graph = parse('{')",
        'File "tools/numbers.py", line 4, in parse',
        "    return json.loads(x)",
        f"JSONDecodeError: {error.message}",
    ]
    assert error.summary == f"JSONDecodeError: {error.message} (tools/numbers.py, line 4)"
    assert "json/decoder.py" in error.full_text
    assert set(error.to_json()) == {"message", "exception", "frames", "text", "hint"}
    assert error.to_json()["frames"][0]["line"] == 3


def test_a_syntax_error_shows_the_wrong_place(project: Project) -> None:
    project.write("wrong.py", "def f():\n    x = (1 2)\n")
    project.write("main.py", "import wrong\n")
    error = project.load_broken("./main.py:graph")
    assert [(frame.file, frame.line) for frame in error.frames] == [("main.py", 1), ("wrong.py", 2)]
    assert error.text.splitlines()[2:5] == [
        'File "wrong.py", line 2, in <module>',
        "    x = (1 2)",
        "         ^",
    ]


def test_the_text_of_an_error_is_short(project: Project) -> None:
    text = "def down(n):\n    return down(n - 1) if n else 1 / 0\n\n"
    project.write("main.py", text + "graph = down(50)\n")
    project.write("long.py", "raise ValueError('\\n'.join(map(str, range(100))))\n")
    deep, long = (project.load_broken(path) for path in ("./main.py:graph", "./long.py:graph"))
    assert len(deep.text.splitlines()) == 11
    assert len(long.text.splitlines()) == 15
    assert long.text.endswith("\n...")
    assert long.summary == "ValueError: 0 (long.py, line 1)"


def test_an_error_raised_from_another_shows_the_users_part_of_the_cause(project: Project) -> None:
    project.write("main.py", GRAPH + "\nempty = StateGraph(State)\n")
    error = project.load_broken("./main.py:empty")
    assert error.exception == "ValueError"
    assert error.frames == ()
    assert error.summary == error.text.splitlines()[0]


def test_a_missing_module_comes_with_the_command_that_installs_it(project: Project) -> None:
    project.write("main.py", "import lgserve_no_such_module.inner\n")
    error = project.load_broken("./main.py:graph")
    assert error.hint == (
        f"Try: pip install lgserve-no-such-module (the server runs in {sys.prefix})"
    )
    project.write("uv.lock")
    project.write("other.py", "import pydantic.no_such_part\n")
    assert project.load_broken("./other.py:graph").hint == (
        "The installed pydantic has no 'pydantic.no_such_part'. Try: uv add pydantic"
    )


def test_a_missing_module_of_the_project_is_not_to_be_installed(project: Project) -> None:
    project.write("sub/sibling.py")
    project.write("sub/main.py", "import sibling\n")
    project.write("agent/__init__.py")
    project.write("near.py", "import agent.nope\n")
    assert project.load_broken("./sub/main.py:graph").hint == (
        "'sibling' is in ./sub: add it to \"dependencies\" in the config"
    )
    assert project.load_broken("./near.py:graph").hint is None


def test_a_relative_import_outside_of_a_package_is_explained(project: Project) -> None:
    project.write("types.py", "from .other import x\n")
    hint = project.load_broken("./types.py:graph").hint
    assert hint == "Add an empty __init__.py to the file's folder, which makes it a package"
