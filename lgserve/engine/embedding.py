"""The project's embedding code, which is user code: it runs on the user loop and its threads."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import ensure_embeddings

from lgserve.core.errors import EmbeddingError, UnavailableError
from lgserve.core.items import Vector
from lgserve.engine.user_loop import UserLoopThread

_log = logging.getLogger("lgserve")

#: Calls of embedding code that blocks, at once: nodes have their own threads.
_THREADS = 4


class UserEmbedder:
    """See `lgserve.core.items.Embedder`; `use` gives it the code once that is imported."""

    def __init__(self, user_loop: UserLoopThread, dims: int, fields: Sequence[str]) -> None:
        self.dims = dims
        self.fields = fields
        self._user_loop = user_loop
        self._embeddings: Embeddings | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="lgserve-embed")

    def use(self, embed: Any) -> None:
        """Take an `Embeddings`, or a function from texts to vectors, async or not."""
        self._embeddings = ensure_embeddings(embed)

    def close(self) -> None:
        """Start no more calls."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def embed(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        """Embed, from any event loop."""
        work = partial(self._embed, documents, queries)
        if asyncio.get_running_loop() is self._user_loop.loop:
            return await work()
        return await self._user_loop.run(work)

    def embed_blocking(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        """Embed, from any thread; code that is only async is awaited on the user loop."""
        embeddings = self._ready()
        if threading.get_ident() != self._user_loop.thread_id and not _blocks(embeddings):
            work = self._embed(documents, queries)
            return asyncio.run_coroutine_threadsafe(work, self._user_loop.loop).result()
        if hasattr(embeddings, "afunc"):  # an async function, as `ensure_embeddings` wraps it
            raise EmbeddingError(
                "the embedding function is async: on the event loop, call the store's async methods"
            )
        return self._guarded(self._call, documents, queries)

    async def _embed(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        embeddings = self._ready()
        if _blocks(embeddings):
            loop = asyncio.get_running_loop()
            work = partial(self._guarded, self._call, documents, queries)
            return await loop.run_in_executor(self._pool, work)
        try:
            found = list(await embeddings.aembed_documents(list(documents)) if documents else ())
            found += [await embeddings.aembed_query(query) for query in queries]
        except Exception as exc:
            raise _failure(exc) from exc
        return self._checked(found, len(documents) + len(queries))

    def _call(self, documents: Sequence[str], queries: Sequence[str]) -> list[Any]:
        embeddings = self._ready()
        found = list(embeddings.embed_documents(list(documents)) if documents else ())
        return found + [embeddings.embed_query(query) for query in queries]

    def _guarded(
        self,
        work: Callable[[Sequence[str], Sequence[str]], list[Any]],
        documents: Sequence[str],
        queries: Sequence[str],
    ) -> list[Vector]:
        try:
            found = work(documents, queries)
        except Exception as exc:
            raise _failure(exc) from exc
        return self._checked(found, len(documents) + len(queries))

    def _ready(self) -> Embeddings:
        if self._embeddings is None:
            raise UnavailableError
        return self._embeddings

    def _checked(self, found: list[Any], count: int) -> list[Vector]:
        if len(found) != count:
            raise EmbeddingError(
                f"the embedding function returned {len(found)} vectors for {count} texts"
            )
        return [self._vector(each) for each in found]

    def _vector(self, given: Any) -> Vector:
        try:
            vector = [float(number) for number in given]
        except (TypeError, ValueError):
            raise EmbeddingError("the embedding function returned no vector of numbers") from None
        if len(vector) != self.dims:
            raise EmbeddingError(
                f"store.index.dims is {self.dims}, but the embedding function returned a vector"
                f" of {len(vector)} numbers"
            )
        if not all(map(math.isfinite, vector)):
            raise EmbeddingError("the embedding function returned a number that is not finite")
        return vector


def _blocks(embeddings: Embeddings) -> bool:
    """Tell whether the code has no async form of its own."""
    if hasattr(embeddings, "func"):  # a plain function, as `ensure_embeddings` wraps it
        return True
    return type(embeddings).aembed_documents is Embeddings.aembed_documents


def _failure(exc: Exception) -> Exception:
    if isinstance(exc, EmbeddingError | UnavailableError):
        return exc
    _log.error("the embedding function failed", exc_info=exc)
    return EmbeddingError(f"the embedding function failed with {type(exc).__name__}")
