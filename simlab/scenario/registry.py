"""Worlds, brains, interventions and detectors by name. A name is a module of the house; nothing else is ever imported."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, final

from simlab.base.errors import InputError
from simlab.base.par import parameters
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
        self.more: Mapping[str, type[Any]] = MappingProxyType(dict(more))

    def extended(self, more: Mapping[str, type[Any]]) -> Shelf:
        """This shelf with more classes on it. Raises InputError where a name is taken."""
        for name in more:
            if self.find(name) is not None and name not in self.more:
                write = f"using={{'my_{name}': {more[name].__name__}}}"
                raise InputError(f"using: `{name}` is the name of another {self.kind}; write e.g. `{write}`")
        return Shelf(self._base, self._package, {**self.more, **more})

    @property
    def kind(self) -> str:
        """What stands on it, in a word."""
        return self._base.__name__.lower()

    def takes(self, thing: type[Any]) -> bool:
        """Whether a class is of the kind that stands on it."""
        return issubclass(thing, self._base)

    def find(self, name: str) -> type[Any] | None:
        """The class called `name`, or None."""
        if name not in self._found and name in self._modules():
            module = importlib.import_module(f"{self._package}.{name}")
            here = [c for c in vars(module).values() if self._fits(c) and c.__module__ == module.__name__]
            if len(here) > 1:
                raise TypeError(f"{module.__name__} holds {len(here)} {self._base.__name__}s; expected one")
            self._found |= dict.fromkeys([name] if here else [], here[0] if here else object)
        return self._found.get(name)

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


Own: TypeAlias = Iterable[type[Any]] | Mapping[str, type[Any]]


class Registry(NamedTuple):
    """What a scenario can name."""

    worlds: Shelf
    brains: Shelf
    interventions: Shelf
    detectors: Shelf = Shelf(Detector, "simlab.detectors")

    def using(self, own: Own) -> Registry:
        """This registry with classes of somebody's own: by name, or under their own names in lower case (`MyWorld` is `my_world`).

        Raises InputError for what is no finished World, Brain, Intervention or Detector, with how to mend it.
        """
        named = own if isinstance(own, Mapping) else {snake(getattr(one, "__name__", str(one))): one for one in own}
        more: list[dict[str, type[Any]]] = [{} for _ in self]
        for name, thing in named.items():
            at = [i for i, shelf in enumerate(self) if isinstance(thing, type) and shelf.takes(thing)]
            if not at:
                kinds = ", ".join(shelf.kind.capitalize() for shelf in self)
                raise InputError(f"using: `{name}` is no class derived from one of {kinds}, but {thing!r:.80}")
            _finished(thing)
            more[at[0]][name] = thing
        return Registry(*(shelf.extended(found) for shelf, found in zip(self, more, strict=True)))

    @property
    def own(self) -> tuple[tuple[str, type[Any]], ...]:
        """The classes that are not found in the house, with their names."""
        return tuple(item for shelf in self for item in sorted(shelf.more.items()))


def snake(name: str) -> str:
    """A class's name as a scenario writes it: `MyWorld` is `my_world`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _finished(thing: type[Any]) -> None:
    """Raise InputError for a class that cannot be built from parameters."""
    missing = sorted(getattr(thing, "__abstractmethods__", ()))
    if missing:
        raise InputError(f"{thing.__name__} lacks {', '.join(f'`{name}`' for name in missing)}")
    decorated = is_dataclass(thing) and "__dataclass_fields__" in vars(thing)
    if not decorated or not getattr(thing, "__dataclass_params__").frozen:  # noqa: B009  # typeshed knows it not
        raise InputError(f"{thing.__name__} is no frozen dataclass; write `@dataclass(frozen=True)` above the class")
    try:
        parameters(thing)
    except (TypeError, NameError) as error:
        raise InputError(f"{thing.__name__}: {error}") from None


HOUSE = Registry(
    Shelf(World, "simlab.worlds"),
    Shelf(Brain, "simlab.brains"),
    Shelf(Intervention, "simlab.interventions"),
)
