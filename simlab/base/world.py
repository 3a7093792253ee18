"""World: an environment that reacts to the predictions made about it.

One turn of the loop, for a whole cohort of replications at once:

    observe -> predict -> act -> step (reality) -> learn -> observe ...

Shapes: `r` replications, `m` models, `v` feature views, `c` case axes, `f` features.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar, final

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import check_parameters

S = TypeVar("S")

Asks = Literal["number", "shares", "choice"]


class Spec(NamedTuple):
    """What a world asks of its models; brains size themselves from it.

    `views` is the number of feature views the world offers: one for each model, or 1 when every
    model necessarily sees the same. `features` counts real features, or `states` the values of
    an integer state. `choices` is the number of options where `asks` is "shares" or "choice".
    """

    models: int
    asks: Asks = "number"
    views: int = 1
    case: tuple[int, ...] = ()
    features: int = 0
    states: int = 0
    choices: int = 0


LARGEST = 3.4028234663852886e38  # the largest number of a record, whose series are float32


class Measure(NamedTuple):
    """What a world reports for each replication: its unit, its meaning, and which way is worse.

    The series is the value over time and the measure is its last value, so a quantity judged at
    the end (a drawdown, a count, a loss) is accumulated in the world's state. `unit` "1" is a pure number.
    A replication diverges where |value| exceeds `bound` or is NaN, unless it `may_be_undefined` (0/0 with no data yet). Values are
    held against it when they are recorded, so the time that is told is that of the first recorded instant at or after the tick.
    No finite bound reaches beyond `LARGEST`, the most that a series can hold; where `bound` is infinite there is none, and what is larger
    is infinite in the series.
    """

    unit: str
    about: str
    worse: Literal["higher", "lower", "neither"] = "neither"
    bound: float = LARGEST
    may_be_undefined: bool = False


@final
class Asked(Mapping[str, Floats]):
    """Measures `names` that are worked out when they are first asked for: harm asks for one each tick, the record now and then for all.

    What has no way of its own among `ways` stands in the state by that name.
    """

    def __init__(self, names: Collection[str], ways: Mapping[str, Callable[[], Floats]], state: object) -> None:
        self._names, self._ways, self._state = names, ways, state
        self._found: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._found:
            self._found[name] = self._ways[name]() if name in self._ways else getattr(self._state, name)
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Action(NamedTuple):
    """What agents did: `value` `(r, m, *c)` of any dtype, and its propensity where it is known."""

    value: Array
    chance: Array | None = None


class Feedback(NamedTuple):
    """What reality answered. Its case axes may differ from the question's.

    `outcome` `(r, m, *c')`; `weight` 0 unseen, n pooled answers, 1/p reweighted, or a mask of those that were seen,
    which is quicker where they are few; `action`, `x` and `chance` are what a delayed answer is about; `censored` marks
    outcomes that are only a bound.
    """

    outcome: Array
    weight: Array | None = None
    action: Array | None = None
    x: Array | None = None
    chance: Array | None = None
    censored: Array | None = None


class Calendar(Protocol):
    """What a world's own happenings may ask of the conductor."""

    @property
    def now(self) -> int:
        """The tick that is about to be played."""

    def wait(self, ticks: int) -> Any:
        """An event to `yield`: the happening goes on that many ticks later."""


Happening = Callable[[Calendar, Any], Generator[Any, Any, None]]


class World(ABC, Generic[S]):
    """A final frozen dataclass whose fields are its parameters (see `Par`).

    State `S` is a NamedTuple of arrays with the replication on axis 0. A world never reads who
    is wired to whom, never seeds, records or plots; all that is written once for every world.
    Methods may reuse and overwrite arrays of the state they are given, and never keep
    anything between calls: the instance is frozen and serves many cohorts.
    """

    measures: ClassVar[Mapping[str, Measure]]

    def __post_init__(self) -> None:
        check_parameters(self)
        self.check()
        if not 0 < self.tick < math.inf:  # NaN compares false
            raise ParameterError(
                f"{type(self).__name__}: its `tick` came to {self.tick} s; expected a finite time above 0 s, so look at what it is worked "
                "out from"
            )

    def check(self) -> None:
        """Hold parameters against each other; raise ParameterError where they contradict."""
        return

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """What this world asks of its models."""

    @property
    @abstractmethod
    def tick(self) -> float:
        """Seconds of simulated time in one step."""

    @abstractmethod
    def start(self, luck: Luck) -> S:
        """The state before the first tick, for `luck.replications` replications."""

    @abstractmethod
    def observe(self, state: S) -> Array:
        """The features now: `(r, v, *c, f)` float64, or an integer state `(r, v, *c)`.

        What is the same for all cases may be broadcast over them (`np.broadcast_to`): it costs nothing.
        Any noise in them is part of the state (drawn in `start` and `step`). What is returned must stay
        as it is until the next call: models learn from it after the next `step`.
        """

    def act(self, state: S, said: Array, luck: Luck) -> Action:
        """What agents do with what the models `said` `(r, m, *c, ...)`; by default, just that."""
        return Action(said)

    @abstractmethod
    def fallback(self, state: S, luck: Luck) -> Array:
        """The plain rule used when a brain is switched off, in the action's shape, units and dtype."""

    def open_loop(self, state: S, luck: Luck) -> Array:
        """What agents do when nobody listens to the models (the `feedback_off` control)."""
        return self.fallback(state, luck)

    @abstractmethod
    def step(self, state: S, action: Action, luck: Luck) -> tuple[S, Feedback | None]:
        """One tick of reality, given what agents did."""

    @abstractmethod
    def measure(self, state: S) -> Mapping[str, Floats]:
        """Each declared measure now, `(r,)`. Where they are dear, `Asked` works them out one by one; they are read before the next step."""

    def settle(self, state: S) -> S:
        """The state at the end of the warm-up, with what is accumulated set back to nothing."""
        return state

    def happenings(self) -> tuple[Happening, ...]:
        """Generators `f(calendar, loop)` that the conductor runs as SimPy processes."""
        return ()
