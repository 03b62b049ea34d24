"""The folder `.langgraph_api` of `langgraph dev`: pickles, read only when they are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read_folder(folder: Path) -> list[Record]:
    """Return the threads of a folder, with all their checkpoints."""
    raise NotImplementedError(folder)
