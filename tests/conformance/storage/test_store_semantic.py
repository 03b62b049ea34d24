"""Search by meaning: exact, the nearest first, with numpy and without."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lgserve.core.errors import EmbeddingError
from lgserve.core.items import PutItem, SearchItems, StoreItem, Vector
from lgserve.core.models import EVERYTHING
from lgserve.storage import vectors
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.store_items import SqliteStore

WORDS = ("cat", "dog", "sun", "rain", "code")


class CountingEmbedder:
    """Counts words: a vector one can check by eye."""

    def __init__(self, words: Sequence[str] = WORDS, fields: Sequence[str] = ("text",)) -> None:
        self.words = words
        self.dims = len(words)
        self.fields = fields
        self.seen: list[str] = []
        self.failing = False

    async def embed(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        return self.embed_blocking(documents, queries)

    def embed_blocking(self, documents: Sequence[str], queries: Sequence[str]) -> list[Vector]:
        if self.failing:
            raise EmbeddingError
        self.seen += [*documents, *queries]
        return [[float(text.count(word)) for word in self.words] for text in (*documents, *queries)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path)
    database.open()
    yield database
    database.close()


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def store(database: SqliteDatabase, embedder: CountingEmbedder) -> SqliteStore:
    return SqliteStore(database, embedder=embedder)


async def scores(store: SqliteStore, **wanted: object) -> list[tuple[str, float | None]]:
    (found,) = await store.run([SearchItems(**wanted)], EVERYTHING)  # type: ignore[arg-type]
    assert isinstance(found, list)
    return [
        (item.key, None if item.score is None else round(item.score, 4))
        for item in found
        if isinstance(item, StoreItem)
    ]


@pytest.mark.requirement("STORE-010")
async def test_the_nearest_come_first_and_what_is_not_indexed_comes_last(
    store: SqliteStore,
) -> None:
    await store.aput(("a",), "cat", {"text": "cat"})
    await store.aput(("a",), "never", {"text": "cat"}, index=False)
    await store.aput(("a",), "mixed", {"text": "cat dog"})
    await store.aput(("a",), "dog", {"text": "dog"})
    await store.aput(("a",), "title", {"text": "dog", "title": "cat cat"}, index=["title"])
    await store.aput(("a",), "silent", {"other": 1})

    found = [
        ("title", 1.0),
        ("cat", 1.0),
        ("mixed", round(1 / math.sqrt(2), 4)),
        ("dog", 0.0),
        ("silent", None),
        ("never", None),
    ]
    assert await scores(store, query="cat") == found
    assert await scores(store, query="cat", limit=2, offset=1) == found[1:3]
    assert await scores(store, query="cat", limit=2, offset=3) == found[3:5]
    assert await scores(store, query="cat", filter={"text": "dog"}) == [
        ("title", 1.0),
        ("dog", 0.0),
    ]
    assert {score for _, score in await scores(store, query="")} == {None}
    through_graph = await store.asearch(("a",), query="cat", limit=2)
    assert [item.key for item in through_graph] == ["title", "cat"]
    assert [item.score for item in store.search(("a",), query="cat", limit=1)] == [1.0]


async def test_an_item_counts_by_the_best_of_its_paths(store: SqliteStore) -> None:
    parts = {"parts": [{"t": "sun"}, {"t": "rain"}, {"t": "sun rain"}]}
    await store.aput(("a",), "parts", parts, index=["parts[*].t"])
    await store.aput(("a",), "half", {"text": "rain code"})
    assert await scores(store, query="rain") == [("parts", 1.0), ("half", 0.7071)]


async def test_a_new_value_has_new_vectors_and_a_deleted_item_none(
    store: SqliteStore, database: SqliteDatabase
) -> None:
    await store.aput(("a",), "k", {"text": "cat"})
    await store.aput(("a",), "k", {"text": "dog"})
    assert await scores(store, query="cat") == [("k", 0.0)]
    await store.aput(("a",), "k", {"text": "cat"}, index=False)
    assert await scores(store, query="cat") == [("k", None)]
    await store.aput(("a",), "k", {"text": "cat"})
    await SqliteStore(database).aput(("a",), "k", {"text": "dog"})
    assert await scores(store, query="cat") == [("k", None)]
    await store.aput(("a",), "k", {"text": "cat"})
    await store.adelete(("a",), "k")
    assert database.lookup(lambda c: c.execute("SELECT * FROM store_vectors").fetchall()) == []


async def test_vectors_survive_and_those_of_another_length_are_no_match(
    store: SqliteStore, database: SqliteDatabase
) -> None:
    await store.aput(("a",), "k", {"text": "cat"})
    assert not await store.has_foreign_vectors()
    other = SqliteStore(database, embedder=CountingEmbedder(("cat", "dog")))
    assert await other.has_foreign_vectors()
    await other.aput(("a",), "new", {"text": "cat"})
    assert await scores(other, query="cat") == [("new", 1.0), ("k", None)]
    assert await scores(store, query="cat") == [("k", 1.0), ("new", None)]


async def test_each_text_of_a_batch_is_embedded_once_and_only_what_is_stored(
    store: SqliteStore, embedder: CountingEmbedder
) -> None:
    await store.run(
        [
            PutItem(namespace=("a",), key="k", value={"text": "cat"}),
            PutItem(namespace=("a",), key="k", value={"text": "dog"}),
            SearchItems(query="sun"),
            SearchItems(query="sun", prefix=("a",)),
        ],
        EVERYTHING,
    )
    assert embedder.seen == ["dog", "sun"]


async def test_what_cannot_be_embedded_is_not_stored(
    store: SqliteStore, embedder: CountingEmbedder
) -> None:
    embedder.failing = True
    with pytest.raises(EmbeddingError):
        await store.aput(("a",), "k", {"text": "cat"})
    assert await store.aget(("a",), "k") is None
    await store.aput(("a",), "k", {"text": "cat"}, index=False)
    assert await store.aget(("a",), "k") is not None


def _random_vectors(count: int, dims: int, seed: int) -> list[list[float]]:
    chance = random.Random(seed)
    return [[chance.gauss(0, 1) for _ in range(dims)] for _ in range(count)]


@pytest.mark.parametrize("with_numpy", [True, False])
def test_both_ways_to_compute_cosine_similarity_agree_with_its_definition(
    with_numpy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_numpy:
        assert vectors.numpy() is not None, "the dev extra brings numpy"
    else:
        monkeypatch.setattr(vectors, "numpy", lambda: None)
    dims = 7
    items = [_random_vectors(1 + n % 3, dims, n) for n in range(50)]
    (query,) = _random_vectors(1, dims, 99)

    def cosine(left: list[float], right: list[float]) -> float:
        product = sum(a * b for a, b in zip(left, right, strict=True))
        return product / (math.hypot(*left) * math.hypot(*right))

    expected = [max(cosine(vector, query) for vector in item) for item in items]
    blobs = [vectors.packed(item) for item in items]

    found = vectors.similarities(vectors.packed([query]), blobs, dims)

    assert found == pytest.approx(expected, abs=1e-5)
    assert vectors.similarities(vectors.packed([query]), [], dims) == []
    zeros = vectors.packed([[0.0] * dims])
    assert vectors.similarities(zeros, [zeros, zeros], dims) == [0.0, 0.0]
