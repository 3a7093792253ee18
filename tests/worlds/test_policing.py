"""Predictive policing against its slow twin, against the published figures, and against the algebra of its urn."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.world import Action
from simlab.brains.counts import Counts
from simlab.brains.topology import Schedule, wire
from simlab.interventions.importance_weight import ImportanceWeight
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.thinning import Thinning
from simlab.lab.cohort import play
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.policing import Policing
from tests.twins.policing import City

DAY = 86_400.0
HANDS = {"none": (), "thin": (Thinning(),), "weight": (ImportanceWeight(),)}
PAIRS = {
    "Top1 and Top2": (2.816466, 379.0),
    "Top1 and Random": (2.35592, 7.0),
}  # Ensign 2018: rate and record of the quiet region


def trial(correction="none", wiring="isolated", *, quiet=PAIRS["Top1 and Top2"], days=1000, brain=None, **parameters):
    """The paper's set-up: rates, records, 1% forgotten a day; with more `regions`, a quiet record for each but the first."""
    world = Policing(**{"quiet_rate": quiet[0], **parameters})
    return Trial(
        world,
        (brain or Counts(prior=(609.0, *[quiet[1]] * (world.regions - 1)), forget=0.01),),
        wire(wiring, world.precincts).canonical(world.spec),
        horizon=days * DAY,
        stride=20 * DAY,
        schedule=Schedule(every=DAY),
        hands=tuple(
            Hand({"thin": "thinning"}.get(correction, correction), h, Trigger(at=0.0)) for h in HANDS[correction]
        ),
    )


def shares(set_up, seed=1, replications=100):
    """The final share of patrols in the busy region, `(r,)`."""
    return play(set_up, seed, range(replications)).measures["busy_share"]


def noise_of(world, seed, number, days):
    """The numbers that replication `number` is dealt, for the twin: a row a day."""
    luck, m = Streams(seed, [number]), world.precincts
    kinds = ["incidents", *(["reports"] if world.reports else [])]
    purposes = ["patrol", *(f"{kind} {i}" for kind in kinds for i in range(world.regions))]
    dealt = {purpose: [] for purpose in (*purposes, "thinning")}
    hand = luck.named("hand thinning")
    for day in range(days):
        luck.clock.row = day
        for purpose in purposes:
            dealt[purpose].append(luck.uniform(purpose, (1, m))[0].tolist())
        dealt["thinning"].append(hand.uniform("thinning", (1, m))[0].tolist())
    return dealt


CASES = (
    ("none", {}),
    ("thin", {}),
    ("weight", {}),
    ("none", {"reports": 1.0}),
    ("thin", {"reports": 1.0, "books": "average"}),
    ("weight", {"reports": 0.5}),
    ("thin", {"regions": 5, "deters": 0.3}),
    ("weight", {"regions": 3, "quiet_rate": 9.0, "reports": 0.5, "deters": 0.16}),
)


@pytest.mark.parametrize(
    ("wiring", "case"),
    [
        *(("isolated", i) for i in range(8)),
        *(("bulkheads(2)", i) for i in (0, 4, 6, 7)),
        ("shared_data", 1),
        ("shared_brain", 2),
    ],
)
def test_kernel_equals_its_twin(wiring, case):
    """On equal noise, day by day, to rounding."""
    correction, parameters = CASES[case]
    set_up = trial(correction, wiring, days=120, precincts=5, **parameters)
    world, seed, number = set_up.world, 4, 2
    outcome = play(set_up, seed, [number])
    noise = noise_of(world, seed, number, 120)
    twin = City(asdict(world), asdict(set_up.brains[0]), asdict(set_up.topology), noise, correction)
    path = []
    for day in range(20, 121, 20):
        twin.run(day)
        path.append((sum(shares[0] for shares in twin.shares) / 5, twin.given_up()))
    series = np.column_stack([outcome.series[name][1:, 0] for name in ("busy_share", "given_up")])
    np.testing.assert_allclose(series, path, rtol=1e-6)
    np.testing.assert_allclose(outcome.measures["busy_share"][0], path[-1][0], rtol=1e-9)
    for name in ("found", "missed", "happened"):
        assert outcome.measures[name][0] == pytest.approx(getattr(twin, name) / 5, rel=1e-12), name


@pytest.mark.parametrize(("pair", "published"), [("Top1 and Top2", 0.93), ("Top1 and Random", 0.995)])
def test_the_uncorrected_urn_runs_away_as_published(pair, published):
    """Ensign 2018, Figure 1: to about .93 and .995, read off to the last digit given: half a unit of it, and four standard errors."""
    found = shares(trial(quiet=PAIRS[pair]))
    assert abs(found.mean() - published) < 0.005 + 4 * found.std() / math.sqrt(len(found))


def fair(quiet):
    return 3.68511 / (3.68511 + quiet)


def root(quiet, of):
    """The share x at which counts that grow as `of(x)` and `of(1 - x)` times the rates keep the share x: bisection."""
    low, high = 0.01, 0.99
    for _ in range(60):
        x = (low + high) / 2
        grows = 3.68511 * of(x) * (1 - x) > quiet * of(1 - x) * x
        low, high = (x, high) if grows else (low, x)
    return low


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(
    ("correction", "parameters", "of", "published"),
    [
        ("thin", {}, lambda x: x * (1 - x), (0.567, 0.610)),
        ("weight", {}, lambda x: 1.0, (0.567, 0.610)),
        ("none", {"reports": 1.0}, lambda x: 1 + x, (0.599, 0.659)),
        ("thin", {"reports": 1.0, "books": "average"}, lambda x: 1 - x * x / 2, (0.552, 0.586)),
        ("weight", {"reports": 1.0}, lambda x: 2.0, (0.567, 0.610)),
        ("none", {"reports": 1.0, "books": "average"}, lambda x: 1.0, (0.567, 0.610)),
    ],
)
def test_corrected_urns_end_at_their_roots(pair, correction, parameters, of, published):
    """Where a hundred precincts pool their counts the urn follows its mean, and ends at the root of its growth.

    Budget: four standard errors, and .001 for what is left of the noise of a ratio and of the start.
    """
    quiet, record = PAIRS[pair]
    expected = root(quiet, of)
    assert expected == pytest.approx(published[list(PAIRS).index(pair)], abs=0.0006)
    quick = Counts(prior=(609.0, record), forget=0.04)  # where the urn ends does not depend on how fast it forgets
    set_up = trial(correction, "shared_data", quiet=PAIRS[pair], days=300, brain=quick, precincts=100, **parameters)
    found = shares(set_up, replications=12)
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(12) + 0.001


def test_the_combined_correction_is_biased_and_weighting_is_not():
    """In single urns too: .552 lies below .567 by over ten standard errors, and 1/p does not."""
    for correction, parameters, biased in (
        ("thin", {"reports": 1.0, "books": "average"}, True),
        ("weight", {"reports": 1.0}, False),
    ):
        found = shares(trial(correction, days=600, **parameters), replications=40) - fair(2.816466)
        assert (found.mean() < -10 * found.std() / math.sqrt(40)) == biased


def test_every_wiring_that_pools_is_the_same_city():
    """One brain, or ten that learn the same from one pool every day: equal to the bit."""
    pooled, one, whole = (shares(trial(wiring=w, days=100)) for w in ("shared_data", "shared_brain", "shared"))
    np.testing.assert_array_equal(pooled, one)
    np.testing.assert_array_equal(pooled, whole)


def test_pooling_averages_luck_and_keeps_the_bias():
    """With equal rates the share of an urn is a martingale: its mean stays, its spread falls as 1/sqrt(precincts) when pooled.

    The variance gained is that of increments each a tenth as large. Relative error of a standard deviation: 1/sqrt(2 n).
    """
    equal = Counts(prior=(494.0, 494.0), forget=0.01)
    lone, pooled = (
        shares(trial(wiring=w, quiet=(3.68511, 0.0), brain=equal, days=200, precincts=p), replications=600)
        for w, p in (("isolated", 1), ("shared_data", 10))
    )
    for found in (lone, pooled):
        assert abs(found.mean() - 0.5) < 4 * found.std() / math.sqrt(600)
    assert math.log(lone.std() / pooled.std()) == pytest.approx(math.log(10) / 2, abs=4 * math.sqrt(1 / 600) + 0.05)


def test_nobody_listens():
    """With the loop open a coin is tossed: half of the patrols each way from the first day to the last, whatever is learnt."""
    found = play(replace(trial(days=60), closed=False), 1, range(20))
    np.testing.assert_array_equal(found.measures["busy_share"], 0.5)
    np.testing.assert_array_equal(found.measures["change"], 0.0)


def test_a_killed_model_is_known_to_toss_a_coin():
    """The kill switch loses the propensity of an action; the world knows that of its own plain rule."""
    killed = Hand("kill_switch", KillSwitch(), Trigger(at=0.0))
    set_up = trial("weight", days=60)
    found = play(replace(set_up, hands=(killed, *set_up.hands)), 1, range(20))
    np.testing.assert_array_equal(found.measures["busy_share"], 0.5)


def test_only_what_a_patrol_was_there_to_find_is_seen():
    """Censored by the action: no incident of the other region is in the answer, under any weight."""
    world, luck = Policing(precincts=400), Streams(1, range(3))
    state = world.start(luck)
    luck.clock.row = 0
    said = np.full((3, 400, 2), 0.5)
    action = world.act(state, said, luck)
    then, answer = world.step(state, action, luck)
    there = np.stack([action.value == 0, action.value == 1], axis=-1)
    np.testing.assert_array_equal(answer.weight[:, :, 0], there)
    assert (answer.outcome[:, :, 0][~there] == 0).all()
    np.testing.assert_allclose(then.found, answer.outcome.sum(axis=(2, 3)).mean(axis=1))
    found = answer.outcome[:, :, 0, 0][there[..., 0]]
    assert abs(found.mean() - world.busy_rate) < 4 * math.sqrt(world.busy_rate / found.size)


def test_shares_out_of_bounds_are_clipped():
    world, luck = Policing(precincts=4), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    said = np.broadcast_to([1.3, -0.3], (2, 4, 2))
    action = world.act(state, said, luck)
    assert (action.value == 0).all()
    assert (action.chance == 1).all()
    then, _ = world.step(state, Action(action.value, action.chance), luck)
    np.testing.assert_array_equal(then.busy_share, 1.0)


def test_the_shipped_claims_point_at_the_algebra():
    """Every `near` of the scenario is a root of the urn (or the true share after the crime moved)."""
    expected = {
        "thinned": fair(2.816466),
        "weighted": fair(2.816466),
        "reported": root(2.816466, lambda x: 1 + x),
        "combined": root(2.816466, lambda x: 1 - x * x / 2),
        "moved_weighted": 1 - fair(2.816466),
    }
    claimed = {claim.arm: claim.near for claim in load("policing").claims if claim.near is not None}
    assert claimed == pytest.approx(expected, abs=6e-5)
