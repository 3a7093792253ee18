"""A user's own worlds, brains, detectors and interventions in a module that is named explicitly, and only then imported.

A scenario is data and never names code. `plugin` is what `--plugin` calls: it imports one module and finds its classes, which go where
`using` takes them (`Registry.using`): there they get their names, and a run of theirs a fingerprint of what they do.

An installed package offers a module, or one class of it, under a name of its choice, by an entry point in the group `simlab.plugins`:

    [project.entry-points."simlab.plugins"]
    fashion = "simlab_fashion"

What is offered is read from the metadata of installed packages; only what `--plugin fashion` names is imported.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import keyword
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from simlab.base.errors import InputError, PluginError, did_you_mean, nearest
from simlab.scenario.registry import HOUSE, Registry

GROUP = "simlab.plugins"


class Plugin(NamedTuple):
    """A module as it was `given`, and its classes."""

    given: str
    classes: tuple[type[Any], ...]


def plugin(given: str) -> Plugin:
    """The classes of a file `mine.py`, of what an installed package offers under this name, or of a dotted module.

    Raises PluginError where it is not there, cannot be imported, or holds none.
    """
    offer = None if _is_file(given) else _offered(given)
    module = _import(offer.module, given) if offer else _imported(given)
    found = _the_class(module, offer.attr, given) if offer and offer.attr else tuple(_classes(module))
    if not found:
        raise PluginError(f"{given}: holds no class derived from {_kinds()} that can be made")
    return Plugin(given, found)


def how_to_give(dotted: str) -> str:
    """What to write after `--plugin` for the class `mine.MyWorld`: the name an installed package offers it by, or its file."""
    module = dotted.rpartition(".")[0]
    names = sorted(
        one.name
        for one in entry_points(group=GROUP)
        if module == one.module or module.startswith(f"{one.module}.")
        if not one.attr or one.attr == dotted.rpartition(".")[2]
    )
    return f"`--plugin {names[0]}`" if names else f"`--plugin {module.replace('.', '/')}.py`, with its path,"


def registry_of(plugins: tuple[Plugin, ...]) -> Registry:
    """The house's registry with the classes of these plugins. Raises PluginError where a name is taken, or a class is not finished."""
    registry = HOUSE
    for one in plugins:
        try:
            registry = HOUSE.using({**dict(registry.own), **dict(HOUSE.using(one.classes).own)})
        except InputError as error:
            raise PluginError(f"{one.given}: {str(error).removeprefix('using: ').partition('; write')[0]}") from None
    return registry


def _is_file(given: str) -> bool:
    return given.endswith(".py") or Path(given).is_file()


def _offered(name: str) -> EntryPoint | None:
    """What an installed package offers under a name, if one does. Raises PluginError where several offer different things."""
    offers = {one.value: one for one in entry_points(group=GROUP, name=name)}
    if len(offers) > 1:
        by = " and ".join(sorted(f"{one.dist.name if one.dist else '?'} ({one.value})" for one in offers.values()))
        raise PluginError(f"{name}: offered by {by}; give the module instead, as a dotted name")
    return next(iter(offers.values()), None)


def _the_class(module: ModuleType, attribute: str, given: str) -> tuple[type[Any], ...]:
    """The class that an entry point `module:attribute` names."""
    try:
        found: Any = functools.reduce(getattr, attribute.split("."), module)
    except AttributeError:
        raise PluginError(f"{given}: {module.__name__} has no `{attribute}`") from None
    if not isinstance(found, type) or not any(shelf.takes(found) for shelf in HOUSE):
        raise PluginError(f"{given}: `{module.__name__}:{attribute}` is no class derived from {_kinds()}")
    return (found,)


def _kinds() -> str:
    return ", ".join(shelf.kind.capitalize() for shelf in HOUSE)


def _imported(given: str) -> ModuleType:
    path = Path(given)
    if not _is_file(given):
        names = {one.name for one in entry_points(group=GROUP)}
        hint = f"; {did_you_mean(given, names)}".replace("; (", " (") if names else ""
        if not all(part.isidentifier() for part in given.split(".")):
            raise PluginError(
                f"`{given}` is neither a file, a module nor installed{hint}; write e.g. `--plugin mine.py`"
            )
        return _import(given, given, hint)
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


def _import(name: str, given: str, hint: str = "") -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name is not None and f"{name}.".startswith(f"{error.name}.")
        what = f"no such module `{error.name}`{hint}" if missing else f"cannot be imported: {error}"
        raise PluginError(f"{given}: {what}") from None
    except SyntaxError as error:
        file = "" if Path(error.filename or given).name == Path(given).name else f"{error.filename}, "
        where = f"line {error.lineno}: " if error.lineno else ""  # a file that is no text has none
        raise PluginError(f"{given}: {file}{where}{error.msg}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may raise anything
        raise PluginError(f"{given}: cannot be imported: {type(error).__name__}: {error}") from error


def _classes(module: ModuleType) -> Iterator[type[Any]]:
    """The classes of a kind that are defined in the module (or below it) and are not abstract."""
    for thing in vars(module).values():
        if isinstance(thing, type) and any(shelf.takes(thing) for shelf in HOUSE) and not inspect.isabstract(thing):
            home = thing.__module__
            if home == module.__name__ or home.startswith(f"{module.__name__}."):
                yield thing
