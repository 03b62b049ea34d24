"""Where a setting comes from, and what it may be."""

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgserve import setting_values as values
from lgserve.core.errors import ConfigurationError
from lgserve.settings import (
    Cors,
    ServerFlags,
    Settings,
    export_environment,
    load_settings,
    settings_table,
)

Load = Callable[..., Settings]
MINIMAL = "graphs: {agent: some.module:graph}\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the settings of a project whose config says the text; flags by keyword."""
    monkeypatch.chdir(tmp_path)

    def load(config: str = "", **flags: object) -> Settings:
        (tmp_path / "langgraph.yaml").write_text(MINIMAL + config)
        return load_settings(ServerFlags(**flags))  # type: ignore[arg-type]

    return load


def test_the_defaults_are_those_of_the_documentation(load: Load, tmp_path: Path) -> None:
    settings = load()
    assert settings == Settings(project=settings.project, data=tmp_path / ".lgserve")
    assert (settings.host, settings.port, settings.n_jobs_per_worker) == ("127.0.0.1", 2024, 64)
    assert (settings.run_timeout_seconds, settings.lease_seconds) == (86_400, 30)
    assert settings.cors.allow_origins == ("*",)
    assert settings.database == tmp_path / ".lgserve" / "lgserve.db"
    assert settings.origins == {}


def test_a_flag_goes_before_the_environment_before_the_config(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = "lgserve: {port: 1, host: config.example, log_level: error}\n"
    monkeypatch.setenv("LGSERVE_PORT", "2")
    monkeypatch.setenv("LGSERVE_HOST", "environment.example")

    settings = load(config, port=3)

    assert (settings.port, settings.host, settings.log_level) == (3, "environment.example", "error")
    assert settings.origins == {
        "port": "--port",
        "host": "LGSERVE_HOST",
        "log_level": "langgraph.yaml, line 2: lgserve.log_level",
    }


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("PORT", "port", 7),
        ("N_JOBS_PER_WORKER", "n_jobs_per_worker", 7),
        ("BG_JOB_TIMEOUT_SECS", "run_timeout_seconds", 7.0),
        ("RESUMABLE_STREAM_TTL_SECONDS", "resumable_ttl_seconds", 7.0),
    ],
)
def test_langgraphs_own_names_are_honoured_after_ours(
    load: Load, monkeypatch: pytest.MonkeyPatch, name: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(name, "7")
    assert getattr(load(), field) == expected
    monkeypatch.setenv(f"LGSERVE_{field.upper()}", "8")
    assert getattr(load(), field) == 8


def test_the_projects_env_may_hold_settings_but_not_the_port_of_another_app(load: Load) -> None:
    settings = load("env: {N_JOBS_PER_WORKER: 5, PORT: 80, LGSERVE_HOST: '::1'}\n")
    assert (settings.n_jobs_per_worker, settings.port, settings.host) == (5, 2024, "::1")
    assert settings.origins["host"] == "LGSERVE_HOST (in the project's env)"


def test_an_empty_value_says_nothing(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGSERVE_PORT", "")
    assert load("lgserve:\n  port:\n  host: ~\n").origins == {}


def test_nested_settings_have_nested_names(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGSERVE_CORS_MAX_AGE", "60")
    settings = load(
        "lgserve:\n  cors: {allow_origins: [https://a.example], allow_credentials: yes}\n"
    )
    assert settings.cors.allow_origins == ("https://a.example",)
    assert (settings.cors.allow_credentials, settings.cors.max_age) == (True, 60)
    assert load(cors_allow_origins=("https://b.example",)).cors.allow_origins == (
        "https://b.example",
    )


def test_the_http_block_gives_cors_and_the_mount_prefix(load: Load) -> None:
    http = "http: {mount_prefix: /api, cors: {max_age: 1, allow_origins: [https://a.example]}}\n"
    settings = load(http + "lgserve: {cors: {max_age: 2}}\n")
    assert settings.mount_prefix == "/api"
    assert (settings.cors.max_age, settings.cors.allow_origins) == (2, ("https://a.example",))


def test_relative_folders_start_where_they_were_written(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    load("lgserve: {data: state, reload_dirs: [src]}\n")
    monkeypatch.chdir(tmp_path / "inside")

    from_config = load_settings(ServerFlags())
    from_flag = load_settings(ServerFlags(data="state", reload_dirs=(Path("src"),)))

    assert from_config.data == tmp_path / "state"
    assert from_config.reload_dirs == (tmp_path / "src",)
    assert from_flag.data == tmp_path / "inside" / "state"
    assert from_flag.reload_dirs == (tmp_path / "inside" / "src",)


def test_data_may_stay_in_memory(load: Load) -> None:
    settings = load("lgserve: {data: elsewhere}\n", data=":memory:")
    assert (settings.data, settings.database) == (None, None)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "lgserve: {prot: 1}",
            'langgraph.yaml, line 2: lgserve.prot: unknown key, did you mean "port"?',
        ),
        (
            "lgserve: {cors: {zzz: 1}}",
            "langgraph.yaml, line 2: lgserve.cors.zzz: unknown key; valid keys are "
            "allow_credentials, allow_headers, allow_methods, allow_origin_regex, allow_origins, "
            "expose_headers, max_age",
        ),
        ("lgserve: {cors: 5}", "langgraph.yaml, line 2: lgserve.cors must be a mapping"),
        ("lgserve: 5", "langgraph.yaml, line 2: lgserve must be a mapping of keys to values"),
        (
            "lgserve:\n  port: 99999",
            "langgraph.yaml, line 3: lgserve.port must be a whole number from 0 to 65535, "
            "not 99999",
        ),
        (
            "lgserve: {run_timeout_seconds: soon}",
            "langgraph.yaml, line 2: lgserve.run_timeout_seconds must be a number of seconds above "
            "zero, or a duration such as 30s, 5m or 2h, not 'soon'",
        ),
        (
            "env: {LGSERVE_FRESH: maybe}",
            "LGSERVE_FRESH (in the project's env) must be true or false, not 'maybe'",
        ),
    ],
)
def test_a_wrong_setting_of_the_config_names_its_line_and_key(
    load: Load, config: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(config)
    assert caught.value.message == expected


def test_a_wrong_flag_or_variable_is_named(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as flag:
        load(log_format="xml")
    assert flag.value.message == "--log-format must be one of auto, pretty, json, not 'xml'"
    monkeypatch.setenv("N_JOBS_PER_WORKER", "many")
    with pytest.raises(ConfigurationError) as variable:
        load()
    assert variable.value.message == (
        "N_JOBS_PER_WORKER must be a whole number from 1 to 10000, not 'many'"
    )


def test_env_files_of_the_command_line_add_to_the_projects_env(load: Load, tmp_path: Path) -> None:
    (tmp_path / "more.env").write_text("B=file\nC=file\n")
    settings = load("env: {A: config, B: config}\n", env_files=(Path("more.env"),))
    assert settings.project.env == {"A": "config", "B": "file", "C": "file"}
    assert settings.project.files == (tmp_path / "langgraph.yaml", tmp_path / "more.env")
    with pytest.raises(ConfigurationError, match=r"--env-file: the file gone\.env does not exist"):
        load(env_files=(Path("gone.env"),))


def test_the_projects_env_wins_over_the_environment_of_graphs(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_TEST_KEY", "shell")
    export_environment(load("env: {LGSERVE_TEST_KEY: config}\n").project)
    assert os.environ["LGSERVE_TEST_KEY"] == "config"


def test_the_config_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.yaml").write_text(MINIMAL)
    monkeypatch.setenv("LGSERVE_CONFIG", "other.yaml")
    settings = load_settings(ServerFlags(), tmp_path)
    assert settings.project.path == tmp_path / "other.yaml"
    assert settings.data == tmp_path / ".lgserve"


def test_settings_survive_the_way_to_another_process(load: Load) -> None:
    settings = load("lgserve: {port: 3000}\nenv: {A: b}\n", host="::1")
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_every_setting_is_in_the_example_with_its_default() -> None:
    lines = (Path(__file__).parents[2] / "langgraph.yaml.example").read_text().splitlines()
    written = {line.strip(" #").partition(":")[0] for line in lines}
    keys = {row.name.rpartition(".")[2] for row in settings_table()}
    assert keys - written == set()


def test_the_example_may_be_uncommented(tmp_path: Path) -> None:
    """Uncommented, its settings are valid, and the defaults where there are any."""
    text = (Path(__file__).parents[2] / "langgraph.yaml.example").read_text()
    head, _, block = text.partition("\nlgserve:\n")
    plain = [line.replace("# ", "", 1) for line in block.splitlines() if _is_setting(line)]
    (tmp_path / "langgraph.yaml").write_text(f"{head}\nlgserve:\n" + "\n".join(plain))

    settings = load_settings(ServerFlags(), tmp_path)

    assert set(settings.origins) == {row.name for row in settings_table()}
    defaults = Settings(project=settings.project, data=tmp_path / ".lgserve")
    examples = {"a2a_assistant", "public_url", "mount_prefix", "cors", "origins"}
    for name in Settings.__slots__:
        assert name in examples or getattr(settings, name) == getattr(defaults, name)
    assert replace(settings.cors, allow_origin_regex=None) == Cors()


def _is_setting(line: str) -> bool:
    key, colon, _ = line.removeprefix("  # ").strip().partition(":")
    return bool(colon) and key.isidentifier() and line.startswith("  # ")


def test_the_table_names_each_setting_once() -> None:
    rows = settings_table()
    assert len({row.name for row in rows}) == len(rows)
    port = next(row for row in rows if row.name == "port")
    assert port == ("port", "2024", ("LGSERVE_PORT", "PORT"), "--port", port.about)
    assert all(row.about and row.env[0].startswith("LGSERVE_") for row in rows)


@pytest.mark.parametrize(
    ("parse", "given", "expected"),
    [
        (values.seconds, 5, 5.0),
        (values.seconds, "1.5", 1.5),
        (values.seconds, "250ms", 0.25),
        (values.seconds, " 5 M ", 300.0),
        (values.seconds, "2h", 7200.0),
        (values.seconds, "7d", 604_800.0),
        (values.seconds_or_zero, "0", 0.0),
        (values.seconds_or_zero, "5s", 5.0),
        (values.size, 10, 10),
        (values.size, "1.5kb", 1536),
        (values.size, "100MB", 104_857_600),
        (values.size, "2GiB", 2_147_483_648),
        (values.switch, "Yes", True),
        (values.switch, 0, False),
        (values.choice("off", "all"), False, "off"),
        (values.choice("off", "all"), "ALL", "all"),
        (values.texts, "a, b,,", ("a", "b")),
        (values.texts, [" a "], ("a",)),
        (values.text, " a ", "a"),
        (values.whole(0, 9), " 7 ", 7),
        (values.url, "https://a.example/x/", "https://a.example/x"),
        (values.mount_prefix, "/", ""),
        (values.mount_prefix, "/api/v1", "/api/v1"),
        (values.data_folder, ":memory:", None),
        (values.data_folder, "~", Path.home()),
        (values.pattern, "a.*", "a.*"),
    ],
)
def test_a_value_may_be_written_in_many_ways(
    parse: values.Parser, given: object, expected: object
) -> None:
    assert parse(given) == expected


@pytest.mark.parametrize(
    ("parse", "given"),
    [
        (values.seconds, 0),
        (values.seconds, -1),
        (values.seconds, "1e999"),
        (values.seconds, float("nan")),
        (values.seconds, float("inf")),
        (values.seconds, True),
        (values.seconds, "5 weeks"),
        (values.seconds_or_zero, -1),
        (values.size, "0"),
        (values.size, []),
        (values.switch, "perhaps"),
        (values.switch, 1.0),
        (values.choice("off", "all"), True),
        (values.texts, 5),
        (values.texts, [5]),
        (values.text, "  "),
        (values.text, 5),
        (values.whole(0), "1.5"),
        (values.whole(0), True),
        (values.whole(0), -1),
        (values.url, "ftp://a.example"),
        (values.url, "https://"),
        (values.mount_prefix, "api"),
        (values.mount_prefix, "/api/"),
        (values.mount_prefix, 5),
        (values.data_folder, ""),
        (values.data_folder, "~no-such-user-here/x"),
        (values.folders, 5),
        (values.pattern, "("),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_what_it_must_be(
    parse: values.Parser, given: object
) -> None:
    with pytest.raises(ValueError, match=r"^must be "):
        parse(given)
