"""Effects of a factorial design against algebra: x = a brain + b features + c brain features + luck that all arms share."""

import math
from itertools import product

import numpy as np
import pytest

from simlab.scenario.scenario import Factorial
from simlab.studies.effects import effects
from simlab.studies.statistics import mean as mean_of
from simlab.studies.statistics import share_difference

N = 256
LUCK = np.random.default_rng(4).normal(size=(3, N))
SEAMS = {"brain": ("own", "one"), "features": ("own", "one"), "schedule": ("synchronised", "staggered", "random")}


def design(without=lambda levels: False):
    arms = {}
    for chosen in product(*SEAMS.values()):
        levels = dict(zip(SEAMS, chosen, strict=True))
        if not without(levels):
            arms["__".join(chosen)] = levels
    return Factorial(SEAMS, arms)


def outcome(levels, a=1.0, b=2.0, c=0.5, d=3.0):
    """All arms meet the same luck, and each step of a seam has some of its own."""
    brain, features, late = levels["brain"] == "one", levels["features"] == "one", levels["schedule"] == "random"
    return a * brain + b * features + c * brain * features + d * late + LUCK[0] + 0.1 * brain * LUCK[1]


def told(found):
    return {(one.seams, one.after): one for one in found}


def test_main_effects_and_interactions():
    """Over whole tables the brain's effect is a + c/2, the interaction c, and what is not there 0."""
    made = design()
    found = told(effects(made, {arm: outcome(levels) for arm, levels in made.levels.items()}))
    brain, features = found[("brain",), ("one",)], found[("features",), ("one",)]
    own = 0.1 * LUCK[1].mean()
    assert brain.estimate.value == pytest.approx(1.25 + own)
    assert features.estimate.value == pytest.approx(2.25)
    assert found[("brain", "features"), ("one", "one")].estimate.value == pytest.approx(0.5)
    assert found[("schedule",), ("staggered",)].estimate.value == pytest.approx(0)
    assert found[("schedule",), ("random",)].estimate.value == pytest.approx(3)
    assert found[("brain", "schedule"), ("one", "random")].estimate.value == pytest.approx(0)
    assert (brain.seams, brain.before, brain.after) == (("brain",), ("own",), ("one",))
    assert (brain.over, found[("schedule",), ("random",)].over) == (6, 4)
    assert (found[("brain", "features"), ("one", "one")].over, len(found)) == (3, 4 + 5)


def test_the_interval_is_that_of_one_number_a_replication():
    made = design()
    found = told(effects(made, {arm: outcome(levels) for arm, levels in made.levels.items()}))
    by_hand = mean_of(1.25 + 0.1 * LUCK[1])
    assert found[("brain",), ("one",)].estimate == pytest.approx(by_hand)
    assert found[("brain",), ("one",)].clear


def test_only_whole_sub_tables_are_compared():
    """Without one brain on own features the brain's effect is told where features are shared: a + c, and no interaction is."""
    made = design(lambda levels: levels["brain"] == "one" and levels["features"] == "own")
    found = told(effects(made, {arm: outcome(levels) for arm, levels in made.levels.items()}))
    assert found[("brain",), ("one",)].estimate.value == pytest.approx(1.5 + 0.1 * LUCK[1].mean())
    assert found[("features",), ("one",)].estimate.value == pytest.approx(2)  # where brains are own
    assert (found[("brain",), ("one",)].over, found[("features",), ("one",)].over) == (3, 3)
    both = found[("brain", "features"), ("one", "one")]
    assert both.over == 0
    assert math.isnan(both.estimate.value)
    assert not both.clear


def test_a_lopsided_table_does_not_mix_seams():
    """Dropping a slow cell must not lend the schedule's effect to the brain: both sides hold the same others."""
    made = design(lambda levels: levels["brain"] == "one" and levels["schedule"] == "random")
    found = told(effects(made, {arm: outcome(levels, d=100.0) for arm, levels in made.levels.items()}))
    assert found[("brain",), ("one",)].estimate.value == pytest.approx(1.25 + 0.1 * LUCK[1].mean())
    assert found[("brain",), ("one",)].over == 4
    assert found[("schedule",), ("random",)].estimate.value == pytest.approx(100)


def test_harm_that_never_comes_is_not_proof_of_no_effect():
    made = design()
    never = {arm: np.zeros(N) for arm in made.levels}
    main = told(effects(made, never, hits=True))[("brain",), ("one",)].estimate
    assert main.value == 0
    assert main.low == -main.high < 0
    assert main.high > 2 / N


def test_one_pair_of_arms_is_the_difference_of_shares():
    made = Factorial({"brain": ("own", "one")}, {"a": {"brain": "own"}, "b": {"brain": "one"}})
    x, y = (LUCK[0] > 1).astype(float), (LUCK[0] + LUCK[1] > 1).astype(float)
    (found,) = effects(made, {"a": x, "b": y}, hits=True)
    assert found.estimate == pytest.approx(share_difference(y, x))


def test_what_diverged_in_one_arm_is_in_no_effect_of_that_arm():
    made = design()
    values = {arm: outcome(levels) for arm, levels in made.levels.items()}
    values["one__own__random"] = np.r_[np.full(6, np.nan), values["one__own__random"][6:]]
    found = told(effects(made, values))
    assert found[("brain",), ("one",)].estimate.n == N - 6
    assert found[("schedule",), ("staggered",)].estimate.n == N


def test_clear_holds_for_all_effects_together():
    """Nine effects: 2.3 standard errors are clear of 0 at 95%, and not for all of them."""
    made = design()
    step = (LUCK[2] - LUCK[2].mean()) / LUCK[2].std(ddof=1) + 2.3 / 16
    values = {arm: outcome(levels, 0, 0, 0, 0) * 0 + (levels["brain"] == "one") * step for arm, levels in made.levels.items()}  # fmt: skip
    brain = told(effects(made, values))[("brain",), ("one",)]
    assert brain.estimate.low > 0
    assert not brain.clear
