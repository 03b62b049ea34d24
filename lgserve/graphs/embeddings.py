"""From the config's `store.index.embed` to the object that embeds texts."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lgserve.core.errors import GraphLoadError
from lgserve.graphs.loader import ExportLoader


def load_embed(embed: str, root: Path, import_paths: Sequence[Path]) -> Any:
    """Return the object at a path, or the model of a provider that langchain knows.

    Runs the user's modules: call it in the thread of the user loop.

    Raises:
        GraphLoadError: it names neither; the message says why.
    """
    place, _, name = embed.rpartition(":")
    if place.endswith(".py") or "/" in place:
        return ExportLoader(root, import_paths).load(embed)
    if all(part.isidentifier() for part in (*place.split("."), name)):
        try:
            return ExportLoader(root, import_paths).load(embed)
        except (ModuleNotFoundError, GraphLoadError) as exc:
            return _model(embed, exc)
    return _model(embed, None)


def _model(embed: str, exc: Exception | None) -> Any:
    """Return the model of a provider, as langchain makes it."""
    try:
        module = importlib.import_module("langchain.embeddings")
    except ImportError:
        reason = str(exc) if exc is not None else f'"{embed}" is a model'
        provider = embed.partition(":")[0].replace("_", "-")
        install = f" (pip install langchain langchain-{provider})" if exc is None else ""
        raise GraphLoadError(
            f"{reason}; a provider:model needs langchain, which is not installed{install}"
        ) from exc
    init_embeddings: Callable[[str], Any] = module.init_embeddings
    return init_embeddings(embed)
