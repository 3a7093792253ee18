"""Topology: who shares what. Data only; the same table wires the run, the graph and the report.

| preset | brains | views | pools |
|---|---|---|---|
| isolated | own | own | own |
| feature_store | own | one | own |
| shared_data | own | own | one |
| shared_brain | one | own | one |
| shared | one | one | one |
| federated | own | own | own, `average_every` |
| bulkheads(k) | k blocks | k blocks | k blocks |
| chain | own | own | own, each reads the one before |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, final

from simlab.base.errors import InputError, did_you_mean
from simlab.base.world import Spec

if TYPE_CHECKING:
    import networkx

AverageBy = Literal["mean", "median", "trimmed", "krum"]
AVERAGES: tuple[AverageBy, ...] = ("mean", "median", "trimmed", "krum")
PRESETS = ("isolated", "feature_store", "shared_data", "shared_brain", "shared", "federated", "bulkheads", "chain")
SCHEDULES = ("synchronised", "staggered", "random")


@final
@dataclass(frozen=True)
class Topology:
    """How `m` models are wired to `b` brains, feature views and evidence pools.

    `brain_of`, `view_of`, `data_of` `(m,)`: the brain that answers for a model, the view it reads, the pool its
    experience goes to. `taught_by`, `kind_of` `(b,)`: the pool a brain learns from and which of the
    scenario's brains it is. `reads` `(m, k)`: upstream models whose predictions it also sees (or empty), within a
    tick unless `lag`. `average_every`: seconds between federated rounds, 0 for never. `stragglers`: probability that a
    brain is late for a round; it then does not count, and is handed the result all the same.
    """

    brain_of: tuple[int, ...]
    view_of: tuple[int, ...]
    data_of: tuple[int, ...]
    taught_by: tuple[int, ...]
    kind_of: tuple[int, ...]
    reads: tuple[tuple[int, ...], ...] = ()
    lag: bool = False
    average_every: float = 0.0
    average_by: AverageBy = "mean"
    stragglers: float = 0.0

    def __post_init__(self) -> None:
        m, b = len(self.brain_of), len(self.taught_by)
        for name, values, size, top in (
            ("view_of", self.view_of, m, None),
            ("data_of", self.data_of, m, None),
            ("brain_of", self.brain_of, m, b),
            ("kind_of", self.kind_of, b, None),
            ("taught_by", self.taught_by, b, None),
        ):
            if len(values) != size:
                raise InputError(f"topology.{name} has {len(values)} entries; expected {size}")
            if any(v < 0 or (top is not None and v >= top) for v in values):
                raise InputError(f"topology.{name} must hold numbers from 0{f' to {top - 1}' if top else ''}")
        if set(self.brain_of) != set(range(b)):
            raise InputError(f"topology.brain_of must name every brain from 0 to {b - 1}")
        missing = sorted(set(self.taught_by) - set(self.data_of))
        if missing:
            raise InputError(f"topology.taught_by names pool {missing[0]}, to which no model's data_of goes")
        if self.reads and (len(self.reads) != m or len({len(row) for row in self.reads}) != 1):
            raise InputError(
                f"topology.reads: expected one list for each of the {m} models, all of one length (-1 for none)"
            )
        unknown = [up for row in self.reads for up in row if not -1 <= up < m]
        if unknown:
            raise InputError(f"topology.reads: there is no model {unknown[0]}; they are 0 to {m - 1}, and -1 is none")
        if self.average_by not in AVERAGES:
            raise InputError(
                f"topology.average_by: unknown `{self.average_by}`; {did_you_mean(self.average_by, AVERAGES)}"
            )
        if not 0 <= self.stragglers <= 1:
            raise InputError(f"topology.stragglers must be a probability from 0 to 1, not {self.stragglers}")
        if self.stragglers and not self.average_every:
            raise InputError("topology.stragglers: nobody is late without rounds; add e.g. `average_every: 10 min`")
        if self.reads and not self.lag:
            self.rungs()

    @property
    def models(self) -> int:
        """How many models there are, `m`."""
        return len(self.brain_of)

    @property
    def brains(self) -> int:
        """How many brains there are, `b`."""
        return len(self.taught_by)

    def rungs(self) -> list[list[int]]:
        """The models in the order in which they can be asked within a tick, by dependency depth.

        Raises InputError where the models read each other in a circle within one tick.
        """
        if not self.reads:
            return [list(range(self.models))]
        left, done, order = set(range(self.models)), set[int](), list[list[int]]()
        while left:
            ready = sorted(m for m in left if all(u in done or u < 0 for u in self.reads[m]))
            if not ready:
                itself = [m for m in left if m in self.reads[m]]
                who = (
                    f"model {itself[0]} reads itself"
                    if itself
                    else f"models {sorted(left)} read each other in a circle"
                )
                raise InputError(f"topology.reads: {who}; give one tick of lag: `lag: true`")
            order.append(ready)
            done.update(ready)
            left.difference_update(ready)
        return order

    def canonical(self, spec: Spec) -> Topology:
        """This topology as the world with `spec` can tell it apart: parts renumbered by first use, and one view where the world has one.

        Two arms with the same canonical topology are the same arm.
        """
        view = tuple(0 for _ in self.view_of) if spec.views == 1 else _by_first_use(self.view_of)
        if spec.views not in (1, self.models):
            raise InputError(
                f"the world offers {spec.views} views; expected 1 or one for each of the {self.models} models"
            )
        names: dict[int, int] = {}
        data = tuple(names.setdefault(pool, len(names)) for pool in self.data_of)
        order = sorted(range(self.brains), key=_first_of(self.brain_of).__getitem__)
        rank = {old: new for new, old in enumerate(order)}
        return replace(
            self,
            brain_of=tuple(rank[b] for b in self.brain_of),
            view_of=view,
            data_of=data,
            taught_by=tuple(names[self.taught_by[b]] for b in order),
            kind_of=tuple(self.kind_of[b] for b in order),
        )

    def graph(self) -> networkx.DiGraph:
        """The wiring as a directed graph from what is depended on to what depends on it.

        Nodes are `("pool", i)`, `("view", i)`, `("brain", i)`, `("model", i)`; each has `part` (its first element),
        `reach` (how many models fail with it: its blast radius) and `shared` (reach above 1, models aside). Federated rounds are
        nodes `("round", kind)` through which brains of a kind reach each other.
        """
        import networkx as nx

        g = nx.DiGraph()
        for m in range(self.models):
            g.add_node(("model", m), part="model")
            for part, i in (("view", self.view_of[m]), ("brain", self.brain_of[m])):
                g.add_node((part, i), part=part)
                g.add_edge((part, i), ("model", m))
            for u in self.reads[m] if self.reads else ():
                if u >= 0:
                    g.add_edge(("model", u), ("model", m))
        for b, pool in enumerate(self.taught_by):
            g.add_node(("pool", pool), part="pool")
            g.add_edge(("pool", pool), ("brain", b))
            if self.average_every:  # whatever one brain brings to a round, all that take part take home
                meets = ("round", self.kind_of[b])
                g.add_node(meets, part="round")
                g.add_edges_from([(("brain", b), meets), (meets, ("brain", b))])
        for node in g:
            below = nx.descendants(g, node) | {node}
            reach = sum(part == "model" for part, _ in below)
            g.nodes[node].update(reach=reach, shared=node[0] != "model" and reach > 1)
        return g

    def depth(self) -> int:
        """The longest chain of models that read each other within a tick (1 when none reads another)."""
        return len(self.rungs()) if not self.lag else 1


def groups(owner_of: tuple[int, ...]) -> dict[int, list[int]]:
    """The models of each brain or pool."""
    found: dict[int, list[int]] = {}
    for model, owner in enumerate(owner_of):
        found.setdefault(owner, []).append(model)
    return found


def wire(wiring: str, models: int, *, kinds: int = 1, share: float = 1.0, **given: Any) -> Topology:
    """The topology a preset names, for `models` models; `given` replaces single fields of it.

    `share` wires round(share x models) of the models as the preset says and leaves the rest isolated. With
    several `kinds` of brain, brains take them in turn. Raises InputError for an unknown name.
    """
    name, number = _call(wiring, PRESETS, "wiring")
    size = None if number is None else int(number)
    if number is not None and (name != "bulkheads" or number != size):
        raise InputError(
            f"`{wiring}`: "
            + ("write a whole number of blocks" if name == "bulkheads" else f"write `{name}`, without a number")
        )
    own, one = tuple(range(models)), (0,) * models
    blocks = tuple(m * (size or 1) // models for m in range(models))
    if name == "bulkheads" and not (size and 1 <= size <= models):
        raise InputError(
            f"`{wiring}`: write the number of blocks, from 1 to {models}, e.g. `bulkheads({min(2, models)})`"
        )
    brain = {"shared_brain": one, "shared": one, "bulkheads": blocks}.get(name, own)
    view = {"feature_store": one, "shared": one, "bulkheads": blocks}.get(name, own)
    data = {"shared_data": one, "shared_brain": one, "shared": one, "bulkheads": blocks}.get(name, own)
    if not 0 <= share <= 1:
        raise InputError(f"topology.share must be from 0 to 1, not {share}")
    if share < 1:
        some = round(share * models)
        brain, view, data = (_partly(part, some) for part in (brain, view, data))
    b = max(brain) + 1
    first = _first_of(brain)
    fields: dict[str, Any] = {
        "brain_of": brain,
        "view_of": view,
        "data_of": data,
        "taught_by": tuple(data[first[i]] for i in range(b)),
        "kind_of": tuple(i % kinds for i in range(b)),
    }
    if name == "chain":
        fields["reads"] = tuple((m - 1,) for m in range(models))
    if name == "federated" and not given.get("average_every"):
        raise InputError(
            "wiring `federated` needs the time between rounds, e.g. `{wiring: federated, average_every: 10 min}`"
        )
    return Topology(**(fields | given))


@final
@dataclass(frozen=True)
class Schedule:
    """When brains retrain, in seconds: every `every`, for `busy` each time, `jitter` later or earlier at random.

    `how` is "synchronised" (all at once), "staggered" (cohorts of `size` brains, evenly apart) or "random" (at
    each turn a brain retrains with probability `chance`). `every` 0 means never. New weights serve once `busy` is over. With
    `waits` brains are not held to a timetable but to timers: retrainings are done one after the other, and the timers of all
    that came up meanwhile are set anew when the last is done.
    """

    every: float = 0.0
    jitter: float = 0.0
    busy: float = 0.0
    how: Literal["synchronised", "staggered", "random"] = "synchronised"
    size: int = 1
    chance: float = 1.0
    waits: bool = False

    def phases(self, brains: int) -> tuple[float, ...]:
        """The first retraining of each brain, seconds from the start, `(b,)`."""
        if self.how != "staggered":
            return (self.every,) * brains
        cohorts = -(-brains // self.size)
        return tuple(self.every * (1 + (b // self.size) / cohorts) for b in range(brains))


def schedule(text: str, base: Schedule) -> Schedule:
    """`base`, arranged as `text` says: `synchronised`, `staggered(m)` or `random(q)`."""
    name, size = _call(text, SCHEDULES, "schedule")
    if name == "staggered":
        if size is not None and (size < 1 or size != int(size)):
            raise InputError(f"`{text}`: write how many brains retrain together, e.g. `staggered(1)`")
        return replace(base, how="staggered", size=int(size or 1))
    if name == "random":
        if size is None or not 0 < size <= 1:
            raise InputError(f"`{text}`: write the probability, above 0 and at most 1, e.g. `random(0.5)`")
        return replace(base, how="random", chance=float(size))
    return replace(base, how="synchronised")


def _call(text: str, known: tuple[str, ...], what: str) -> tuple[str, float | None]:
    """Read `name` or `name(number)`."""
    found = re.fullmatch(r"(\w+)(?:\(([0-9.]+)\))?", text.strip())
    name = found[1] if found else text
    if not found or name not in known:
        raise InputError(f"unknown {what} `{name}`; {did_you_mean(name, known)}")
    try:
        number = float(found[2]) if found[2] else None
    except ValueError:
        raise InputError(f"cannot read the number in `{text}`") from None
    return name, number


def _partly(part: tuple[int, ...], some: int) -> tuple[int, ...]:
    top = max(part[:some], default=-1) + 1
    return part[:some] + tuple(top + i for i in range(len(part) - some))


def _by_first_use(values: tuple[int, ...]) -> tuple[int, ...]:
    """Name each group after the first model in it, so that an own view stays the model's own."""
    first = _first_of(values)
    return tuple(first[v] for v in values)


def _first_of(values: tuple[int, ...]) -> dict[int, int]:
    """Where each value is first met."""
    first: dict[int, int] = {}
    for i, value in enumerate(values):
        first.setdefault(value, i)
    return first
