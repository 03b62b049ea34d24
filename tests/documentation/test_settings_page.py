"""docs/settings.md, the JSON Schema and langgraph.yaml.example say what the code does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import lgserve
from lgserve import auth_settings, checkpointer_config, http_config, store_config, webhook_settings
from lgserve.cli.commands import dev, serve
from lgserve.cli.config_blocks import AUTH, BLOCKS, WEBHOOKS
from lgserve.cli.config_schema import config_schema
from lgserve.settings import ServerFlags, Settings, load_settings, settings_table
from lgserve.settings_schema import SPECS
from tests.documentation.settings_page import PAGE, expected_page

EXAMPLE = (PAGE.parents[1] / "langgraph.yaml.example").read_text()
#: What a flag of a server says beside settings.
NO_SETTINGS = {"config", "env_files", "production"}


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == expected_page(), (
        "write it anew: python -m tests.documentation.settings_page"
    )


@pytest.mark.parametrize("doc", settings_table(), ids=lambda doc: doc.name)
def test_a_default_is_written_as_the_setting_takes_it(doc: Any) -> None:
    spec = next(spec for spec in SPECS if ".".join(spec.keys) == doc.name)
    if doc.default:
        assert spec.parse(doc.default) == spec.default
    else:
        assert spec.default in (None, "", ())


@pytest.mark.parametrize("module", [dev, serve])
def test_every_flag_is_an_option_and_tells_its_default(module: Any) -> None:
    options: dict[str, Any] = {
        flag: item
        for item in get_command(module.app).params
        for flag in ("/".join([*item.opts, *item.secondary_opts]), *item.opts)
    }
    for doc in settings_table():
        if doc.flag and not (module is serve and doc.name.startswith("reload")):
            told = re.search(r"\[(.+)\]$", options[doc.flag].help or "")
            assert told is None or told[1] in (doc.default, "on"), doc.flag


def test_every_flag_of_a_server_is_that_of_a_setting() -> None:
    flags = {item.name for item in fields(ServerFlags)} - NO_SETTINGS
    assert flags == {"_".join(spec.keys) for spec in SPECS if spec.flag}


def test_the_schema_has_the_keys_that_are_read() -> None:
    def keys(schema: Mapping[str, Any], *path: str) -> set[str]:
        for name in path:
            schema = schema["properties"][name]
        return set(schema["properties"])

    own = {*auth_settings._COMMON_KEYS, *(k for ks in auth_settings._KEYS.values() for k in ks)}
    assert keys(AUTH) == own
    assert keys(WEBHOOKS) == set(webhook_settings._OWN_KEYS)
    assert keys(BLOCKS["auth"]) == set(auth_settings._BLOCK_KEYS)
    assert keys(BLOCKS["webhooks"]) == set(webhook_settings._BLOCK_KEYS)
    assert keys(BLOCKS["webhooks"], "url") == set(webhook_settings._URL_KEYS)
    assert keys(BLOCKS["http"]) == set(http_config.SERVED_HTTP_KEYS)
    assert keys(BLOCKS["store"]) == set(store_config._KEYS)
    assert keys(BLOCKS["store"], "index") == set(store_config._INDEX_KEYS)
    assert keys(BLOCKS["store"], "ttl") == set(store_config._TTL_KEYS)
    assert keys(BLOCKS["checkpointer"]) == set(checkpointer_config._KEYS)
    assert keys(BLOCKS["checkpointer"], "ttl") == set(checkpointer_config._TTL_KEYS)


def leaves(schema: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the path and the default of each member that has one."""
    for name, member in schema.get("properties", {}).items():
        if member.get("default") not in (None, {}, []):
            yield (*above, name), member["default"]
        yield from leaves(member, (*above, name))


#: What else must be said for a key to be read at all.
BESIDE: dict[tuple[str, ...], dict[str, Any]] = {
    ("lgserve", "auth", "leeway"): {"type": "jwt", "secret": "a" * 40},
    ("lgserve", "auth", "owner_claim"): {"type": "jwt", "secret": "a" * 40},
    ("store", "index", "fields"): {"dims": 3, "embed": "./a.py:embed"},
    ("webhooks", "url", "max_url_length"): {"require_https": True},
}
#: `auth.unmatched` goes with the block auth.
BLOCK_BESIDE: dict[tuple[str, ...], dict[str, Any]] = {
    ("lgserve", "auth", "unmatched"): {"auth": {"path": "./auth.py:auth"}}
}
#: Having this key at all switches the rules of addresses on.
SWITCHES_ON = {("webhooks", "url", "require_https"), ("webhooks", "url", "disable_private_ips")}


def defaults() -> list[tuple[tuple[str, ...], Any]]:
    own = [*leaves(AUTH, ("lgserve", "auth")), *leaves(WEBHOOKS, ("lgserve", "webhooks"))]
    blocks = [leaf for name, block in BLOCKS.items() for leaf in leaves(block, (name,))]
    return [(path, default) for path, default in (*own, *blocks) if path not in SWITCHES_ON]


@pytest.mark.parametrize(
    ("path", "default"), [pytest.param(*each, id=".".join(each[0])) for each in defaults()]
)
def test_writing_a_default_of_the_schema_changes_nothing(
    tmp_path: Path, path: tuple[str, ...], default: Any
) -> None:
    def settled(said: dict[str, Any]) -> Settings:
        *above, name = path
        config: dict[str, Any] = {"graphs": {"a": "./a.py:g"}, **BLOCK_BESIDE.get(path, {})}
        block = config
        for key in above:
            block = block.setdefault(key, {})
        block.update(BESIDE.get(path, {}), **said)
        (tmp_path / "langgraph.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        found = load_settings(ServerFlags(), tmp_path)
        assert name in said or not said
        return replace(
            found, project=replace(found.project, blocks={}, lgserve={}, places={}), origins={}
        )

    (tmp_path / "a.py").write_text("")
    assert settled({path[-1]: default}) == settled({})


def test_rules_of_addresses_have_the_defaults_of_the_schema(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    config: dict[str, Any] = {"graphs": {"a": "./a.py:g"}, "webhooks": {"url": {}}}
    (tmp_path / "langgraph.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    policy = load_settings(ServerFlags(), tmp_path).webhooks.policy
    told = dict(leaves(BLOCKS["webhooks"], ()))
    assert policy.require_https is told["url", "require_https"]
    assert policy.allow_private is not told["url", "disable_private_ips"]


def test_every_variable_that_the_code_names_is_on_the_page() -> None:
    name = re.compile(r"(LGSERVE|LANGGRAPH|LANGSMITH|LANGCHAIN|OTEL|LG)_[A-Z_]+")
    found = {
        node.value
        for file in Path(lgserve.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and name.fullmatch(node.value)
    }
    assert len(found) > 10
    assert {each for each in found if each not in PAGE.read_text()} == set()


def members(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, member in schema.get("properties", {}).items():
        yield name
        yield from members(member)


def test_the_example_tells_of_every_key_of_the_schema() -> None:
    schema = config_schema()
    missing = {name for name in members(schema) if name.removeprefix("disable_") not in EXAMPLE}
    assert missing == set()


@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "priority"])
def test_a_block_of_the_example_may_be_uncommented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is taken as it stands; what it names is only loaded when a server starts."""
    monkeypatch.setenv("LG_WEBHOOK_TOKEN", "a-token")
    found = re.search(rf"^# {name}:.*\n(?:#  .*\n)*", EXAMPLE, re.MULTILINE)
    assert found is not None
    block = re.sub(r"^# ", "", found[0], flags=re.MULTILINE)
    (tmp_path / "a.py").write_text("")
    (tmp_path / "langgraph.yaml").write_text(f"graphs: {{a: './a.py:g'}}\n{block}")
    settings = load_settings(ServerFlags(), tmp_path)
    assert settings.project.warnings == ()
    assert set(settings.project.blocks[name]) <= set(BLOCKS[name]["properties"])
