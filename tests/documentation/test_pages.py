"""README.md and docs/: their command lines are understood, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.examples import DOCS, Example, examples, leaf_of

PAGES = (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")))
LINES = [
    pytest.param(example, id=f"{page.name}: {example.line[:60]}")
    for page in PAGES
    for example in examples(page.read_text())
]


@pytest.mark.parametrize("example", LINES)
def test_a_line_of_lgserve_is_understood(example: Example) -> None:
    path, command, arguments = leaf_of(example.words)
    command.make_context(" ".join(path), arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_names_every_measure_that_there_is() -> None:
    """Each figure beside others has a command: a section of the harness, or one of bars.py."""
    readme = (DOCS.parent / "README.md").read_text()
    tests = DOCS.parent / "tests" / "benchmarks"
    harness, bars = (tests / "bench" / "bench.py").read_text(), (tests / "bars.py").read_text()
    table = readme.partition("| measured by |")[2].partition("## ")[0]
    rows = [row.split("|")[-2] for row in table.splitlines() if row.startswith("| ")]
    assert len(rows) > 10
    for cell in rows:
        measures = re.findall(r"(compare|bars) (\w+)", cell)
        assert measures, cell
        for kind, name in measures:
            assert re.search(rf"\b{name}\b", harness if kind == "compare" else bars), cell
