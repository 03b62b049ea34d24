"""Promises and tests belong together: none without the other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.requirements import REQUIREMENTS

_TESTS = Path(__file__).parents[1]
_MARKER = "pytest.mark.requirement"
#: `core 9.15, platform 0`: sections of the descriptions of the reference.
_SOURCE = re.compile(r"(core|platform) \d+(\.\d+)?(, ((core|platform) )?\d+(\.\d+)?)*")


def _marks() -> Iterator[tuple[str, str]]:
    """Yield each id that a test carries, and the test."""
    for file in sorted(_TESTS.glob("*/**/test_*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for mark in node.decorator_list:
                    for found in _ids(mark):
                        yield found, f"{file.relative_to(_TESTS)}::{node.name}"


def _ids(mark: ast.expr) -> list[str]:
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != _MARKER:
        return []
    return [str(ast.literal_eval(argument)) for argument in mark.args]


def test_every_promise_is_proved_by_a_test() -> None:
    proved = {found for found, _ in _marks()}

    assert [each for each in REQUIREMENTS if each not in proved] == []


def test_every_test_that_proves_something_proves_a_promise() -> None:
    assert [(found, test) for found, test in _marks() if found not in REQUIREMENTS] == []


def test_only_tests_prove() -> None:
    assert [test for _, test in _marks() if not test.rpartition("::")[2].startswith("test_")] == []


def test_every_promise_is_a_sentence_with_a_source() -> None:
    for name, requirement in REQUIREMENTS.items():
        assert re.fullmatch(r"[A-Z]+-\d{3}", name)
        assert _SOURCE.fullmatch(requirement.source), name
        assert re.fullmatch(r"[A-Z`].+\.", requirement.promise), name


def test_promises_are_numbered_without_gaps() -> None:
    areas: dict[str, list[int]] = {}
    for name in REQUIREMENTS:
        area, _, number = name.partition("-")
        areas.setdefault(area, []).append(int(number))

    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in areas.values())


def test_every_section_in_scope_has_promises() -> None:
    named = {section for each in REQUIREMENTS.values() for section in _sections(each.source)}

    wanted = {
        *(f"core {number}" for number in (*range(7), 9)),
        *(
            f"core 9.{number}" for number in range(1, 23)
        ),  # each fault of the reference, done better
        *(f"platform {number}" for number in (0, 3, 7, 8, 9)),
    }
    whole = {section.partition(".")[0] for section in named}
    assert wanted - named - whole == set()


def _sections(source: str) -> Iterator[str]:
    """Yield `core 5.2` and `core 9.5` for `core 5.2, 9.5`."""
    book = ""
    for part in source.split(", "):
        book = part.partition(" ")[0] if " " in part else book
        yield f"{book} {part.rpartition(' ')[2]}"
