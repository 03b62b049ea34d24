"""Which commit a program says it was built from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lgserve.build_info import FILE_NAME, read_build

ROOT = Path(__file__).parents[2]
UNKNOWN = {"commit": None, "date": None}
DATE = "2026-01-02T03:04:05+05:30"


def git(folder: Path, *arguments: str) -> str:
    told = ["-c", "user.name=N", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *told, *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "GIT_COMMITTER_DATE": DATE,
            "HOME": str(folder),
        },
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a repository with one commit."""
    package = tmp_path / "repository" / "program"
    package.mkdir(parents=True)
    git(package.parent, "init", "-q", "-b", "main")
    git(package.parent, "commit", "-q", "--allow-empty", "-m", "committer of nothing")
    return package


def test_a_checkout_tells_its_commit_and_when_that_was_made(package: Path) -> None:
    assert read_build(package) == {"commit": git(package, "rev-parse", "HEAD"), "date": DATE}


def test_a_detached_head_tells_its_commit(package: Path) -> None:
    git(package, "checkout", "-q", "--detach")

    assert read_build(package)["commit"] == git(package, "rev-parse", "HEAD")


def test_a_branch_whose_name_has_slashes_is_found(package: Path) -> None:
    git(package, "checkout", "-q", "-b", "a/b/c")

    assert read_build(package)["commit"] == git(package, "rev-parse", "HEAD")


def test_packed_refs_are_read_and_of_packed_objects_the_log_knows_when_they_came(
    package: Path,
) -> None:
    git(package, "-c", "gc.reflogExpire=never", "gc", "-q")
    assert not (package.parent / ".git" / "refs" / "heads" / "main").exists()
    found = read_build(package)

    assert found == {"commit": git(package, "rev-parse", "HEAD"), "date": DATE}
    (package.parent / ".git" / "logs" / "HEAD").unlink()
    assert read_build(package) == {**found, "date": None}


def test_a_worktree_is_read(package: Path) -> None:
    git(package, "worktree", "add", "-q", "../other")
    other = package.parent / "other" / "program"
    other.mkdir()

    assert read_build(other) == read_build(package)


def test_without_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert read_build(tmp_path / "program") == UNKNOWN


@pytest.mark.parametrize("head", ["", "ref: refs/heads/none", "ref: ../../etc/passwd", "\x00\xff"])
def test_a_repository_that_makes_no_sense_is_not_known(package: Path, head: str) -> None:
    (package.parent / ".git" / "HEAD").write_text(head, "latin-1")

    assert read_build(package) == UNKNOWN


def test_what_a_wheel_says_of_itself_comes_first(package: Path) -> None:
    said = {"commit": "a" * 40, "date": DATE}
    (package / FILE_NAME).write_text(json.dumps({**said, "more": 1}))

    assert read_build(package) == said


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{"])
def test_a_wheel_that_says_nothing_sensible_is_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)

    assert read_build(tmp_path) == UNKNOWN


def test_a_wheel_and_an_sdist_carry_the_commit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        assert json.loads(archive.read(f"lgserve/{FILE_NAME}")) == read_build()
    (sdist,) = tmp_path.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", str(sdist)], cwd=tmp_path, check=True)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert json.loads((unpacked / "lgserve" / FILE_NAME).read_text()) == read_build()
