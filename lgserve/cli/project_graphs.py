"""The project's graphs, imported as the server does it; heavy: import this only when needed."""

from __future__ import annotations

import os

from lgserve.graphs.loader import GraphSource
from lgserve.graphs.registry import GraphRegistry
from lgserve.project_config import ProjectConfig


def import_project(project: ProjectConfig) -> GraphRegistry:
    """Import every graph in this process, whose working directory is the project's from then on."""
    registry = GraphRegistry()
    os.chdir(project.root)
    registry.load(
        [
            GraphSource(graph_id=g.graph_id, path=g.path, description=g.description)
            for g in project.graphs.values()
        ],
        project.root,
        project.import_paths,
    )
    return registry
