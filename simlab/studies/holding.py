"""The chance that each model fails, and that two do: exact, as polynomials in the parts' own chances.

Whether a part holds is a product of whether it and all that it needs hold; with a fallback, 1 - (1 - main)(1 - spare). Multiplied
out, each product of parts stands once (a part either holds or not, so squares vanish), and the expectation follows term by term:
the structure function of a coherent system (Barlow & Proschan 1975, chapter 2). Parts fail independently of each other, but for
the models' own failures, which may have one normal factor in common: P(fails | z) = N((N^-1(p) - sqrt(c) z) / sqrt(1 - c))
(Vasicek 2002, eq. 3); all of this holds given the factor, over which is then averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from simlab.base.arrays import Floats
from simlab.scenario.architecture import Architecture
from simlab.studies.blast import Needs

MOST_TERMS = 2_000  # of one model; fallbacks behind fallbacks multiply them
EDGE = 8.0  # standard deviations of the factor that are looked at on each side

Terms: TypeAlias = dict[int, int]  # coefficients by the parts in a product, each a bit


class Ways(NamedTuple):
    """All models' polynomials, term by term: `owner` of each term, its coefficient, and the parts in it, `(t, parts)`."""

    owner: Floats
    coefficient: Floats
    inside: Floats


def traffic(architecture: Architecture) -> tuple[tuple[str, float], ...]:
    """The models and their shares of the traffic."""
    models = architecture.of("model")
    total = sum(model.weight for model in models)
    return tuple((model.name, model.weight / total) for model in models)


@lru_cache(maxsize=64)
def ways(parts: tuple[Needs, ...], models: tuple[str, ...]) -> Ways | None:
    """When each model holds; None where that takes too many terms."""
    bit = {part.name: 1 << i for i, part in enumerate(parts)}
    holds: dict[str, Terms] = {part.name: {0: 1} for part in parts}
    while True:
        before = holds.copy()
        for part in parts:
            if part.kind == "consumer":
                continue
            main: Terms = {bit[part.name]: 1}
            for need in part.needs:
                main = _times(main, holds[need])
                if len(main) > MOST_TERMS:
                    return None
            holds[part.name] = _or(main, holds[part.fallback]) if part.fallback is not None else main
            if len(holds[part.name]) > MOST_TERMS:
                return None
        if before == holds:  # in one pass and a look, but for circles through training
            break
    terms = [(i, c, mask) for i, name in enumerate(models) for mask, c in holds[name].items()]
    inside = np.array([[mask >> j & 1 for j in range(len(parts))] for _, _, mask in terms], dtype=float)
    return Ways(
        np.array([[i == owner for owner, _, _ in terms] for i in range(len(models))], dtype=float),
        np.array([c for _, c, _ in terms], dtype=float),
        inside,
    )


def single(found: Ways, holds: Floats) -> Floats:
    """The chance that each model fails `(m,)`, where the parts hold by themselves with chances `holds` `(parts,)`."""
    fails: Floats = 1 - np.einsum("mt,t->m", found.owner, found.coefficient * np.exp(found.inside @ _log(holds)))
    return fails


def pairs(found: Ways, holds: Floats) -> Floats:
    """The chance that both of two models fail, `(m, m)`; a product of two terms holds all that either holds, once."""
    log = _log(holds)
    each = found.inside @ log
    overlap = (found.inside * log) @ found.inside.T
    both = np.exp(each[:, None] + each - overlap) * found.coefficient[:, None] * found.coefficient
    hold = found.owner @ both @ found.owner.T
    one = found.owner @ (found.coefficient * np.exp(each))
    return 1 - one[:, None] - one + hold


def picked(both: Floats, shares: Floats) -> float:
    """The chance that two different models fail which are picked at random by their shares `(m,)`; 0 where there are no two."""
    weight = np.outer(shares, shares)
    np.fill_diagonal(weight, 0)
    total = weight.sum()
    return max(float((weight * both).sum() / total), 0.0) if total > 1e-12 else 0.0


def chances(parts: Sequence[Needs], z: float, correlation: float) -> dict[str, float]:
    """The chance that each part fails by itself, given the factor."""
    if correlation == 0:
        return {part.name: part.fails for part in parts}
    from scipy.special import ndtr, ndtri

    def given(p: float) -> float:
        return float(ndtr((ndtri(p) - np.sqrt(correlation) * z) / np.sqrt(1 - correlation)))

    return {part.name: given(part.fails) if part.kind == "model" else part.fails for part in parts}


def factor(correlation: float) -> tuple[Floats, Floats]:
    """Values of the common factor and their weights; one value when there is none.

    The trapezoid rule, whose error falls off as exp(-2 (pi w / h)^2) with its step h, for normal shapes as wide as w.
    """
    if correlation == 0:
        return np.zeros(1), np.ones(1)
    step = min(0.5, 0.8 * float(np.sqrt((1 - correlation) / correlation)))
    z = np.arange(-np.ceil(EDGE / step), np.ceil(EDGE / step) + 1) * step
    weight = np.exp(-(z**2) / 2)
    return z, weight / weight.sum()


def holding(parts: Sequence[Needs], p: Mapping[str, float]) -> Floats:
    """The chance that each part holds by itself, `(parts,)`."""
    return 1 - np.array([p[part.name] for part in parts])


def _log(holds: Floats) -> Floats:
    return np.log(np.maximum(holds, 1e-300))


def _times(a: Terms, b: Terms) -> Terms:
    """The product of two polynomials."""
    found: Terms = {}
    for mask, c in a.items():
        for other, d in b.items():
            found[mask | other] = found.get(mask | other, 0) + c * d
    return {mask: c for mask, c in found.items() if c}


def _or(a: Terms, b: Terms) -> Terms:
    """1 - (1 - a)(1 - b)."""
    found = a.copy()
    for mask, c in b.items():
        found[mask] = found.get(mask, 0) + c
    for mask, c in _times(a, b).items():
        found[mask] = found.get(mask, 0) - c
    return {mask: c for mask, c in found.items() if c}
