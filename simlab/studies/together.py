"""How likely models are to fail together, given what they share; beside the same models with every part their own.

Given the common factor (see `holding`) and the state of all parts that several models depend on, models fail independently. So the
number of models that fail is summed over all those states or, where they are too many, over some drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Bools, Floats, Ints
from simlab.lab.streams import generator
from simlab.scenario.architecture import Architecture
from simlab.studies.blast import Needs, fall, needs
from simlab.studies.holding import chances, factor, holding, pairs, picked, single, traffic, ways

MOST_EXACT = 16  # shared parts that can fail, up to which all their states are summed
DRAWS = 65_536
SEED = 1

Shares = tuple[tuple[str, float], ...]


class Chances(NamedTuple):
    """Probabilities of one day: that any model fails, that at least half of them do, that all do, and that `two` different ones do
    which are picked at random, by traffic (0 where there are no two).
    """

    any: float
    half: float
    all: float
    two: float


class Together(NamedTuple):
    """Failing together: `wired` as it is, and with every part `owned` by one model.

    `errors` are the standard errors of `wired`, 0 where nothing was drawn. `models` and `consumers` hold the probability that each
    fails. `effective` is the number of models that share nothing and would be as alike, n / (1 + (n - 1) r), with r the mean
    correlation of two models' failures; nan when none can fail. `shared` are the parts behind several models that can fail,
    `states` how many of their states were summed (`exact`) or drawn.
    """

    wired: Chances
    owned: Chances
    errors: Chances
    models: dict[str, float]
    consumers: dict[str, float]
    effective: float
    shared: tuple[str, ...]
    exact: bool
    states: int


class _Rows(NamedTuple):
    """One value of the factor, its weight, and states of the shared parts: their weights `(s,)`, and the chance `(s, m)` that each
    model fails in them.
    """

    z: float
    chance: float
    weight: Floats
    q: Floats


def two(architecture: Architecture) -> float:
    """The probability that two different models, picked at random by traffic, fail on the same day."""
    return _two(needs(architecture), traffic(architecture), architecture.correlation)


def together(architecture: Architecture) -> Together:
    """The probabilities of failing together. Gains and timetables do not enter."""
    parts, shares, correlation = needs(architecture), traffic(architecture), architecture.correlation
    names, share = [name for name, _ in shares], np.array([share for _, share in shares])
    common = _common(parts)
    risky = [part for part in common if 0 < part.fails < 1]
    exact = len(risky) <= MOST_EXACT
    consumers = [part for part in parts if part.kind == "consumer"]
    found = ways(parts, tuple(names))
    wired, owned, variance = np.zeros(3), np.zeros(3), np.zeros(3)
    one, served, both = np.zeros(len(names)), np.zeros(len(consumers)), np.zeros((len(names), len(names)))
    apart, drift = 0.0, 0.0
    for rows in _rows(parts, names, correlation):
        weight = rows.chance * rows.weight
        counts = _counts(rows.q)
        wired += np.einsum("s,se->e", weight, counts)
        served += np.array([(weight * _served(part, names, rows.q)).sum() for part in consumers])
        holds = holding(parts, chances(parts, rows.z, correlation))
        drawn = np.einsum("s,sm->m", rows.weight, rows.q)
        alone = single(found, holds) if found is not None else drawn
        one += rows.chance * alone
        owned += rows.chance * _counts(alone[None])[0]
        apart += rows.chance * picked(np.outer(alone, alone), share)
        some = (
            pairs(found, holds) if found is not None else np.einsum("si,sj->ij", rows.weight[:, None] * rows.q, rows.q)
        )
        both += rows.chance * some
        if not exact:
            variance += rows.chance**2 * counts.var(axis=0) / len(counts)
            drift += rows.chance**2 * _two_of(rows.q, share).var() / len(counts) if found is None else 0.0
    return Together(
        Chances(*_floats(*wired, picked(both, share))),
        Chances(*_floats(*owned, apart)),
        Chances(*_floats(*np.sqrt(variance), np.sqrt(drift))),
        dict(zip(names, one.tolist(), strict=True)),
        dict(zip((part.name for part in consumers), served.tolist(), strict=True)),
        _effective(one, both),
        tuple(part.name for part in risky),
        exact,
        2 ** len(risky) if exact else DRAWS,
    )


@lru_cache(maxsize=512)
def _two(parts: tuple[Needs, ...], shares: Shares, correlation: float) -> float:
    names, share = tuple(name for name, _ in shares), np.array([share for _, share in shares])
    found = ways(parts, names)
    if found is None:
        return sum(r.chance * float(r.weight @ _two_of(r.q, share)) for r in _rows(parts, names, correlation))
    both = np.zeros((len(names), len(names)))
    for z, chance in zip(*factor(correlation), strict=True):
        both += chance * pairs(found, holding(parts, chances(parts, z, correlation)))
    return picked(both, share)


def _two_of(q: Floats, share: Floats) -> Floats:
    """The chance that two models fail which are picked by their shares, of models that fail independently, `(s,)`."""
    part, apart = q * share, 1 - float((share**2).sum())
    both: Floats = part.sum(axis=1) ** 2 - (part**2).sum(axis=1)
    return np.maximum(both / apart, 0) if apart > 1e-12 else 0 * both


def _rows(parts: tuple[Needs, ...], models: Sequence[str], correlation: float) -> Iterator[_Rows]:
    """What fails in which states, for each value of the factor."""
    common = _common(parts)
    risky = [part for part in common if 0 < part.fails < 1]
    sides = {name: _sides(parts, name, {part.name for part in common}) for name in models}
    patterns = _listed(common, risky) if len(risky) <= MOST_EXACT else None
    values, weights = factor(correlation)
    draws = max(DRAWS // len(values), 1)
    for i, (z, chance) in enumerate(zip(values, weights, strict=True)):
        p = chances(parts, z, correlation)
        if patterns is not None:
            silent, weight = patterns.silent, _weights(patterns, [p[part.name] for part in risky])
        else:
            silent, weight = _drawn(common, p, i, draws), np.full(draws, 1 / draws)
        q = [silent[m] * 1.0 if m in silent else _alone(sides[m], silent, p, len(weight)) for m in models]
        yield _Rows(float(z), float(chance), weight, np.stack(q, 1))


class _Patterns(NamedTuple):
    """The distinct patterns in which parts fall silent, by part `(u,)`; `of` which pattern each of `2**k` states is one, and
    which of the `k` parts that can fail do so by themselves in it.
    """

    silent: dict[str, Bools]
    of: Ints
    lost: list[Bools]


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


def _weights(patterns: _Patterns, p: Sequence[float]) -> Floats:
    """The probability of each pattern, `(u,)`."""
    weight = np.ones(len(patterns.of))
    for row, fails in zip(patterns.lost, p, strict=True):
        weight *= np.where(row, fails, 1 - fails)
    return np.bincount(patterns.of, weight).astype(np.float64)


def _drawn(parts: Sequence[Needs], p: Mapping[str, float], stratum: int, draws: int) -> dict[str, Bools]:
    """What is silent in random states, `(draws,)`; each part has a stream of its own, so a change elsewhere keeps its luck."""
    lost = {q.name: generator(SEED, stratum, f"audit/{q.name}").random(draws) < p[q.name] for q in parts}
    return fall(parts, lost, draws).silent


def _common(parts: Sequence[Needs]) -> list[Needs]:
    """The parts that several models hang on, in their order."""
    import networkx as nx

    graph = nx.DiGraph()
    for part in parts:
        graph.add_node(part.name)
        graph.add_edges_from((need, part.name) for need in part.needs)
        graph.add_edges_from([(part.fallback, part.name)] if part.fallback is not None else [])
    models = {part.name for part in parts if part.kind == "model"}
    return [p for p in parts if len(models & ({p.name} | nx.descendants(graph, p.name))) > 1]


class _Side(NamedTuple):
    """What a model fails by: parts that no other model depends on, and the shared parts they hang on."""

    own: tuple[str, ...]
    shared: tuple[str, ...]


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


def _effective(one: Floats, both: Floats) -> float:
    """The effective number of models, from the probabilities that each fails `(m,)` and that two do `(m, m)`."""
    n = len(one)
    spread = np.sqrt(np.maximum(one * (1 - one), 0))
    scale = np.outer(spread, spread)
    some = (scale > 1e-15) & ~np.eye(n, dtype=bool)
    if not some.any():
        return float(n) if n == 1 and spread.any() else float("nan")
    r = (both - np.outer(one, one))[some] / scale[some]
    return float(n / (1 + (n - 1) * r.mean()))


def _counts(q: Floats) -> Floats:
    """P(any), P(at least half), P(all) of independent models that fail with probability `q` `(s, m)`; `(s, 3)`.

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
    return np.stack([ends[:, 1], ends[:, -(-m // 2)], count[:, m]], 1)


def _floats(*values: float) -> list[float]:
    return [float(value) for value in values]
