"""Parameters: a dataclass field annotated with its unit, meaning, bounds and source.

    busy_rate: Annotated[float, Par("1/day", "incidents in the busier region", low=0,
                                    source="Ensign 2018, Fig. 1")] = 3.685

The same `Par` serves the check at construction, the JSON Schema of scenarios and `simlab describe`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple, cast, final, get_args, get_origin, get_type_hints

from simlab.base.errors import ParameterError, did_you_mean

NO_LIMIT = 1e300  # the default of a bound that binds nothing
CHOSEN = "chosen"


@final
@dataclass(frozen=True)
class Par:
    """What a parameter is: its unit ("1" when it has none), its meaning, its bounds and its source.

    Bounds are inclusive (`low`, `high`) or exclusive (`above`, `below`). A `source` of "chosen" is
    allowed, counted, and shown in reports. A `live` parameter may be changed by a shock while the
    run goes on. A parameter in "s" reads durations such as `30 min` in a scenario.
    """

    unit: str
    about: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    source: str = CHOSEN
    live: bool = False
    choices: tuple[str, ...] = ()

    def why_not(self, value: float | str) -> str | None:
        """What is wrong with `value`, as "must be ...", or None when it is within the bounds."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                return f"must be one of {', '.join(self.choices)}; {did_you_mean(value, self.choices)}"
            return None
        if not math.isfinite(value):
            return "must be a finite number"
        if self.low is not None and value < self.low:
            return f"must be at least {_exact(self.low)}{unit}"
        if self.high is not None and value > self.high:
            return f"must be at most {_exact(self.high)}{unit}"
        if self.above is not None and value <= self.above:
            return f"must be above {self.above:g}{unit}"
        if self.below is not None and value >= self.below:
            return f"must be below {self.below:g}{unit}"
        return None


class Parameter(NamedTuple):
    """One declared parameter of a class: its name, its type, its `Par` and its default."""

    name: str
    kind: type
    par: Par
    default: Any  # dataclasses.MISSING when there is none


def parameters(owner: type[Any]) -> dict[str, Parameter]:
    """The parameters that the dataclass `owner` declares, by name, in their order of declaration."""
    return _declared(cast(Any, owner))


@cache
def _declared(owner: Any) -> dict[str, Parameter]:
    hints = get_type_hints(owner, include_extras=True)
    found = {}
    for field in dataclasses.fields(owner):
        hint = hints[field.name]
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{owner.__name__}.{field.name}: annotate it as Annotated[type, Par(unit, about, ...)]")
        kind, par = get_args(hint)[:2]
        found[field.name] = Parameter(field.name, kind, par, field.default)
    return found


def check_parameters(owner: Any) -> None:
    """Hold the fields of a dataclass instance against their declarations.

    Raises ParameterError naming class, field, value, and what was expected. An int is accepted
    where a float is declared; a bool is never accepted as a number.
    """
    for name, (_, kind, par, _) in parameters(type(owner)).items():
        value = getattr(owner, name)
        for item in value if isinstance(value, tuple) else (value,):
            wrong = _wrong_type(item, kind) or par.why_not(item)
            if wrong:
                raise ParameterError(f"{type(owner).__name__}.{name} {wrong}, not {value!r} ({par.about})")


def _wrong_type(value: object, kind: Any) -> str | None:
    item = get_args(kind)[0] if get_origin(kind) is tuple else kind
    if item is bool or item is str:
        return None if isinstance(value, item) else f"must be a {item.__name__}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "must be a number"
    if item is int and not isinstance(value, int):
        return "must be a whole number"
    return None


def _exact(bound: float) -> str:
    """A bound as it is written: whole numbers with all their digits."""
    return str(bound) if isinstance(bound, int) else f"{bound:.12g}"
