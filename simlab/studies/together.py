"""How likely models are to fail together, given what they share; beside the same models with every part their own.

Parts fail independently of each other, each with its probability of one day, but for the models' own failures, which may have one
normal factor in common: P(model fails | z) = N((N^-1(p) - sqrt(c) z) / sqrt(1 - c)) (Vasicek 2002, eq. 3). Given the factor and the
state of all parts that several models depend on, models fail independently; what is left is to sum over those
states, all of them or, where they are too many, some drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from simlab.base.arrays import Bools, Floats, Ints
from simlab.lab.streams import generator
from simlab.scenario.architecture import Architecture
from simlab.studies.blast import Needs, fall, needs

if TYPE_CHECKING:
    import networkx

MOST_EXACT = 16  # shared parts that can fail, up to which all their states are summed
DRAWS = 65_536
SEED = 1
STEP, EDGE = 1 / 8, 8.0  # of the trapezoid rule over the factor, which converges faster than any power of the step


class Chances(NamedTuple):
    """Probabilities of one day: that any model fails, that at least half of them do, that all do, and that `two` different ones do which
    are picked at random, by traffic (0 where there are no two).
    """

    any: float
    half: float
    all: float
    two: float


class Together(NamedTuple):
    """Failing together, as wired.

    `errors` are standard errors, 0 where all states were summed. `models` and `consumers` hold the probability that each fails.
    `effective` is the number of models that share nothing and would be as alike, n / (1 + (n - 1) r), with r the mean correlation
    of two models' failures; nan when none can fail. `shared` are the parts behind several models that can fail, `states` how many of
    their states were summed or drawn.
    """

    chances: Chances
    errors: Chances
    models: dict[str, float]
    consumers: dict[str, float]
    effective: float
    shared: tuple[str, ...]
    exact: bool
    states: int


class _Side(NamedTuple):
    """What a model fails by: parts that no other model depends on, and the shared parts they hang on."""

    own: tuple[str, ...]
    shared: tuple[str, ...]


class _Patterns(NamedTuple):
    """The distinct patterns in which parts fall silent, by part `(u,)`; `of` which pattern each of `2**k` states is one, and
    which of the `k` parts that can fail do so by themselves in it.
    """

    silent: dict[str, Bools]
    of: Ints
    lost: list[Bools]


def together(architecture: Architecture) -> Together:
    """The probabilities of failing together. Gains and timetables do not enter."""
    return _together(needs(architecture), tuple(_traffic(architecture).items()), architecture.correlation)


def owned(architecture: Architecture) -> tuple[Chances, Chances]:
    """The same if each model had a copy of its own of every part, with the same probabilities; and standard errors."""
    parts = needs(architecture)
    shares = _traffic(architecture)
    ways = [_Alone(name, _above(parts, name)) for name in shares]
    traffic = np.array(list(shares.values()))
    chances, variance = np.zeros(4), np.zeros(4)
    factor, share = _factor(architecture.correlation)
    draws = max(DRAWS // len(factor), 1)
    for i, (z, weight) in enumerate(zip(factor, share, strict=True)):
        p = {part.name: _given(part, z, architecture.correlation) for part in parts}
        q = np.array([way.chance(p, i, draws) for way in ways])
        chances += weight * _events(q[None], traffic)[0]
        for j, way in enumerate(ways):
            if way.drawn:  # the chances are linear in each model's own
                ends = _events(np.array([np.where(np.arange(len(q)) == j, end, q) for end in (0, 1)]), traffic)
                variance += (weight * (ends[1] - ends[0])) ** 2 * q[j] * (1 - q[j]) / draws
    return Chances(*chances.tolist()), Chances(*np.sqrt(variance).tolist())


def _traffic(architecture: Architecture) -> dict[str, float]:
    """Each model's share of the traffic."""
    models = architecture.of("model")
    total = sum(model.weight for model in models)
    return {model.name: model.weight / total for model in models}


@lru_cache(maxsize=512)
def _together(parts: tuple[Needs, ...], shares: tuple[tuple[str, float], ...], correlation: float) -> Together:
    models, traffic = [name for name, _ in shares], np.array([share for _, share in shares])
    consumers = [part for part in parts if part.kind == "consumer"]
    reach = _reach(parts)
    common = [part for part in parts if part.kind != "consumer" and len(reach[part.name]) > 1]
    sides = {name: _sides(parts, name, {part.name for part in common}) for name in models if len(reach[name]) == 1}
    risky = [part for part in common if 0 < part.fails < 1]
    patterns = _listed(common, risky) if len(risky) <= MOST_EXACT else None
    chances, variance = np.zeros(4), np.zeros(4)
    single, pairs, served = np.zeros(len(models)), np.zeros((len(models), len(models))), np.zeros(len(consumers))
    factor, share = _factor(correlation)
    for i, (z, chance) in enumerate(zip(factor, share, strict=True)):
        p = {part.name: _given(part, z, correlation) for part in parts}
        if patterns is not None:
            silent, weight = patterns.silent, chance * _weights(patterns, [p[part.name] for part in risky])
        else:
            draws = max(DRAWS // len(factor), 1)
            silent, weight = _drawn(common, p, i, draws), np.full(draws, chance / draws)
        q = np.stack([silent[m] * 1.0 if m in silent else _alone(sides[m], silent, p, len(weight)) for m in models], 1)
        events = _events(q, traffic)
        chances += np.einsum("s,se->e", weight, events)
        variance += 0 if patterns is not None else chance**2 * events.var(axis=0) / len(events)
        single += np.einsum("s,sm->m", weight, q)
        pairs += np.einsum("si,sj->ij", weight[:, None] * q, q)
        served += np.array([(weight * _served(one, models, q)).sum() for one in consumers])
    return Together(
        Chances(*chances.tolist()),
        Chances(*np.sqrt(variance).tolist()),
        dict(zip(models, single.tolist(), strict=True)),
        dict(zip((one.name for one in consumers), served.tolist(), strict=True)),
        _effective(single, pairs),
        tuple(part.name for part in risky),
        patterns is not None,
        DRAWS if patterns is None else 2 ** len(risky),
    )


@final
class _Alone:
    """The probability that one model falls silent when it shares nothing."""

    def __init__(self, name: str, parts: list[Needs]) -> None:
        self._name, self._parts = name, parts
        self._risky = [part for part in parts if 0 < part.fails < 1]
        self._gated = any(part.fallback is not None for part in parts)
        self.drawn = self._gated and len(self._risky) > MOST_EXACT
        self._patterns = _listed(parts, self._risky) if self._gated and not self.drawn else None

    def chance(self, p: Mapping[str, float], stratum: int, draws: int) -> float:
        """The probability, given that of each part that it hangs on."""
        if not self._gated:
            return 1 - float(np.prod([1 - p[part.name] for part in self._parts]))
        if self._patterns is None:
            return float(_drawn(self._parts, p, stratum, draws, f"{self._name}/")[self._name].mean())
        weight = _weights(self._patterns, [p[part.name] for part in self._risky])
        return float(weight[self._patterns.silent[self._name]].sum())


def _listed(parts: Sequence[Needs], risky: Sequence[Needs]) -> _Patterns:
    """Every state of the risky parts, and what fails with it."""
    states = 2 ** len(risky)
    lost = [(np.arange(states) >> i & 1).astype(bool) for i in range(len(risky))]
    given = {part.name: np.full(states, part.fails == 1) for part in parts}
    given |= {part.name: row for part, row in zip(risky, lost, strict=True)}
    silent = fall(parts, given, states).silent
    table = np.stack([silent[part.name] for part in parts], 1) if parts else np.zeros((states, 1), dtype=bool)
    _, first, of = np.unique(np.packbits(table, axis=1), axis=0, return_index=True, return_inverse=True)
    return _Patterns({name: row[first] for name, row in silent.items()}, of.reshape(-1), lost)


def _weights(patterns: _Patterns, chances: Sequence[float]) -> Floats:
    """The probability of each pattern, `(u,)`."""
    weight = np.ones(len(patterns.of))
    for row, p in zip(patterns.lost, chances, strict=True):
        weight *= np.where(row, p, 1 - p)
    return np.bincount(patterns.of, weight).astype(np.float64)


def _drawn(parts: Sequence[Needs], p: Mapping[str, float], stratum: int, draws: int, own: str = "") -> dict[str, Bools]:
    """What is silent in random states, `(draws,)`; each part has a stream of its own, so a change elsewhere keeps its luck."""
    lost = {q.name: generator(SEED, stratum, f"audit/{own}{q.name}").random(draws) < p[q.name] for q in parts}
    return fall(parts, lost, draws).silent


def _above(parts: Sequence[Needs], name: str) -> list[Needs]:
    """A part and everything that it hangs on, in the order of `parts`."""
    import networkx as nx

    found = {name} | nx.ancestors(_graph(parts), name)
    return [part for part in parts if part.name in found]


def _reach(parts: Sequence[Needs]) -> dict[str, set[str]]:
    """The models that each part can bring down, itself among them."""
    import networkx as nx

    graph = _graph(parts)
    models = {part.name for part in parts if part.kind == "model"}
    return {name: models & ({name} | nx.descendants(graph, name)) for name in graph}


def _graph(parts: Sequence[Needs]) -> networkx.DiGraph:
    """What leads to what: needs and fallbacks alike."""
    import networkx as nx

    graph = nx.DiGraph()
    for part in parts:
        graph.add_node(part.name)
        graph.add_edges_from((need, part.name) for need in part.needs)
        graph.add_edges_from([(part.fallback, part.name)] if part.fallback is not None else [])
    return graph


def _sides(parts: Sequence[Needs], model: str, common: set[str]) -> tuple[_Side, _Side | None]:
    """What a model that no other depends on hangs on: for itself, and for its fallback if it has one."""
    by_name = {part.name: part for part in parts}

    def side(first: str) -> _Side:
        own, shared, left = set(), set(), [first]
        while left:
            name = left.pop()
            if name in common:
                shared.add(name)
            elif name not in own:
                own.add(name)
                left += by_name[name].needs
        return _Side(tuple(sorted(own)), tuple(sorted(shared)))

    fallback = by_name[model].fallback
    return side(model), side(fallback) if fallback is not None else None


def _alone(
    sides: tuple[_Side, _Side | None], silent: Mapping[str, Bools], p: Mapping[str, float], states: int
) -> Floats:
    """The probability that a model falls silent in each state of the shared parts, `(s,)`.

    With a fallback: P(both fail) = 1 - P(main holds) - P(spare holds) + P(both hold), as they may have parts in common.
    """

    def holds(*some: _Side) -> Floats:
        """The probability that nothing on these sides has failed."""
        gates = [silent[name] for side in some for name in side.shared]
        fine = ~np.logical_or.reduce(gates) if gates else np.ones(states, dtype=bool)
        own = sorted({name for side in some for name in side.own})
        return fine * float(np.prod([1 - p[name] for name in own]))

    main, spare = sides
    if spare is None:
        return 1 - holds(main)
    return np.clip(1 - holds(main) - holds(spare) + holds(main, spare), 0, 1)


def _served(part: Needs, models: Sequence[str], q: Floats) -> Floats:
    """The probability that a consumer fails, given that of each model, `(s,)`."""
    used = q[:, [models.index(name) for name in part.needs]]
    fails: Floats = np.prod(used, axis=1) if part.any_will_do else 1 - np.prod(1 - used, axis=1)
    return fails


def _factor(correlation: float) -> tuple[Floats, Floats]:
    """Values of the common factor and their weights; one value when there is none."""
    if correlation == 0:
        return np.zeros(1), np.ones(1)
    z = np.arange(-EDGE, EDGE + STEP / 2, STEP)
    weight = np.exp(-(z**2) / 2)
    return z, weight / weight.sum()


def _given(part: Needs, z: float, correlation: float) -> float:
    """The probability that a part fails by itself, given the factor."""
    if part.kind != "model" or correlation == 0 or not 0 < part.fails < 1:
        return part.fails
    from scipy.special import ndtr, ndtri

    return float(ndtr((ndtri(part.fails) - np.sqrt(correlation) * z) / np.sqrt(1 - correlation)))


def _effective(single: Floats, pairs: Floats) -> float:
    """The effective number of models, from the probabilities that each fails `(m,)` and that two do `(m, m)`."""
    n = len(single)
    spread = np.sqrt(single * (1 - single))
    scale = np.outer(spread, spread)
    some = (scale > 0) & ~np.eye(n, dtype=bool)
    if not some.any():
        return float(n) if n == 1 and spread.any() else float("nan")
    r = (pairs - np.outer(single, single))[some] / scale[some]
    return float(n / (1 + (n - 1) * r.mean()))


def _events(q: Floats, traffic: Floats) -> Floats:
    """The chances, `(s, 4)`, of independent models that fail with probability `q` `(s, m)` and have these shares of traffic `(m,)`.

    The number of failures, one more model at a time (the Poisson binomial recursion; Barlow & Heidtmann 1984).
    """
    m = q.shape[1]
    count = np.zeros((len(q), m + 1))
    count[:, 0] = 1
    for i in range(m):
        p = q[:, i, None]
        count[:, 1 : i + 2] = count[:, 1 : i + 2] * (1 - p) + count[:, : i + 1] * p
        count[:, :1] *= 1 - p
    ends = np.cumsum(count[:, ::-1], axis=1)[:, ::-1]  # at least so many, summed from the rare end
    part = q * traffic
    pairs = part.sum(axis=1) ** 2 - (part**2).sum(axis=1)
    apart = 1 - (traffic**2).sum()
    two = pairs / apart if apart > 1e-12 else 0 * pairs
    return np.stack([ends[:, 1], ends[:, -(-m // 2)], count[:, m], np.maximum(two, 0)], 1)
