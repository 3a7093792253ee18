"""Effects of a factorial design: what each seam does, and how much that depends on another (Box, Hunter & Hunter 2005, ch. 5).

Every effect is one number in each replication, since all arms meet the same luck: the difference between two levels of a seam,
averaged over the other seams. Where combinations were left out it is averaged over those of the others for which both levels
were played, so that the two sides of a difference always hold the same others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.scenario.scenario import Factorial
from simlab.studies.statistics import Estimate, bounded_mean, mean

Key = tuple[tuple[str, str], ...]  # (seam, level) in the order of the seams


class Effect(NamedTuple):
    """What the step from level `before` to `after` of a seam does; with two seams, how much the second's step changes that of the first.

    `over` counts the sub-tables that it is averaged over (0: it cannot be told). `clear` of 0 for all effects together.
    """

    seams: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    over: int
    estimate: Estimate
    clear: bool = False


def effects(design: Factorial, values: Mapping[str, Floats], *, hits: bool = False) -> list[Effect]:
    """Every main effect, then every interaction of two seams, of `values[arm]` `(n,)`; `hits` are zeros and ones.

    A difference of differences is not halved: it is how much more a step does where the other seam's step was made too.
    """
    cells: dict[Key, Floats] = {tuple(levels.items()): values[arm] for arm, levels in design.levels.items()}
    found = [_effect(design, cells, steps) for steps in _steps(design)]
    level = 1 - 0.05 / max(sum(x is not None for _, x, _ in found), 1)
    rows = []
    for steps, x, over in found:
        names = tuple(zip(*steps, strict=True))
        told = Estimate(np.nan, np.nan, np.nan, 0) if x is None else _mean(x, hits, len(steps), 0.95)
        fine = told if x is None else _mean(x, hits, len(steps), level)
        rows.append(Effect(names[0], names[1], names[2], over, told, fine.low > 0 or fine.high < 0))
    return rows


Step = tuple[str, str, str]  # seam, before, after


def _steps(design: Factorial) -> Iterator[tuple[Step, ...]]:
    each = [[(seam, levels[0], level) for level in levels[1:]] for seam, levels in design.seams.items()]
    for steps in each:
        yield from ((step,) for step in steps)
    for first, second in combinations(each, 2):
        yield from product(first, second)


def _effect(
    design: Factorial, cells: Mapping[Key, Floats], steps: tuple[Step, ...]
) -> tuple[tuple[Step, ...], Floats | None, int]:
    """The effect in each replication, averaged over the sub-tables that are whole, and how many these are."""
    moved = {seam: (before, after) for seam, before, after in steps}
    rest = [[(seam, level) for level in levels] for seam, levels in design.seams.items() if seam not in moved]
    total: Floats | None = None
    over = 0
    for others in product(*rest):
        fixed = dict(others)
        corners = [
            (_key(design, fixed | {s: moved[s][i] for s, i in zip(moved, at, strict=True)}), at)
            for at in product((0, 1), repeat=len(steps))
        ]
        if all(key in cells for key, _ in corners):
            signs = [(-1) ** (len(steps) - sum(at)) for _, at in corners]
            table = sum(sign * cells[key] for sign, (key, _) in zip(signs, corners, strict=True))
            total = np.asarray(table if total is None else total + table, dtype=float)
            over += 1
    return steps, None if total is None else total / over, over


def _key(design: Factorial, levels: Mapping[str, str]) -> Key:
    return tuple((seam, levels[seam]) for seam in design.seams)


def _mean(x: Floats, hits: bool, reach: int, level: float) -> Estimate:
    return bounded_mean(x, float(reach), level) if hits else mean(x, level)
