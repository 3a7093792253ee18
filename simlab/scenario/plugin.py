"""A user's own worlds, brains, detectors and interventions in a module that is named explicitly, and only then imported.

A scenario is data and never names code. `plugin` is what `--plugin` calls: it imports one module and finds its classes, which go where
`using` takes them (`Registry.using`): there they get their names, and a run of theirs a fingerprint of what they do.
"""

from __future__ import annotations

import importlib
import inspect
import keyword
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from simlab.base.errors import InputError, PluginError, nearest
from simlab.scenario.registry import HOUSE, Registry


class Plugin(NamedTuple):
    """A module as it was `given`, and its classes."""

    given: str
    classes: tuple[type[Any], ...]


def plugin(given: str) -> Plugin:
    """The classes of a module, a file `mine.py` or a dotted name. Raises PluginError where it cannot be imported or holds none."""
    module = _imported(given)
    found = tuple(_classes(module))
    if not found:
        kinds = ", ".join(shelf.kind.capitalize() for shelf in HOUSE)
        raise PluginError(f"{given}: holds no class derived from {kinds} that can be made")
    return Plugin(given, found)


def registry_of(plugins: tuple[Plugin, ...]) -> Registry:
    """The house's registry with the classes of these plugins. Raises PluginError where a name is taken, or a class is not finished."""
    registry = HOUSE
    for one in plugins:
        try:
            registry = HOUSE.using({**dict(registry.own), **dict(HOUSE.using(one.classes).own)})
        except InputError as error:
            raise PluginError(f"{one.given}: {str(error).removeprefix('using: ').partition('; write')[0]}") from None
    return registry


def _imported(given: str) -> ModuleType:
    path = Path(given)
    if not (given.endswith(".py") or path.is_file()):
        if not all(part.isidentifier() for part in given.split(".")):
            raise PluginError(f"`{given}` is neither a file nor a module; write e.g. `--plugin mine.py`")
        return _import(given, given)
    if not path.is_file():
        beside = [one.name for one in path.parent.glob("*.py")] if path.parent.is_dir() else []
        close = nearest(path.name, beside)
        raise PluginError(f"no file `{given}`" + (f"; did you mean `{path.parent / close}`?" if close else ""))
    if path.suffix != ".py" or not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise PluginError(f"{given}: a plugin is a Python module; give the file a name such as `mine.py`")
    folder, place = str(path.resolve().parent), path.resolve()
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that nothing in it hides a library; worker processes get the same path
    module = _import(path.stem, given)
    if getattr(module, "__file__", None) is None or Path(str(module.__file__)).resolve() != place:
        raise PluginError(f"{given}: another module is called `{path.stem}` ({module.__file__}); rename the file")
    return module


def _import(name: str, given: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        what = "no such module" if error.name == name.partition(".")[0] else f"cannot be imported: {error}"
        raise PluginError(f"{given}: {what}") from None
    except SyntaxError as error:
        raise PluginError(f"{given}: line {error.lineno}: {error.msg}") from None
    except Exception as error:  # a module may raise anything
        raise PluginError(f"{given}: cannot be imported: {type(error).__name__}: {error}") from error


def _classes(module: ModuleType) -> Iterator[type[Any]]:
    """The classes of a kind that are defined in the module (or below it) and are not abstract."""
    for thing in vars(module).values():
        if isinstance(thing, type) and any(shelf.takes(thing) for shelf in HOUSE) and not inspect.isabstract(thing):
            home = thing.__module__
            if home == module.__name__ or home.startswith(f"{module.__name__}."):
                yield thing
