"""Vectors as float32 blobs, and exact search among them by cosine similarity.

Vectors are scaled to length 1 when they are stored, so that similarity is a sum of products: by
numpy where it is installed, else by Python itself.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import mul
from typing import Any

from lgserve.core.items import Vector

_BYTES = 4


def packed(vectors: Iterable[Vector]) -> bytes:
    """Return vectors one after another, each scaled to length 1."""
    return b"".join(map(_pack, vectors))


def _pack(vector: Vector) -> bytes:
    length = math.hypot(*vector) or 1.0
    numbers = array("f", [number / length for number in vector])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def similarities(query: bytes, blobs: Sequence[bytes], dims: int) -> list[float]:
    """Return how near each blob is to the query: from -1 to 1, by the best of its vectors."""
    if not blobs:
        return []
    return (_by_hand if numpy() is None else _by_numpy)(query, blobs, dims)


@lru_cache(maxsize=1)
def numpy() -> Any:
    """Return numpy, None where it is not installed."""
    try:
        import numpy as module  # type: ignore[import-not-found,unused-ignore]  # optional
    except ImportError:
        return None
    return module


def _by_numpy(query: bytes, blobs: Sequence[bytes], dims: int) -> list[float]:
    np = numpy()
    matrix = np.frombuffer(b"".join(blobs), dtype="<f4").reshape(-1, dims)
    found = matrix @ np.frombuffer(query, dtype="<f4")
    if len(found) > len(blobs):
        sizes = [len(blob) // (dims * _BYTES) for blob in blobs]
        found = np.maximum.reduceat(found, np.cumsum([0, *sizes[:-1]]))
    similar: list[float] = found.tolist()
    return similar


def _by_hand(query: bytes, blobs: Sequence[bytes], dims: int) -> list[float]:
    wanted = _unpack(query)
    return [
        max(_dot(wanted, numbers[start : start + dims]) for start in range(0, len(numbers), dims))
        for numbers in map(_unpack, blobs)
    ]


def _unpack(blob: bytes) -> array[float]:
    numbers = array("f")
    numbers.frombytes(blob)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _sum_of_products(left: Iterable[float], right: Iterable[float]) -> float:
    return sum(map(mul, left, right), 0.0)


#: From Python 3.12 on there is a faster one.
_dot: Callable[[Iterable[float], Iterable[float]], float] = getattr(
    math, "sumprod", _sum_of_products
)
