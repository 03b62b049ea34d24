"""The fork server's parts that need no fork, and the channel on which it hears and tells."""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path

import pytest

from lgserve.channel import Channel
from lgserve.fork_server import forget_shadowed, newest_module, third_party_modules


def test_messages_come_in_order_with_their_descriptors() -> None:
    ours, end = Channel.pair()
    theirs = Channel(end)
    read, write = os.pipe()
    assert ours.send("plain", number=1)
    assert ours.send("pipe", descriptor=write)
    assert ours.send("plain", number=2)
    os.close(write)
    received = [theirs.receive() for _ in range(3)]
    assert [(m.kind, m.fields) for m in received if m] == [
        ("plain", {"number": 1}),
        ("pipe", {}),
        ("plain", {"number": 2}),
    ]
    assert received[1] is not None
    assert received[1].descriptor is not None
    os.write(received[1].descriptor, b"through")
    received[1].drop()
    assert os.read(read, 100) == b"through"
    assert os.read(read, 100) == b""
    os.close(read)
    theirs.close()
    assert ours.receive() is None
    assert not ours.send("late")
    ours.close()


def test_third_party_modules_are_those_of_library_folders() -> None:
    names = third_party_modules()
    assert "pytest" in names
    assert not [name for name in names if name.startswith("lgserve")]
    assert "json" not in names


def test_modules_that_were_there_before_are_not_named_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site-packages").mkdir()
    for name in ("brought_first", "brought_second"):
        (tmp_path / "site-packages" / f"{name}.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    importlib.import_module("brought_first")
    before = newest_module()
    importlib.import_module("brought_second")
    assert third_party_modules(before) == ["brought_second"]
    assert third_party_modules()[-2:] == ["brought_first", "brought_second"]


def test_what_the_project_has_under_the_same_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shadowed", "shadowed.part", "package_of_all", "other"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    (tmp_path / "shadowed.py").touch()
    (tmp_path / "package_of_all").mkdir()
    (tmp_path / "package_of_all" / "__init__.py").touch()
    forget_shadowed(["shadowed", "shadowed.part", "package_of_all", "other"], [tmp_path])
    assert "other" in sys.modules
    assert {"shadowed", "shadowed.part", "package_of_all"}.isdisjoint(sys.modules)
