"""Finding, reading and checking langgraph.yaml and langgraph.json."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgserve.config_document import read_document
from lgserve.core.errors import ConfigurationError
from lgserve.graph_paths import GraphSpec
from lgserve.project_config import IGNORED_KEYS, SERVED_KEYS, find_config, load_project

Project = Callable[..., Path]
MINIMAL = "graphs:\n  agent: ./agent.py:graph\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Write a config (and an agent.py) into a folder, which becomes the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.py").touch()

    def write(text: str, name: str = "langgraph.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def problem(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_project(path)
    return caught.value.message


def test_a_plain_langgraph_json_loads_unchanged(project: Project, tmp_path: Path) -> None:
    (tmp_path / "my_agent").mkdir()
    (tmp_path / "my_agent" / "graph.py").touch()
    written = {
        "$schema": "https://langgra.ph/schema.json",
        "python_version": "3.12",
        "dockerfile_lines": ["RUN true"],
        "dependencies": [".", "./my_agent", "langchain-openai>=1"],
        "graphs": {
            "agent": "./my_agent/graph.py:make_graph",
            "chat": {"path": "agent.py:graph", "description": "Talks 😀", "tags": ["x"]},
        },
        "env": {"LANGSMITH_TRACING": "false", "SIZE": 5, "RATIO": 1.10, "ON": True},
        "store": None,
        "http": {"cors": {"allow_origins": ["*"]}},
    }

    config = load_project(project(json.dumps(written, indent="\t"), "langgraph.json"), "here")

    assert config.graphs == {
        "agent": GraphSpec(
            graph_id="agent",
            path="./my_agent/graph.py:make_graph",
            attribute="make_graph",
            file=tmp_path / "my_agent" / "graph.py",
            line=13,
        ),
        "chat": GraphSpec(
            graph_id="chat",
            path="agent.py:graph",
            attribute="graph",
            file=tmp_path / "agent.py",
            description="Talks 😀",
            line=14,
        ),
    }
    assert config.env == {"LANGSMITH_TRACING": "false", "SIZE": "5", "RATIO": "1.1", "ON": "true"}
    assert config.blocks == {"http": {"cors": {"allow_origins": ["*"]}}}
    assert config.ignored_keys == ("python_version", "dockerfile_lines")
    assert config.import_paths == (tmp_path, tmp_path / "my_agent")
    assert (config.root, config.found_how, config.warnings) == (tmp_path, "here", ())


def test_every_image_key_is_accepted_and_reported(project: Project) -> None:
    path = project(MINIMAL + "".join(f"{key}: null\n" for key in IGNORED_KEYS))
    assert load_project(path).ignored_keys == IGNORED_KEYS


def test_a_graph_may_be_named_by_module(project: Project) -> None:
    config = load_project(project("graphs: {agent: my_package.agent:graph}"))
    spec = config.graphs["agent"]
    assert (spec.module, spec.file, spec.attribute) == ("my_package.agent", None, "graph")


def test_a_config_survives_the_way_to_another_process(project: Project) -> None:
    config = load_project(project(MINIMAL + "lgserve: {port: 3000}\n"))
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'langgraph.yaml: no graphs are named under the key "graphs"'),
        (
            "env: {}\ngraphs:\n",
            'langgraph.yaml, line 2: graphs: no graphs are named under the key "graphs"',
        ),
        ("graphs: [agent]", "langgraph.yaml, line 1: graphs must be a mapping of keys to values"),
        (
            "grafs:\n  agent: ./agent.py:graph\n",
            'langgraph.yaml, line 1: unknown key "grafs", did you mean "graphs"?',
        ),
        (
            MINIMAL + "pythonversion: '3.12'\n",
            'langgraph.yaml, line 3: unknown key "pythonversion", did you mean "python_version"?',
        ),
        (
            MINIMAL + "zzz: 1\n",
            'langgraph.yaml, line 3: unknown key "zzz"; valid keys are auth, checkpointer, '
            "dependencies, encryption, env, extends, graphs, http, lgserve, priority, store, ui, "
            "webhooks",
        ),
        (
            "graphs:\n  agent: ./agent.py\n",
            'langgraph.yaml, line 2: graphs.agent: "./agent.py" names no object; '
            'write "./agent.py:graph"',
        ),
        (
            "graphs:\n  agent: [./agent.py:graph]\n",
            'langgraph.yaml, line 2: graphs.agent must be "path:object", '
            "or a mapping with path and description",
        ),
        (
            "graphs:\n  agent: './agent.py:'\n",
            'langgraph.yaml, line 2: graphs.agent: "./agent.py:" names no object; '
            'write "./agent.py:graph"',
        ),
        (
            "graphs:\n  agent: {path: ./agent.py:graph, descripton: x}\n",
            "langgraph.yaml, line 2: graphs.agent.descripton: unknown key, "
            'did you mean "description"?',
        ),
        (
            "graphs:\n  agent: ./report.py:graph\n",
            'langgraph.yaml, line 2: graphs.agent: the file "./report.py" does not exist, '
            "did you mean ./src/report.py?",
        ),
        (
            "graphs:\n  agent: ./agnt.py:graph\n",
            'langgraph.yaml, line 2: graphs.agent: the file "./agnt.py" does not exist, '
            "did you mean ./agent.py?",
        ),
        (
            "graphs:\n  agent: ./src:graph\n",
            'langgraph.yaml, line 2: graphs.agent: "./src" is a folder; name a Python file in it',
        ),
        (
            "graphs:\n  agent: ./agent.ts:graph\n",
            'langgraph.yaml, line 2: graphs.agent: "./agent.ts" is JavaScript; '
            "lgserve runs Python graphs",
        ),
        (
            "graphs:\n  agent: my-package.agent:graph\n",
            'langgraph.yaml, line 2: graphs.agent: "my-package.agent" is neither a module '
            "(package.module) nor a file (./agent.py)",
        ),
        (
            MINIMAL + "env: [A]\n",
            "langgraph.yaml, line 3: env must name an env file, or be a mapping of names to texts",
        ),
        (
            MINIMAL + "env:\n  A: {b: c}\n",
            "langgraph.yaml, line 4: env.A must be text, a number, true or false",
        ),
        (
            MINIMAL + "dependencies: .\n",
            "langgraph.yaml, line 3: dependencies must be a list of texts",
        ),
        (
            MINIMAL + "http: yes\n",
            "langgraph.yaml, line 3: http must be a mapping of keys to values",
        ),
        (
            "graphs:\n  agent: ./agent.py:graph\n  agent: ./agent.py:other\n",
            'langgraph.yaml, line 3: the key "agent" is already on line 2',
        ),
        (
            "graphs:\n  1: ./agent.py:graph\n",
            "langgraph.yaml, line 2: the key 1 is not text; put it in quotes",
        ),
        (
            "graphs:\n  agent: [./agent.py:graph\n",
            "langgraph.yaml, line 3, column 1: not valid YAML: "
            "expected ',' or ']', but got '<stream end>'",
        ),
        ("- graphs", "langgraph.yaml: the file must hold a mapping of keys to values"),
        (
            MINIMAL + "x-tag: !!python/object:os.system {}\n",
            "langgraph.yaml, line 3, column 8: not valid YAML: could not determine a constructor "
            "for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        (
            MINIMAL + "extends: ./base.json\n",
            'langgraph.yaml, line 3: extends: the file "./base.json" does not exist',
        ),
        (
            MINIMAL + "extends: ../langgraph.json\n",
            'langgraph.yaml, line 3: extends: "../langgraph.json" must lie in the same folder '
            "as this file",
        ),
    ],
)
def test_a_wrong_config_is_one_sentence_with_file_line_and_key(
    project: Project, tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "report.py").touch()
    assert problem(project(text)) == expected


def test_broken_json_is_called_json(project: Project) -> None:
    path = project('{\n  "graphs": {"agent": "./agent.py:graph"\n', "langgraph.json")
    assert problem(path).startswith("langgraph.json, line 3, column 1: not valid JSON: ")


def test_a_file_that_is_not_text_is_an_error(project: Project, tmp_path: Path) -> None:
    path = project("")
    path.write_bytes(b"graphs: \xff\xfe")
    assert problem(path) == "langgraph.yaml is not UTF-8 text: byte 8"
    path.write_bytes(b"graphs: \x00")
    assert problem(path).startswith("langgraph.yaml: not valid YAML: ")


def test_a_path_outside_the_current_folder_is_shown_in_full(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project("graphs: 5")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert problem(path) == f"{path}, line 1: graphs must be a mapping of keys to values"


def test_relative_paths_start_at_the_config(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(MINIMAL + "dependencies: [./lib]\nenv: vars.env\n")
    (tmp_path / "lib" / "src").mkdir(parents=True)
    (tmp_path / "vars.env").write_text('A="one"\nB=${A}-two\nC\n')
    monkeypatch.chdir("/")

    config = load_project(path)

    assert config.graphs["agent"].file == tmp_path / "agent.py"
    assert config.import_paths == (tmp_path, tmp_path / "lib", tmp_path / "lib" / "src")
    assert config.env == {"A": "one", "B": "one-two"}
    assert config.files == (path, tmp_path / "vars.env")


def test_without_dependencies_the_folder_and_its_src_are_imported_from(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    assert load_project(project(MINIMAL)).import_paths == (tmp_path, tmp_path / "src")


def test_what_is_missing_but_not_needed_is_a_warning(project: Project) -> None:
    config = load_project(project(MINIMAL + "dependencies: [., ./gone, requests]\nenv: .env\n"))
    assert config.env == {}
    assert config.warnings == (
        "langgraph.yaml, line 4: env: the file .env does not exist",
        'langgraph.yaml, line 3: dependencies: the folder "./gone" does not exist',
    )


def test_a_block_that_is_not_acted_upon_is_a_warning(project: Project) -> None:
    config = load_project(
        project(MINIMAL + "checkpointer: {uri: mongodb://x}\nhttp: {application: ./a.py:c}\n")
    )
    assert config.warnings == (
        "langgraph.yaml, line 3: checkpointer.uri has no effect in this version of lgserve",
        "langgraph.yaml, line 4: http.application has no effect in this version of lgserve",
    )


def test_yaml_extends_json_key_by_key(project: Project, tmp_path: Path) -> None:
    project(
        json.dumps({"graphs": {"agent": "./agent.py:graph"}, "env": {"A": "json", "B": "json"}}),
        "langgraph.json",
    )
    path = project(
        "extends: ./langgraph.json\n"
        "graphs: {other: './agent.py:other'}\n"
        "env: {B: yaml}\n"
        "lgserve: {port: 3000}\n"
    )

    config = load_project(path)

    assert list(config.graphs) == ["agent", "other"]
    assert config.env == {"A": "json", "B": "yaml"}
    assert config.files == (path, tmp_path / "langgraph.json")
    assert config.where("graphs", "agent") == "langgraph.json, line 1: graphs.agent"
    assert config.where("lgserve", "port") == "langgraph.yaml, line 4: lgserve.port"


def test_an_extended_file_does_not_extend(project: Project) -> None:
    project("extends: ./langgraph.yaml", "base.yaml")
    path = project("extends: ./base.yaml")
    assert problem(path) == "base.yaml, line 1: extends: a file that is extended cannot extend"


def test_anchors_and_merges_work_and_cycles_end(project: Project) -> None:
    path = project("x-env: &env {A: one}\nenv: {<<: *env, B: two}\n" + MINIMAL)
    assert load_project(path).env == {"A": "one", "B": "two"}
    load_project(project(MINIMAL + "x-loop: &loop\n  again: *loop\n"))


def test_scalars_mean_in_yaml_what_they_mean_in_json(project: Project) -> None:
    path = project(
        "a: on\nb: 012\nc: 1e3\nd: 2026-11-22\ne: ~\nf: 12:30\ng: -1.5\nh: true\ni: no\n"
    )
    assert dict(read_document(path).data) == {
        "a": "on", "b": "012", "c": 1000.0, "d": "2026-11-22", "e": None, "f": "12:30",
        "g": -1.5, "h": True, "i": "no",
    }  # fmt: skip


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), children, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(_JSON, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_what_json_can_say_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    data: object,
    indent: int | str | None,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    text = json.dumps({"x-any": data}, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8")
    assert read_document(path).data == {"x-any": data}


def test_the_config_is_the_named_one_then_the_environments_then_the_nearest(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml", "langgraph.json"):
        (tmp_path / name).touch()
    start = tmp_path / "deep" / "er"
    start.mkdir(parents=True)

    named = find_config(start, tmp_path / "a.yaml", str(tmp_path / "b.yaml"))
    from_environment = find_config(start, None, str(tmp_path / "b.yaml"))
    above = find_config(start)
    here = find_config(tmp_path)

    assert (named.path, named.how) == (tmp_path / "a.yaml", "named by -c")
    assert (from_environment.path.name, from_environment.how) == (
        "b.yaml",
        "named by LGSERVE_CONFIG",
    )
    assert (above.path, above.how) == (tmp_path / "langgraph.json", "found in a parent folder")
    assert (here.path, here.how) == (tmp_path / "langgraph.json", "found in the current folder")


def test_yaml_goes_before_json_in_one_folder_and_says_so(tmp_path: Path) -> None:
    for name in ("langgraph.yml", "langgraph.json"):
        (tmp_path / name).touch()
    found = find_config(tmp_path)
    assert found.path.name == "langgraph.yml"
    assert found.how == "found in the current folder; langgraph.json ignored"
    assert find_config(tmp_path / "..", tmp_path).path == found.path


def test_the_search_ends_with_the_repository(tmp_path: Path) -> None:
    (tmp_path / "langgraph.json").touch()
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    with pytest.raises(ConfigurationError) as caught:
        find_config(repository)
    assert caught.value.message == (
        f"no langgraph.yaml, langgraph.yml or langgraph.json in {repository} or above it"
    )
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gone.yaml", "the config file {0}/gone.yaml does not exist (named by -c)"),
        (
            "empty",
            "no langgraph.yaml or langgraph.yml or langgraph.json in {0}/empty (named by -c)",
        ),
    ],
)
def test_a_named_config_that_is_not_there_is_an_error(
    tmp_path: Path, name: str, expected: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        find_config(Path("/"), tmp_path / name)
    assert caught.value.message == expected.format(tmp_path)


def test_the_example_loads_from_its_own_folder() -> None:
    config = load_project(Path(__file__).parents[2] / "langgraph.yaml.example")
    assert {name: spec.module for name, spec in config.graphs.items()} == {
        "agent": "lgserve.templates.demo.agent",
        "counter": "lgserve.templates.demo.counter",
    }
    assert config.warnings == ()


def test_the_example_explains_every_key() -> None:
    text = (Path(__file__).parents[2] / "langgraph.yaml.example").read_text()
    assert [key for key in (*SERVED_KEYS, *IGNORED_KEYS) if key not in text] == []
