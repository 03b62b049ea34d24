"""The config's `store` block, and what it names."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from lgserve.core.errors import ConfigurationError, EmbeddingError, UnavailableError
from lgserve.engine.embedding import UserEmbedder
from lgserve.engine.user_loop import UserLoopThread
from lgserve.graphs.embeddings import load_embed
from lgserve.project_config import load_project
from lgserve.storage.database import SqliteDatabase
from lgserve.store_config import StoreConfig, StoreIndex
from lgserve.store_parts import wire_store

GRAPHS = "graphs: {agent: ./agent.py:graph}\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.py").touch()
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(store: str) -> Path:
        file = tmp_path / "langgraph.yaml"
        file.write_text(GRAPHS + store)
        return file

    return write


def test_a_project_without_the_block_has_a_plain_store(write: Callable[[str], Path]) -> None:
    for text in ("", "store:\n", "store: {}\n", "store: {index: null, ttl: {}}\n"):
        project = load_project(write(text))
        assert (project.store, project.warnings) == (StoreConfig(), ())


def test_the_block_is_read_with_its_defaults(write: Callable[[str], Path]) -> None:
    text = (
        "store:\n"
        "  index: {dims: 3, embed: './e.py:f'}\n"
        "  ttl: {default_ttl: 0.5, refresh_on_read: false, sweep_interval_minutes: 2}\n"
    )
    project = load_project(write(text))
    assert project.warnings == ()
    assert project.store == StoreConfig(
        index=StoreIndex(
            embed="./e.py:f",
            dims=3,
            fields=("$",),
            where="langgraph.yaml, line 3: store.index.embed",
        ),
        default_ttl=0.5,
        refresh_on_read=False,
        sweep_interval_minutes=2.0,
    )


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("[1]", "store must be a mapping of keys to values"),
        ("{indx: {}}", 'store.indx: unknown key, did you mean "index"?'),
        (
            "{index: {dims: 3}}",
            'store.index.embed must name what embeds texts: "./file.py:function"',
        ),
        ("{index: {dims: 3, embed: x}}", "store.index.embed must name what embeds texts"),
        ("{index: {embed: 'a:b'}}", "store.index.dims must be how many numbers a vector has"),
        ("{index: {embed: 'a:b', dims: 0}}", "store.index.dims must be how many numbers"),
        ("{index: {embed: 'a:b', dims: 3, fields: x}}", "store.index.fields must be a list of"),
        ("{ttl: {default_ttl: soon}}", "store.ttl.default_ttl must be a number of minutes"),
        ("{ttl: {sweep_interval_minutes: 0}}", "store.ttl.sweep_interval_minutes must be a number"),
        ("{ttl: {refresh_on_read: 1}}", "store.ttl.refresh_on_read must be true or false"),
    ],
)
def test_a_wrong_block_is_one_sentence_with_its_place(
    write: Callable[[str], Path], store: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_project(write(f"store: {store}\n"))
    assert caught.value.message.startswith(f"langgraph.yaml, line 2: {message}")


# --- what `embed` names


@pytest.fixture
def user_loop() -> Iterator[UserLoopThread]:
    loop = UserLoopThread(2)
    loop.start()
    yield loop
    loop.stop(5)


def test_embed_names_an_object_in_a_file_or_in_a_module(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "embed_here.py").write_text("def embed(texts): return [[1.0] for _ in texts]\n")
    write("")
    for name in ("./embed_here.py:embed", "embed_here:embed"):
        assert load_embed(name, tmp_path, [tmp_path])(["x"]) == [[1.0]]


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        ("./nowhere.py:f", "There is no file './nowhere.py'"),
        ("./broken.py:f", "ZeroDivisionError"),
        ("./agent.py:f", "'./agent.py' has no attribute 'f'"),
        ("./agent.py:n", '"./agent.py:n" embeds nothing, it is a int'),
        ("nomodule:f", "No module named 'nomodule'; a provider:model needs langchain"),
        (
            "openai:text-embedding-3-small",
            "a provider:model needs langchain, which is not installed",
        ),
    ],
)
async def test_what_cannot_be_imported_is_a_wrong_config(
    write: Callable[[str], Path],
    tmp_path: Path,
    user_loop: UserLoopThread,
    monkeypatch: pytest.MonkeyPatch,
    embed: str,
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "langchain", None)
    monkeypatch.delitem(sys.modules, "agent", raising=False)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    project = load_project(write(f"store: {{index: {{dims: 1, embed: '{embed}'}}}}\n"))
    (tmp_path / "agent.py").write_text("n = 1\n")
    parts = wire_store(project.store, SqliteDatabase(tmp_path / "data"), user_loop)
    with pytest.raises(ConfigurationError) as caught:
        await parts.load(project, user_loop)
    assert caught.value.message.startswith("langgraph.yaml, line 2: store.index.embed: ")
    assert message in caught.value.message


# --- where it runs


def names(_texts: list[str]) -> list[list[float]]:
    return [[1.0, 2.0] for _ in _texts]


async def names_async(texts: list[str]) -> list[list[float]]:
    return names(texts)


class Model(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 2.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return [2.0, 1.0]


class AsyncModel(Model):
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[3.0, 4.0] for _ in texts]

    async def aembed_query(self, text: str) -> list[float]:
        return [4.0, 3.0]


@pytest.mark.parametrize(
    ("embed", "documents", "query"),
    [
        (names, [1.0, 2.0], [1.0, 2.0]),
        (names_async, [1.0, 2.0], [1.0, 2.0]),
        (Model(), [1.0, 2.0], [2.0, 1.0]),
        (AsyncModel(), [3.0, 4.0], [4.0, 3.0]),
    ],
)
async def test_every_kind_of_embedding_code_works_from_every_place(
    user_loop: UserLoopThread, embed: Any, documents: list[float], query: list[float]
) -> None:
    embedder = UserEmbedder(user_loop, 2, ("$",))
    embedder.use(embed)
    texts = (["a", "b"], ["q"])
    expected = [documents, documents, query]
    assert await embedder.embed(*texts) == expected
    assert await user_loop.run(lambda: embedder.embed(*texts)) == expected
    assert await asyncio.to_thread(embedder.embed_blocking, *texts) == expected
    assert await embedder.embed([], []) == []
    embedder.close()


async def test_async_embedding_code_cannot_be_waited_for_on_its_own_loop(
    user_loop: UserLoopThread,
) -> None:
    embedder = UserEmbedder(user_loop, 2, ("$",))
    embedder.use(names_async)

    async def call() -> list[Any]:
        return list(embedder.embed_blocking(["a"], []))

    with pytest.raises(EmbeddingError, match="call the store's async methods"):
        await user_loop.run(call)


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (lambda texts: [[1.0]], r"returned 1 vectors for 2 texts"),
        (lambda texts: [[1.0] for _ in texts], r"dims is 2, but .* a vector of 1 numbers"),
        (lambda texts: ["xy" for _ in texts], r"no vector of numbers"),
        (lambda texts: [[1.0, float("nan")] for _ in texts], r"not finite"),
        (lambda texts: [1 / 0 for _ in texts], r"failed with ZeroDivisionError"),
    ],
)
async def test_vectors_that_are_none_are_an_error_that_says_why(
    user_loop: UserLoopThread, embed: Any, message: str
) -> None:
    embedder = UserEmbedder(user_loop, 2, ("$",))
    with pytest.raises(UnavailableError):
        await embedder.embed(["a", "b"], [])
    embedder.use(embed)
    with pytest.raises(EmbeddingError, match=message):
        await embedder.embed(["a", "b"], [])
    with pytest.raises(EmbeddingError, match=message):
        await asyncio.to_thread(embedder.embed_blocking, ["a", "b"], [])
    embedder.close()
