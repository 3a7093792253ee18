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
    found = shares(trial(quiet=PAIRS[pair]), replications=60)
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
        found = shares(trial(correction, days=400, **parameters), replications=30) - fair(2.816466)
        assert (found.mean() < -10 * found.std() / math.sqrt(30)) == biased


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


@pytest.mark.parametrize("regions", [2, 5])
def test_a_killed_model_is_known_to_draw_lots(regions):
    """The kill switch loses the propensity of an action; the world knows that of its own plain rule."""
    killed = Hand("kill_switch", KillSwitch(), Trigger(at=20 * DAY))
    set_up = trial("weight", days=60, regions=regions)
    found = play(replace(set_up, hands=(killed, *set_up.hands)), 1, range(20))
    np.testing.assert_array_equal(found.measures["busy_share"], 1 / regions)
    assert (found.series["busy_share"][1] != 1 / regions).all()


def test_patrols_go_to_regions_as_often_as_said():
    """And with the chance that is logged, also where what is said adds up to more or less than 1: the last gets what is left."""
    world, luck = Policing(precincts=3000, regions=4), Streams(1, range(2))
    state = world.start(luck)
    for row, (said, expected) in enumerate(
        (
            ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)),
            ((0.5, 0.4, 0.3, 0.2), (0.5, 0.4, 0.1, 0.0)),
            ((0.1, -0.2, 0.3, 0.1), (0.1, 0.0, 0.3, 0.6)),
        )
    ):
        luck.clock.row = row
        action = world.act(state, np.broadcast_to(said, (2, 3000, 4)), luck)
        share = np.array(expected)
        often = np.bincount(action.value.ravel(), minlength=4) / 6000
        assert (np.abs(often - share) <= 4 * np.sqrt(share * (1 - share) / 6000)).all()
        np.testing.assert_allclose(action.chance, share[action.value], atol=1e-12)


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


def zipf(quietest, regions, busiest=3.68511):
    power = math.log(quietest / busiest) / math.log(regions)
    return np.array([busiest * rank**power for rank in range(1, regions + 1)])


def last_shares(set_up, seed=1, replications=12):
    """What the models say on the last day, `(r, m, regions)`, and the outcome."""
    said = {}
    outcome = play(
        set_up, seed, range(replications), lambda _, at, v: said.update({at: v}) if at == "predict" else None
    )
    return np.array(said["predict"]), outcome


def thinned_root(rates):
    """Where counts at x (1 - x) times the rates keep their shares: 1 - c / rate in regions that are kept, and their sum is 1."""
    kept = np.ones(len(rates), dtype=bool)
    while True:
        c = (kept.sum() - 1) / (1 / rates[kept]).sum()
        if (rates[kept] >= c).all():
            return np.where(kept, 1 - c / rates, 0.0)
        kept &= rates >= c


@pytest.mark.parametrize(
    ("correction", "quietest", "regions", "of"),
    [
        ("weight", 0.5, 4, lambda rates: rates / rates.sum()),
        ("thin", 2.816466, 4, thinned_root),  # all are kept
        ("thin", 0.368511, 3, thinned_root),  # the third is given up
        ("thin", 2.816466, 2, lambda rates: rates / rates.sum()),  # for two, thinning is right
    ],
)
def test_with_more_regions_weighting_is_right_and_thinning_gives_up_the_quiet_ones(correction, quietest, regions, of):
    """Sixty precincts pooled, so that the urn follows its mean. Budget: four standard errors, and .003 for noise and start."""
    rates = zipf(quietest, regions)
    brain = Counts(prior=tuple(300 * rates / rates.sum()), forget=0.1, floor=1e-3)
    world = {"precincts": 60, "regions": regions, "quiet_rate": quietest}
    found, outcome = last_shares(trial(correction, "shared_data", brain=brain, days=220, **world))
    found, expected = found[:, 0], of(rates)
    assert (np.abs(found.mean(axis=0) - expected) < 4 * found.std(axis=0) / math.sqrt(12) + 0.003).all()
    fair = rates / rates.sum()
    np.testing.assert_allclose(outcome.measures["given_up"], (expected < fair / 4).mean())
    np.testing.assert_allclose(outcome.measures["apart"], np.abs(found - fair).sum(axis=1) / 2, rtol=1e-9)


def test_without_removal_counts_grow_as_powers_of_each_other():
    """n_i / n_i(0) = (n_1 / n_1(0)) ^ (rate_i / rate_1) in the mean of an urn that forgets nothing (Athreya & Karlin 1968: each colour

    is a Yule process of its own rate in a time of its own). All go to infinity, and the share of the busiest tends to 1 as a power
    of time. Budget: four standard errors, and what days of 3 incidents add to a continuous urn of 800 and more, 3 / 800.
    """
    rates, start = zipf(1.2, 3), 300.0
    brain = Counts(prior=(start,) * 3, forget=0.0, floor=0.0)
    set_up = trial("none", "shared_data", brain=brain, days=300, precincts=60, regions=3, quiet_rate=1.2)
    said, outcome = last_shares(replace(set_up, stride=DAY))
    total = 3 * start + outcome.series["found"][299].astype(float)  # before the last day, as the shares
    grown = np.log(said[:, 0] * total[:, None] / start)
    assert (grown[:, 0] > 0.8).all()
    power = grown[:, 1:] / grown[:, :1]
    error = 4 * power.std(axis=0) / math.sqrt(12) + 3 / 800
    assert (np.abs(power.mean(axis=0) - rates[1:] / rates[0]) < error).all()


@pytest.mark.parametrize("forget", [0.0, 0.1])
def test_with_equal_rates_removal_decides_whether_luck_is_ever_over(forget):
    """Given how many are found a day, N, and that n balls are there, E x (1 - x) falls by the factor 1 - (N / (n + N))^2, and E x stays.

    Without removal n grows and the product converges: urns settle anywhere, as Polya's. With removal n stays, the product tends to 0, and
    every urn ends at one region, the busy one with the probability of its first share. The product is averaged over
    20,000 days' worth of numbers drawn here; budget: four standard errors of both.
    """
    start, days = np.array([6.0, 4.0]), 200
    brain = Counts(prior=tuple(start), forget=forget, floor=0.0)
    said, _ = last_shares(trial(quiet=(3.68511, 4.0), brain=brain, days=days + 1, precincts=50), replications=40)
    x = said[..., 0].ravel()
    luck, n, left = np.random.default_rng(7), np.full(20_000, start.sum()), np.ones(20_000)
    for _ in range(days):
        found = luck.poisson(3.68511, n.size)
        left *= 1 - (found / (n + found)) ** 2
        n = (n + found) * (1 - forget)
    spread = x * (1 - x)
    expected = 0.6 * 0.4 * left
    error = math.hypot(spread.std() / math.sqrt(x.size), expected.std() / math.sqrt(expected.size))
    assert abs(spread.mean() - expected.mean()) < 4 * error
    assert abs(x.mean() - 0.6) < 4 * x.std() / math.sqrt(x.size)
    settled = np.mean((x < 0.01) | (x > 0.99))
    assert settled > 0.8 if forget else settled < 0.1


def test_an_urn_that_forgets_fast_may_run_away_to_the_quieter_region():
    """The share diffuses with drift f x (1 - x) d and variance f^2 x (1 - x) (1 + 1/rate), d the relative difference of the rates.

    So it ends at the busier region with Kimura's probability of fixation (1962, Genetics 47, eq. 8). Four standard errors, and f / 2 times
    the distance from a fair coin for what a diffusion leaves out.
    """
    f, busy, quiet = 0.1, 3.0, 2.7
    brain = Counts(prior=(15.0, 15.0), forget=f, floor=0.0)
    said, _ = last_shares(
        trial(quiet=(quiet, 0.0), brain=brain, days=450, precincts=40, busy_rate=busy), replications=25
    )
    x, mean = said[..., 0].ravel(), (busy + quiet) / 2
    s = 2 * (busy - quiet) / mean / (f * (1 + 1 / mean))
    expected = (1 - math.exp(-s / 2)) / (1 - math.exp(-s))
    assert np.mean((x < 0.02) | (x > 0.98)) > 0.95
    assert abs(x.mean() - expected) < 4 * x.std() / math.sqrt(x.size) + f / 2 * (expected - 0.5)
    assert x.mean() < 1 - 4 * x.std() / math.sqrt(x.size)  # it does not always find the busier one


def test_where_patrols_deter_records_run_away_from_a_crime_that_falls():
    """With deterrence d the incidents of a region come at its rate times 1 - d x: less where the patrols are, in any wiring.

    Found are all at 1 - d times their rates, so the urn and 1/p are what they were; reports are not: the root of 1 + (1 - 2 d) x.
    """
    d, quiet = 0.3, 2.816466
    for correction, parameters, of in (
        ("weight", {}, lambda x: 1.0),
        ("none", {"reports": 1.0}, lambda x: 1 + (1 - 2 * d) * x),
    ):
        brain = Counts(prior=(609.0, 379.0), forget=0.04)
        set_up = trial(correction, "shared_data", brain=brain, days=250, precincts=60, deters=d, **parameters)
        found = play(set_up, 1, range(12)).measures
        x = found["busy_share"]
        assert abs(x.mean() - root(quiet, of)) < 4 * x.std() / math.sqrt(12) + 0.001
        busy, other = 3.68511 * (1 - d * x), quiet * (1 - d * (1 - x))
        np.testing.assert_allclose(found["crime_share"], busy / (busy + other), rtol=1e-9)
        np.testing.assert_allclose(found["excess"], x - found["crime_share"], rtol=1e-9)
        assert (found["crime_share"] < fair(quiet)).all()


def test_deterrence_prevents_what_it_says():
    """With all patrols in the busy region from the first day to the last, d times its incidents do not happen, and no others."""
    brain = Counts(prior=(1e12, 1e-9), forget=0.0, floor=0.0)
    patrolled, free = (
        play(trial(brain=brain, days=60, precincts=50, deters=d), 3, range(20)).measures for d in (0.16, 0.0)
    )
    prevented = free["happened"] - patrolled["happened"]
    expected = 0.16 * 3.68511 * 60
    assert (prevented >= 0).all()
    assert abs(prevented.mean() - expected) < 4 * prevented.std() / math.sqrt(20)
    np.testing.assert_array_equal(patrolled["missed"], free["missed"])


def test_the_shipped_claims_point_at_the_algebra():
    """Every `near` of the scenario is a root of the urn (or the true share after the crime moved)."""
    two, other, thin, both = 2.816466, 2.35592, lambda x: 1 + x, lambda x: 1 - x * x / 2
    near = {
        "policing": {"weighted": fair(two), "moved_weighted": 1 - fair(two)},
        "policing_corrections": {
            **dict.fromkeys(("thinned", "weighted"), fair(two)), "reported": root(two, thin), "combined": root(two, both),
            **dict.fromkeys(("one_random: thinned", "one_random: weighted"), fair(other)),
            "one_random: reported": root(other, thin), "one_random: combined": root(other, both),
        },
        "policing_regions": {"pooled_weighted": zipf(0.368511, 10)[0] / zipf(0.368511, 10).sum()},
        "policing_deterrence": {"weighted": fair(two), "reported": root(two, lambda x: 1 + (1 - 0.32) * x)},
    }  # fmt: skip
    for name, expected in near.items():
        claims = [c for c in load(name).claims if c.near is not None and c.measure == "busy_share"]
        claimed = {f"{c.control}: {c.arm}" if c.control else c.arm: c.near for c in claims}
        assert claimed == pytest.approx(expected, abs=6e-5), name
    at = 3.68511 * (1 - 0.16 * 0.93)
    (deterred,) = [c.near for c in load("policing_deterrence").claims if c.measure == "crime_share" and c.near]
    assert deterred == pytest.approx(at / (at + two * (1 - 0.16 * 0.07)), abs=6e-5)


def test_the_ten_regions_that_are_shipped_start_with_fair_records():
    scenario = load("policing_regions")
    trial_ = scenario.arms[0].trial
    rates = zipf(0.368511, 10)
    assert trial_.world._rates == pytest.approx(rates)
    assert trial_.brains[0].prior == pytest.approx(988 * rates / rates.sum(), abs=0.06)
    assert np.flatnonzero(thinned_root(rates) > 1e-9).tolist() == [0, 1]
