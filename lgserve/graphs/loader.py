"""From a config entry like `./agent.py:graph` to the object it names.

A file inside a package is imported as that package's module, so that relative imports work. A file
whose natural name leads to it is imported under that name, so that the project's other modules see
the same classes. Only a file whose name is taken (a `types.py`, say) gets a name of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import zlib
from asyncio import set_event_loop
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from lgserve.core.errors import GraphLoadError


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSource:
    """One graph of the project's config: its id, and where it is."""

    graph_id: str
    #: `./file.py:attribute` or `package.module:attribute`
    path: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModulePlan:
    file: Path
    #: the folder from which `parts` lead to the file
    base: Path
    parts: tuple[str, ...]
    #: the outermost folder with an `__init__.py`, None for a file outside of packages
    package: Path | None

    @property
    def name(self) -> str:
        return ".".join(self.parts)

    @property
    def alias(self) -> str:
        """Return a name nobody else uses, the same at each start, for the package or the file."""
        path = (self.package or self.file.with_suffix("")).relative_to(self.base).as_posix()
        return re.sub(r"\W", "_", f"_lgserve_{path}_{zlib.crc32(path.encode()):08x}")


class ExportLoader:
    """Imports the project's modules, each once, and finds the objects that entries name."""

    def __init__(self, root: Path, import_paths: Sequence[Path] = ()) -> None:
        self._root = root.resolve()
        self._import_paths = [path.resolve() for path in import_paths]
        self._failed: dict[str, BaseException] = {}
        prepend_to_sys_path(self._import_paths)
        importlib.invalidate_caches()

    def load(self, path: str) -> Any:
        """Return the object at `./file.py:attribute` or `package.module:attribute`."""
        place, _, attribute = path.rpartition(":")
        module = self._module(place)
        if attribute not in vars(module) and not hasattr(module, attribute):
            raise GraphLoadError(_no_such_attribute(module, place, attribute))
        return getattr(module, attribute)

    def _module(self, place: str) -> ModuleType:
        if place in self._failed:
            raise self._failed[place]
        try:
            with _outside_of_event_loop():
                return self._import(place)
        except BaseException as error:
            self._failed[place] = error
            raise

    def _import(self, place: str) -> ModuleType:
        if not _is_file_path(place):
            return importlib.import_module(place)
        plan = self._plan(_existing_file(self._root, place))
        prepend_to_sys_path([plan.base], only_if_missing=True)
        if _leads_to_file(plan):
            module = importlib.import_module(plan.name)
            if _same_file(module.__file__, plan.file):
                return module
        return _import_under_alias(plan)

    def _plan(self, file: Path) -> _ModulePlan:
        package = _outermost_package(file)
        anchor = package or file
        bases = [base for base in self._bases() if base in anchor.parents]
        base = max(bases, key=lambda path: len(path.parts), default=anchor.parent)
        parts = file.relative_to(base).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        return _ModulePlan(file=file, base=base, parts=parts, package=package)

    def _bases(self) -> Iterator[Path]:
        for path in (self._root, *self._import_paths):
            yield path
            yield path / "src"


def prepend_to_sys_path(paths: Iterable[Path], *, only_if_missing: bool = False) -> None:
    """Put the folders in front of `sys.path`, in their order, each of them once."""
    wanted = [str(path) for path in paths]
    if only_if_missing:
        wanted = [path for path in wanted if path not in sys.path]
    sys.path[:] = [*dict.fromkeys(wanted), *(path for path in sys.path if path not in wanted)]


def is_graph(value: object) -> bool:
    """Tell whether the value is a graph, compiled or not."""
    return isinstance(value, Pregel | StateGraph)


@contextmanager
def _outside_of_event_loop() -> Iterator[None]:
    """Hide the running loop: modules that call `asyncio.run` as they are imported are common."""
    loop = _get_running_loop()
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(loop)
        if loop is not None:
            set_event_loop(loop)


def _is_file_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or "\\" in place


def _existing_file(root: Path, place: str) -> Path:
    file = (root / place).resolve()
    if file.is_dir():
        file /= "__init__.py"
    if not file.is_file():
        raise GraphLoadError(f"There is no file '{place}'{_similar_file(file)} (seen from {root})")
    if file.suffix != ".py":
        raise GraphLoadError(f"'{place}' is not a Python file; lgserve serves Python graphs only")
    return file


def _similar_file(file: Path) -> str:
    names = [path.name for path in file.parent.glob("*.py")] if file.parent.is_dir() else []
    return _did_you_mean(file.name, names)


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _no_such_attribute(module: ModuleType, place: str, attribute: str) -> str:
    names = [name for name in vars(module) if not name.startswith("_")]
    text = f"'{place}' has no attribute '{attribute}'"
    if guess := _did_you_mean(attribute, names):
        return text + guess
    graphs = [name for name in names if is_graph(vars(module)[name])]
    return f"{text}; it has the graphs: {', '.join(graphs)}" if graphs else text


def _outermost_package(file: Path) -> Path | None:
    package = None
    for folder in file.parents:
        # A folder with a dot in its name can hold `__init__.py`, but cannot be imported by name.
        if "." in folder.name or not (folder / "__init__.py").is_file():
            break
        package = folder
    return package


def _leads_to_file(plan: _ModulePlan) -> bool:
    """Tell whether importing the natural name would come to the file, without running code."""
    if any("." in part for part in plan.parts):
        return False
    try:
        spec = importlib.util.find_spec(plan.parts[0])
    except ValueError:  # a module without a spec: `__main__`
        return False
    return spec is not None and _is_spec_of(spec, plan)


def _is_spec_of(spec: ModuleSpec, plan: _ModulePlan) -> bool:
    if len(plan.parts) == 1 and plan.package is None:
        return _same_file(spec.origin, plan.file)
    folder = plan.base / plan.parts[0]
    places = spec.submodule_search_locations or ()
    return any(Path(place).resolve() == folder for place in places)


def _same_file(origin: str | None, file: Path) -> bool:
    return origin is not None and Path(origin).resolve() == file


def _import_under_alias(plan: _ModulePlan) -> ModuleType:
    if plan.package is None:
        return _execute(plan.alias, plan.file)
    _execute(plan.alias, plan.package / "__init__.py", folder=plan.package)
    inside = plan.file.relative_to(plan.package).with_suffix("").parts
    name = ".".join([plan.alias, *(part for part in inside if part != "__init__")])
    return importlib.import_module(name)


def _execute(name: str, file: Path, *, folder: Path | None = None) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    locations = [str(folder)] if folder else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=locations)
    if spec is None or spec.loader is None:
        raise GraphLoadError(f"'{file}' cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs: dataclasses, pickles and type hints look their module up.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
