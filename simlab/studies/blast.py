"""What fails with what: failures on their way through an architecture, and the blast radius of each part.

A part fails by itself, or with anything that it needs; a model that fails is silent only if its fallback fails too. These are the
gates of a fault tree (Vesely et al. 1981, NUREG-0492), evaluated for many states at once. A failure also passes through training:
a model that learns from data that failed fails, at its next retraining.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Bools
from simlab.scenario.architecture import Architecture, Part


class Needs(NamedTuple):
    """What one part needs: all of `needs`, or (a consumer with `any_will_do`) one of them; and its fallback, if any."""

    name: str
    kind: str
    fails: float
    needs: tuple[str, ...]
    fallback: str | None
    any_will_do: bool


class Fallen(NamedTuple):
    """By part, whether it is `broken` in each state and whether it is also `silent`, `(s,)`: nothing answers in its place."""

    broken: dict[str, Bools]
    silent: dict[str, Bools]


class Blast(NamedTuple):
    """What the loss of one part alone does: which models and consumers fail, and which models live on their fallback.

    `traffic` is the share of traffic of the models that fail, `weight` that of the consumers. `direct` counts the parts that need it.
    """

    name: str
    kind: str
    direct: int
    models: tuple[str, ...]
    carried: tuple[str, ...]
    consumers: tuple[str, ...]
    traffic: float
    weight: float

    @property
    def share(self) -> float:
        """The larger of the two shares."""
        return max(self.traffic, self.weight)

    @property
    def single_point(self) -> bool:
        """Whether its loss takes more than half of the traffic or of the consumers."""
        return self.share > 0.5 + 1e-9


@lru_cache(maxsize=64)
def needs(architecture: Architecture) -> tuple[Needs, ...]:
    """The needs of every part, in an order in which what is needed comes first (but for circles through training)."""
    import networkx as nx

    graph = architecture.graph("shaped_by")
    if not nx.is_directed_acyclic_graph(graph):
        graph = architecture.graph("shaped_by", "trained_on")
    rank = {name: i for i, name in enumerate(nx.topological_sort(graph))}
    sources: dict[str, list[str]] = {part.name: [] for part in architecture.parts}
    for link in architecture.links:
        if link.how not in ("shaped_by", "fallback") and link.source not in sources[link.target]:
            sources[link.target].append(link.source)
    found = [
        Needs(part.name, part.kind, part.fails, tuple(sources[part.name]), part.fallback, part.any_will_do)
        for part in architecture.parts
    ]
    return tuple(sorted(found, key=lambda one: rank[one.name]))


def fall(parts: Iterable[Needs], lost: Mapping[str, Bools], states: int) -> Fallen:
    """What fails in each of `states` states, where `lost` says which parts fail by themselves, each `(states,)`.

    The least set that is closed under the gates; circles through training are followed until nothing more fails.
    """
    parts = tuple(parts)
    never = np.zeros(states, dtype=bool)
    broken = {part.name: never for part in parts}
    silent = dict(broken)
    while True:
        before = silent.copy()
        for part in parts:
            down = lost.get(part.name, never)
            gates = [silent[need] for need in part.needs]
            if gates:
                down = down | (np.logical_and if part.any_will_do else np.logical_or).reduce(gates)
            broken[part.name] = down
            silent[part.name] = down & silent[part.fallback] if part.fallback is not None else down
        if all(np.array_equal(before[name], now) for name, now in silent.items()):
            return Fallen(broken, silent)


@lru_cache(maxsize=64)
def blasts(architecture: Architecture) -> tuple[Blast, ...]:
    """The blast radius of every part but consumers, the widest first."""
    order, fallen = needs(architecture), _one_by_one(architecture)
    models, consumers = architecture.of("model"), architecture.of("consumer")
    direct = {part.name: 0 for part in order}
    for part in order:
        for need in {*part.needs, *((part.fallback,) if part.fallback is not None else ())}:
            direct[need] += 1
    found = []
    for i, part in enumerate(order):
        if part.kind != "consumer":
            dark = tuple(m.name for m in models if fallen.silent[m.name][i])
            carried = tuple(m.name for m in models if fallen.broken[m.name][i] and not fallen.silent[m.name][i])
            hit = tuple(one.name for one in consumers if fallen.silent[one.name][i])
            lost = _share(models, dark), _share(consumers, hit)
            found.append(Blast(part.name, part.kind, direct[part.name], dark, carried, hit, *lost))
    place = {part.name: i for i, part in enumerate(architecture.parts)}
    return tuple(sorted(found, key=lambda one: (-round(one.share, 9), -len(one.models), place[one.name])))


def widest(architecture: Architecture) -> float:
    """The largest share of the traffic or of the consumers that fails with one part."""
    silent = _one_by_one(architecture).silent
    parts = np.array([part.kind != "consumer" for part in needs(architecture)])
    most = 0.0
    for kind in ("model", "consumer"):
        some = architecture.of(kind)
        lost = sum((silent[one.name] * one.weight for one in some), np.zeros(len(parts)))
        most = max(most, float((lost * parts).max()) / sum(one.weight for one in some) if some else 0.0)
    return most


def _one_by_one(architecture: Architecture) -> Fallen:
    """What falls with each part alone, a state for each."""
    order = needs(architecture)
    return fall(order, {part.name: np.arange(len(order)) == i for i, part in enumerate(order)}, len(order))


def _share(some: Sequence[Part], names: Sequence[str]) -> float:
    """The weight of those that are named, as a share of all."""
    return sum(one.weight for one in some if one.name in names) / sum(one.weight for one in some) if names else 0.0
