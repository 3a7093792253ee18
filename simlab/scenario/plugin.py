"""A user's own worlds, brains, detectors and interventions: a module that is named explicitly, and only then imported.

A scenario is data and never names code. `adopt` is what `--plugin` calls: it imports one module and puts its classes beside
those of the house, under their names in lower case with underscores (`FlashCrash` is `flash_crash`). Which module a scenario
needs, and a digest of its sources, go into the scenario's document and so into the name of its run: an edited plugin is another
run. The digest covers the module's own files, not what it imports.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import keyword
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from simlab.base.errors import PluginError, nearest
from simlab.base.par import parameters
from simlab.base.world import World
from simlab.brains.brain import Brain
from simlab.detectors.detector import Detector
from simlab.interventions.intervention import Intervention
from simlab.scenario.registry import HOUSE, Registry

KINDS: dict[str, type[Any]] = {
    "worlds": World,
    "brains": Brain,
    "interventions": Intervention,
    "detectors": Detector,
}


class Plugin(NamedTuple):
    """A module that was adopted: as it was `given`, its name, a digest of its sources, and its classes by their new names."""

    given: str
    module: str
    digest: str
    classes: dict[str, type[Any]]


_adopted: dict[str, Plugin] = {}  # by the module's name, in the order in which they were given


def adopted() -> tuple[Plugin, ...]:
    """The plugins of this process."""
    return tuple(_adopted.values())


def adopt(given: str, registry: Registry = HOUSE) -> Plugin:
    """Import a module, a file `mine.py` or a dotted name, and make its classes known; once is enough.

    Raises PluginError where it cannot be imported, holds no class of a kind, or a name is taken.
    """
    module = _imported(given)
    if module.__name__ in _adopted:
        return _adopted[module.__name__]
    found = {shelf: list(_classes(module, base)) for shelf, base in KINDS.items()}
    named: dict[str, type[Any]] = {}
    for shelf, classes in found.items():
        for owner in classes:
            name = name_of(owner)
            if name in named or getattr(registry, shelf).find(name) is not None:
                taken = f"{module.__name__}.py" if name in named else "simlab"
                raise PluginError(
                    f"{given}: `{name}` is taken in {taken}; give the class {owner.__name__} another name"
                )
            try:
                parameters(owner)
            except TypeError as error:
                raise PluginError(f"{given}: {error}") from None
            named[name] = owner
    if not named:
        kinds = ", ".join(base.__name__ for base in KINDS.values())
        raise PluginError(f"{given}: holds no class derived from {kinds} that can be made")
    for shelf, classes in found.items():
        getattr(registry, shelf).add({name_of(owner): owner for owner in classes})
    _adopted[module.__name__] = Plugin(given, module.__name__, _digest(module), named)
    return _adopted[module.__name__]


def name_of(owner: type[Any]) -> str:
    """What a class is called in YAML: `FlashCrash` is `flash_crash`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", owner.__name__).lower()


def used(owners: Iterable[type[Any]]) -> dict[str, str]:
    """The digests, by module, of the plugins that these classes come from."""
    homes = {owner.__module__ for owner in owners}
    return {
        plugin.module: plugin.digest
        for plugin in adopted()
        if any(home == plugin.module or home.startswith(f"{plugin.module}.") for home in homes)
    }


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


def _classes(module: ModuleType, base: type[Any]) -> Iterable[type[Any]]:
    """The classes of a kind that are defined in the module (or below it) and are not abstract."""
    for thing in vars(module).values():
        if isinstance(thing, type) and issubclass(thing, base) and not inspect.isabstract(thing):
            home = thing.__module__
            if home == module.__name__ or home.startswith(f"{module.__name__}."):
                yield thing


def _digest(module: ModuleType) -> str:
    file = Path(str(module.__file__))
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    found = hashlib.sha256()
    for path in files:
        found.update(path.relative_to(file.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]
