"""docs/settings.md as the code has it; `python -m tests.documentation.settings_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lgserve.cli.config_blocks import AUTH, BLOCKS, WEBHOOKS
from lgserve.settings import HTTP_KEYS, settings_table

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

#: Variables of the whole program; those of one setting stand beside it.
VARIABLES = {
    "LGSERVE_CONFIG": "the config file, or its folder, where no `-c` names one",
    "LANGGRAPH_THREAD_TTL": "in place of `checkpointer.ttl`: minutes, or JSON with its members",
    "LANGGRAPH_AES_KEY": "encrypts what is stored: 16, 24 or 32 bytes",
    "LGSERVE_WEBHOOKS_SECRET": "signs webhooks; before `lgserve.webhooks.secret`",
    "LGSERVE_URL": "commands: the server to talk to",
    "LGSERVE_API_KEY": "commands: the key to send; then LANGGRAPH_API_KEY, LANGSMITH_API_KEY,"
    " LANGCHAIN_API_KEY",
    "LGSERVE_OUTPUT": "commands: what `-o` would say",
    "LGSERVE_DEBUG": "commands: show tracebacks, as `--debug`",
    "NO_COLOR": "no colour; CLICOLOR_FORCE and FORCE_COLOR ask for it",
    "CI": "nobody can be asked: what deletes needs `--yes`; so do AI_AGENT and CLAUDECODE",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "traces runs, as do all variables of OpenTelemetry's SDK:"
    " OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL,"
    " OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED, …",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true: traces hold contents too",
}

_HEAD = """# Settings

Written from the code by `python -m tests.documentation.settings_page`, and held to it by a test.

A setting is taken from the first of these that has it: the flag, the environment, the same
variables under `env` in the config, the key `lgserve` of the config, its block `http` (for those
that stand in both), the default. `lgserve config show --sources` tells what a project has and where
from; `lgserve config schema` writes the JSON Schema. Durations are seconds, or `250ms`, `30s`,
`5m`, `2h`, `7d`; sizes are bytes, or `100MB`. [langgraph.yaml.example](../langgraph.yaml.example)
has all of it with comments.
"""


def expected_page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            _HEAD,
            "## Under `lgserve:`\n",
            *_table(("setting", "default", "flag", "variable", "langgraph.json", "what it does")),
            *map(_row, setting_rows()),
            "\n## Keys of langgraph.json\n",
            "Beside `graphs`, `dependencies`, `env` and `extends`; times are minutes, as there."
            " Keys that only concern the\nbuilding of images are ignored.\n",
            *_table(("key", "default", "what it does")),
            *map(_row, block_rows()),
            "\n## Other variables\n",
            *_table(("variable", "what it does")),
            *(_row((f"`{name}`", about)) for name, about in VARIABLES.items()),
            "",
        ]
    )


def setting_rows() -> Iterator[tuple[str, ...]]:
    """Yield name, default, flag, variables, the reference's name, meaning of each setting."""
    for doc in settings_table():
        theirs = f"`http.{doc.name}`" if doc.name.partition(".")[0] in HTTP_KEYS else ""
        yield (
            f"`{doc.name}`",
            _code(doc.default),
            _code(doc.flag),
            " ".join(map(_code, doc.env)),
            theirs,
            doc.about,
        )
    for name, block in (("auth", AUTH), ("webhooks", WEBHOOKS)):
        for key, default, about in schema_rows(block, f"{name}."):
            yield key, default, "", "", "", about


def block_rows() -> Iterator[tuple[str, str, str]]:
    """Yield key, default and meaning of all that the blocks of langgraph.json may say."""
    for name, block in BLOCKS.items():
        yield f"`{name}`", "", f"**{block['description']}**"
        yield from schema_rows(block, f"{name}.")


def schema_rows(block: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    """Yield what a JSON Schema tells of each member, and of the members of those."""
    for name, schema in block.get("properties", {}).items():
        about = str(schema["description"])
        if "enum" in schema:
            about += f": {', '.join(schema['enum'])}"
        yield f"`{above}{name}`", _code(_shown(schema.get("default"))), about
        yield from schema_rows(schema, f"{above}{name}.")


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ", ".join(map(str, default))
    return str(default) if default not in (None, {}) else ""


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(names: tuple[str, ...]) -> list[str]:
    return [_row(names), "|" + "---|" * len(names)]


def _row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |".replace("  ", " ")


if __name__ == "__main__":
    PAGE.write_text(expected_page())
