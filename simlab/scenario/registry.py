"""Worlds, brains, interventions and detectors by name. A name is a module of the house; nothing else is ever imported."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, final

from simlab.base.world import World
from simlab.brains.brain import Brain
from simlab.detectors.detector import Detector
from simlab.interventions.intervention import Intervention

NONE: Mapping[str, type[Any]] = MappingProxyType({})


@final
class Shelf:
    """The classes of one kind: one final subclass of `base` in each module of `package`, by the module's name.

    `more` adds classes by name. Modules are imported when they are asked for.
    """

    def __init__(self, base: type[Any], package: str | None, more: Mapping[str, type[Any]] = NONE) -> None:
        self._base, self._package, self._found = base, package, dict(more)

    def find(self, name: str) -> type[Any] | None:
        """The class called `name`, or None."""
        if name not in self._found and name in self._modules():
            module = importlib.import_module(f"{self._package}.{name}")
            here = [c for c in vars(module).values() if self._fits(c) and c.__module__ == module.__name__]
            if len(here) > 1:
                raise TypeError(f"{module.__name__} holds {len(here)} {self._base.__name__}s; expected one")
            self._found |= dict.fromkeys([name] if here else [], here[0] if here else object)
        return self._found.get(name)

    def add(self, classes: Mapping[str, type[Any]]) -> None:
        """Put more classes on the shelf, by name."""
        self._found |= classes

    def names(self) -> list[str]:
        """Every name there is; imports every module of the package."""
        return sorted(name for name in {*self._found, *self._modules()} if self.find(name))

    def _fits(self, thing: object) -> bool:
        if not (isinstance(thing, type) and issubclass(thing, self._base) and not inspect.isabstract(thing)):
            return False
        return thing is not self._base and bool(vars(thing).get("__final__"))

    def _modules(self) -> list[str]:
        if self._package is None:
            return []
        package = importlib.import_module(self._package)
        return [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]


class Registry(NamedTuple):
    """What a scenario can name."""

    worlds: Shelf
    brains: Shelf
    interventions: Shelf
    detectors: Shelf = Shelf(Detector, "simlab.detectors")


HOUSE = Registry(
    Shelf(World, "simlab.worlds"),
    Shelf(Brain, "simlab.brains"),
    Shelf(Intervention, "simlab.interventions"),
)
