"""Operations of protocol v2."""

from __future__ import annotations

from collections.abc import Mapping

from lgserve.api.operations.table import Operation, Route

OPERATIONS: Mapping[Route, Operation] = {}
