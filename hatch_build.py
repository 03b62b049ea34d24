"""Writes into what is built from which commit it comes, see `lgserve/build_info.py`."""

from __future__ import annotations

import json
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildFacts(BuildHookInterface[Any]):
    """Adds `lgserve/build.json`; a wheel built from an sdist takes over what the sdist says."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before a wheel or an sdist is built."""
        package = Path(self.root) / "lgserve"
        reader = runpy.run_path(str(package / "build_info.py"))
        if version == "editable" or (package / reader["FILE_NAME"]).exists():
            return
        self._folder = tempfile.TemporaryDirectory(prefix="lgserve-build-")  # goes with the hook
        file = Path(self._folder.name) / reader["FILE_NAME"]
        file.write_text(json.dumps(reader["read_build"](package)), "utf-8")
        build_data["force_include"][str(file)] = f"lgserve/{file.name}"
