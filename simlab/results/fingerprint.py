"""What classes that do not come with simlab do, in eight digits: a cell of a notebook that was edited must not be found "done"."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache, partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, final

import numpy as np

_MADE = {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__", "_abc_impl"}
_MADE |= {
    "__dataclass_fields__",
    "__dataclass_params__",
    "__match_args__",
    "__init__",
    "__repr__",
    "__eq__",
    "__hash__",
}
_MADE |= {
    "__setattr__",
    "__delattr__",
    "__replace__",
    "__final__",
    "__parameters__",
    "__orig_bases__",
    "__abstractmethods__",
}
_MADE |= {"__annotate_func__", "__annotations_cache__", "__classdictcell__", "__getstate__", "__setstate__"}


def fingerprint(named: Iterable[tuple[str, type[Any]]]) -> str:
    """Eight hexadecimal digits of what these classes do: code, constants, parameters, and whatever else of the user's they use.

    What is installed counts by name only, but for the packages that these classes themselves come from: after another version of a
    library, choose another directory.
    """
    classes = list(named)
    found = _Reading({_package(thing.__module__) for _, thing in classes})
    for name, thing in classes:
        found.take(name)
        found.take(thing)
    return found.digest.hexdigest()[:8]


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


@cache
def _of_the_user(module: str | None) -> bool:
    """Whether a module is the user's own: a notebook, a script, or a file that nobody installed."""
    package = _package(module)
    if package == "__main__":
        return True
    if package in ("simlab", "builtins") or package in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return not {"site-packages", "dist-packages"} & set(Path(file).parts)


@final
class _Reading:
    """Walks through code and values, everything once."""

    def __init__(self, own: set[str]) -> None:
        self.digest = hashlib.sha256()
        self._own = own - {"simlab"}  # packages that were named, wherever they are installed
        self._seen: dict[int, object] = {}  # kept alive, or another object may get the same id

    def take(self, thing: Any) -> None:
        """Take in anything that a class is made of."""
        if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
            self._say(type(thing).__name__, repr(thing))
            return
        if id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        self._say(type(thing).__qualname__)
        for part in self._parts(thing):
            self.take(part)

    def _say(self, *words: str) -> None:
        self.digest.update("\0".join(words).encode("utf-8", "surrogatepass") + b"\1")

    def _parts(self, thing: Any) -> Iterator[Any]:
        """What a thing consists of."""
        if isinstance(thing, ModuleType):
            yield thing.__name__
        elif isinstance(thing, type | FunctionType):
            yield f"{thing.__module__}.{thing.__qualname__}"
            if _of_the_user(thing.__module__) or _package(thing.__module__) in self._own:
                yield from _of_class(thing) if isinstance(thing, type) else _of_function(thing)
        elif isinstance(thing, CodeType):
            yield from (thing.co_code, thing.co_names, thing.co_consts)
        elif isinstance(thing, staticmethod | classmethod):
            yield thing.__func__
        elif isinstance(thing, property):
            yield from (thing.fget, thing.fset)
        elif isinstance(thing, partial):
            yield from (thing.func, thing.args, thing.keywords)
        elif isinstance(thing, np.ndarray):
            yield from (str(thing.dtype), thing.shape, thing.tobytes())
        elif isinstance(thing, Mapping):
            yield from sorted(thing.items(), key=lambda item: str(item[0]))
        elif isinstance(thing, Set):
            yield from sorted(thing, key=repr)
        elif isinstance(thing, Iterable) and not isinstance(thing, Iterator):
            yield from thing
        else:
            yield {name: value for name, value in getattr(thing, "__dict__", {}).items() if not name.startswith("__")}


def _of_class(thing: type) -> Iterator[Any]:
    yield thing.__bases__
    for name, value in sorted(vars(thing).items()):
        if name not in _MADE:
            yield name
            yield value
    yield [str(annotation) for annotation in inspect.get_annotations(thing).values()]


def _of_function(thing: FunctionType) -> Iterator[Any]:
    yield from (thing.__code__, thing.__defaults__, thing.__kwdefaults__)
    yield from (cell.cell_contents for cell in thing.__closure__ or () if cell != cell.__class__())
    used = sorted({name for code in _codes(thing.__code__) for name in code.co_names} & thing.__globals__.keys())
    for name in used:
        yield name
        yield thing.__globals__[name]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)
