"""Model collapse against its slow twin, and against the algebra of refitted normals."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import digamma

from simlab.brains.gaussian import Gaussian
from simlab.brains.topology import Schedule, wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds.collapse import Collapse
from tests.twins.collapse import Press

MONTH = 30 * 86_400.0


def trial(wiring="isolated", *, keep=0.0, ticks=40, fresh=0.0, since=1, stride=1, **parameters):
    """People write until generation `since`, and a share `fresh` from then on."""
    world = Collapse(**parameters)
    shock = Shock("models_write", "world", "set", start=since * MONTH, values={"fresh": fresh})
    return Trial(
        world,
        (Gaussian(keep=keep),),
        wire(wiring, world.models).canonical(world.spec),
        horizon=ticks * MONTH,
        stride=stride * MONTH,
        schedule=Schedule(every=MONTH),
        shocks=(shock,),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a generation."""
    luck, shape = Streams(seed, [number]), (1, world.models, world.pieces)
    dealt = {name: [] for name in ("pieces", "people")}
    for tick in range(ticks):
        luck.clock.row = tick
        for name in dealt:
            dealt[name].append(luck.noise(name, shape)[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    [shock] = set_up.shocks
    return Press(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        since=set_up.ticks(shock.start),
        fresh=shock.values["fresh"],
    )


@pytest.mark.parametrize("wiring", ["isolated", "shared_data", "shared_brain", "bulkheads(2)"])
@pytest.mark.parametrize("given", [{}, {"keep": 1.0}, {"keep": 0.5, "fresh": 0.3, "since": 4}])
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, generation by generation, to rounding."""
    set_up = trial(wiring, ticks=25, models=4, pieces=9, line=0.8, **given)
    outcome = play(set_up, 5, [2])
    twin = twin_of(set_up, 5, 2, 25)
    for tick in range(1, 26):
        twin.run(tick)
        for name in ("lost", "narrowed", "drift", "rare", "wrong"):
            expected = getattr(twin, name)
            found = outcome.series[name][tick, 0]
            assert found == pytest.approx(expected, rel=2e-6, abs=1e-6), (tick, name)
        assert outcome.series["loss"][tick, 0] == pytest.approx(twin.cost / tick, rel=2e-6)
    assert outcome.measures["lost"][0] == pytest.approx(twin.lost, rel=1e-9)


def close(found, expected):
    """Four standard errors over replications."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found))


def narrows(n):
    """What a fit to n pieces takes off the logarithm of the variance on average: log(n / 2) - psi((n - 1) / 2)."""
    return math.log(n / 2) - digamma((n - 1) / 2)


def fits(n, generations, *, keep=False, people=0):
    """Mean variance of the fit to the g-th batch and its mean square distance, step by step: expectations of sums of squares.

    A batch of a pieces by the model N(mu, v) and b by people N(0, 1) has the mean (a x + b y) / n and the sum of squares about it
    (a - 1) v + (b - 1) + (a b / n) (mu^2 + v / a + 1 / b) in expectation.
    """
    v, mu2 = 1 - 1 / n, 1 / n
    for g in range(2, generations + 1):
        if keep:
            step = v / (n * g * g)
            v, mu2 = v - step, mu2 + step
        else:
            a, b = n - people, people
            between = a * b / n * (mu2 + v / a + 1 / b) if b else 0.0
            new = ((a - 1) * v + (b - 1 if b else 0) + between) / n
            v, mu2 = new, (a / n) ** 2 * mu2 + (a * v + b) / n**2
    return v, mu2


@pytest.mark.parametrize("n", [20, 100])
def test_replaced_fits_lose_their_variance(n):
    """E sigma_g^2 = (1 - 1/n)^g and E mu_g^2 = 1 - that (Shumailov et al. 2024); what is published is the next fit."""
    found = play(trial(pieces=n, ticks=20, models=8), 1, range(300)).measures
    assert fits(n, 20) == pytest.approx(((1 - 1 / n) ** 20, 1 - (1 - 1 / n) ** 20))
    close(found["lost"], 1 - (1 - 1 / n) ** 20)
    close(found["narrowed"], 20 * narrows(n))  # a fit is a chi-square of n - 1 degrees of freedom over n
    close(found["drift"], 1 - (1 - 1 / n) ** 20)


def test_a_shared_brain_is_a_larger_sample():
    """Eight publishers with one model, or a pool, are fitted to 8 n pieces: the variance of a fit is (1 - 1/(8 n))^g."""
    one, pool = (
        play(trial(w, pieces=20, ticks=40, models=8), 2, range(200)).measures for w in ("shared_brain", "shared_data")
    )
    np.testing.assert_array_equal(one["lost"], pool["lost"])
    close(one["lost"], 1 - (1 - 1 / 20) * (1 - 1 / 160) ** 39)


@pytest.mark.parametrize("n", [20, 50])
def test_accumulated_fits_stay_within_the_bound(n):
    """E sigma_g^2 = product of 1 - 1/(n i^2), never below sin(x)/x with x = pi/sqrt(n).

    That is within c pi^2/6 of 1, with c = 1/n the error of the first fit (Gerstgrasser et al. 2024).
    """
    found = play(trial(pieces=n, ticks=40, models=8, keep=1.0), 3, range(150)).measures
    variance, drift = fits(n, 39, keep=True)
    assert variance == pytest.approx(math.prod(1 - 1 / (n * i * i) for i in range(1, 40)))
    x = math.pi / math.sqrt(n)
    assert 1 - math.pi**2 / (6 * n) < math.sin(x) / x < variance
    close(found["lost"], 1 - (1 - 1 / n) * variance)
    close(found["drift"], drift + variance / n)


@pytest.mark.parametrize("fresh", [0.1, 0.5])
def test_people_hold_the_variance(fresh):
    """A share by people in every batch: two linear recursions, and their fixed point."""
    n = 40
    found = play(trial(pieces=n, ticks=50, models=8, fresh=fresh), 4, range(150)).measures
    variance, drift = fits(n, 50, people=round(fresh * n))
    assert fits(n, 500, people=round(fresh * n)) == pytest.approx((variance, drift), rel=0.01)
    close(found["lost"], 1 - variance)
    close(found["drift"], drift)


def test_most_replications_lose_more_than_the_mean_says():
    """A product of chi-squares: its logarithm falls by E log(chi2_{n-1}/n), about -2/n, a generation, the mean by 1/n only."""
    n, g = 50, 60
    found = play(trial(pieces=n, ticks=g, models=1), 5, range(400)).measures["lost"]
    assert np.median(1 - found) < 0.6 * (1 - 1 / n) ** g
    log = np.log(1 - found)
    expected = g * (math.log(2 / n) + _digamma((n - 1) / 2))
    close(log, expected)


def _digamma(x):
    """Asymptotic series, to 1e-7 at 20 and above."""
    return math.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4)


def test_nobody_reads_the_models():
    """With the loop open, and where models are never let in, what is published is a sample of reality: variance 1 - 1/n."""
    for set_up in (replace(trial(), closed=False), replace(trial(), shocks=())):
        found = play(set_up, 6, range(100)).measures
        close(found["lost"], 1 / 100)
        close(found["drift"], 1 / 100)
        close(
            found["rare"], math.erfc(2 / math.sqrt(2 * (1 - 1 / 100)))
        )  # a piece less its sample's mean: variance 1 - 1/n


def test_the_shipped_claims_point_at_the_algebra():
    claimed = {(c.arm, c.measure, c.control): c.near for c in load("collapse").claims if c.near is not None}
    own, (kept, _), (tenth, _) = fits(50, 100), fits(50, 99, keep=True), fits(50, 100, people=5)
    assert claimed == pytest.approx(
        {
            ("replaced", "lost", None): 1 - own[0],
            ("replaced", "narrowed", None): 100 * narrows(50),
            ("one_model", "narrowed", None): 99 * narrows(400) + narrows(50),
            ("replaced", "drift", None): own[1],
            ("one_model", "lost", None): 1 - 0.98 * (1 - 1 / 400) ** 99,
            ("kept", "lost", None): 1 - 0.98 * kept,
            ("tenth", "lost", None): 1 - tenth,
            ("replaced", "lost", "long_lists"): 1 - fits(200, 100)[0],
        },
        abs=0.0006,
    )
