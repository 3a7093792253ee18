"""Hiring on selective labels against its slow twin, against the gambler's ruin, and against exact laws of its leads."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Action
from simlab.brains.tally import Tally
from simlab.brains.topology import Schedule, schedule, wire
from simlab.interventions.holdout import Holdout
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.hiring import WEEK, Hiring
from tests.twins.hiring import Firm

HOLDOUT = 0.1


def trial(
    wiring="isolated", brain=None, *, weeks=260, every=1, how="synchronised", stride=None, hands=(), **parameters
):
    """Ten sites whose models presume the truth, at the strength of ten hires: a head start of 2."""
    world = Hiring(**parameters)
    return Trial(
        world,
        (brain or Tally(prior=0.2, size=10.0),),
        (wire(wiring, world.sites) if isinstance(wiring, str) else wiring).canonical(world.spec),
        horizon=weeks * WEEK,
        stride=(stride or weeks) * WEEK,
        schedule=schedule(how, Schedule(every=every * WEEK)),
        hands=tuple(Hand(type(hand).__name__.lower(), hand, Trigger(at=0.0)) for hand in hands),
    )


def lied_to(set_up, start, weeks):
    """The same, with all hires entered as bad for so many weeks."""
    lie = Shock("lie", "evidence", "poisoned", start * WEEK, weeks * WEEK, size=-1.0)
    return replace(set_up, shocks=(lie,))


def given_up(set_up, seed=1, replications=600):
    """The share of sites that no longer hire at the end, `(r,)`."""
    return play(set_up, seed, range(replications)).measures["given_up"]


def noise_of(world, seed, number, weeks):
    """The numbers that replication `number` is dealt, for the twin: an entry a week."""
    luck, m = Streams(seed, [number]), world.sites
    hand = luck.named("hand holdout")
    dealt = {name: [] for name in ("intake", "misreading", "applicant", "held out")}
    for week in range(-1, weeks):  # who applies in a week is drawn in the one before
        luck.clock.row = week
        if world.contrast and week < weeks - 1:
            dealt["intake"].append(float(luck.uniform("intake", (1,))[0]))
            dealt["misreading"].append(luck.uniform("misreading", (1, m))[0].tolist())
        if week >= 0:
            dealt["applicant"].append(luck.uniform("applicant", (1, m))[0].tolist())
            dealt["held out"].append(hand.uniform("held out", (1, m))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, weeks):
    """The twin of one replication, ready to go."""
    plan, lies = set_up.schedule, [(set_up.ticks(s.start), set_up.ticks(s.start + s.duration)) for s in set_up.shocks]
    return Firm(
        asdict(set_up.world),
        asdict(set_up.brains[0]),
        asdict(set_up.topology),
        noise_of(set_up.world, seed, number, weeks),
        every=set_up.ticks(plan.every),
        cohort=plan.size if plan.how == "staggered" else None,
        poisoned=lies[0] if lies else (0, 0),
        holdout=set_up.hands[0].intervention.share if set_up.hands else 0.0,
    )


LEARNERS = {"plain": Tally(prior=0.2, size=10.0), "bold": Tally(prior=0.1, size=4.0, optimism=0.5, forget=0.03)}
DIFFER = {"contrast": 0.15, "good": 0.55, "patience": 4}


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared_data", "shared_brain", "bulkheads(3)"])
@pytest.mark.parametrize(
    ("learner", "how", "hands", "parameters"),
    [
        ("plain", "synchronised", (), {}),
        ("plain", "staggered(1)", (Holdout(HOLDOUT),), DIFFER),
        ("bold", "synchronised", (Holdout(HOLDOUT),), {}),
        ("bold", "staggered(2)", (), DIFFER),
    ],
)
def test_kernel_equals_its_twin(wiring, learner, how, hands, parameters):
    """On equal noise, instant by instant, through a spell of bad reviews: whole numbers exactly, the others to rounding."""
    set_up = lied_to(
        trial(
            wiring, LEARNERS[learner], weeks=90, every=6, how=how, stride=6, hands=hands, **({"sites": 6} | parameters)
        ),
        40,
        5,
    )
    seed, number = 3, 5
    outcome, twin = play(set_up, seed, [number]), twin_of(set_up, seed, number, 90)
    for row, week in enumerate(range(6, 91, 6), 1):
        twin.run(week)
        found = {name: outcome.series[name][row, 0] for name in set_up.world.measures}
        assert found["given_up"] == np.float32(twin.given_up), week
        assert found["hired"] == np.float32(twin.hires / twin.openings), week
        assert found["turned_away"] == np.float32(twin.lost / max(twin.good, 1)), week
        assert found["expects"] == pytest.approx(sum(twin.expects) / 6, rel=1e-6), week
        assert found["regret"] == pytest.approx(twin.regret / twin.openings, rel=1e-6, abs=1e-9), week


def law(seats, weeks, p=0.6, lead=2, *, lies=(0, 0), hold=0.0, bound=lambda hires: 0.0):
    """The exact chance that a model's sites do not hire in the last of so many weeks, by dynamic programming over its lead.

    Up to `seats` applicants are hired at once, each adding 1 with chance p or else taking 1 away; at or below the `bound` none is, save a
    share `hold` at random; without it what has come to the bound stays there. In the weeks `lies` every hire takes 1 away.
    """
    top = seats * weeks + lead
    chance, gone = np.zeros(2 * top + 1), 0.0
    chance[top + lead] = 1.0
    leads = np.arange(-top, top + 1)
    for week in range(weeks):
        hires = leads > bound(seats * week)
        if not hold:
            gone += float(chance[~hires].sum())
            chance = chance * hires
        stopped = gone + float(chance[~hires].sum()) * (1 - hold)
        up = 0.0 if lies[0] <= week < lies[1] else p
        after = np.zeros_like(chance)
        for here, share in ((hires, 1.0), (~hires, hold)):
            one = [share * (1 - up), 1 - share, share * up]
            steps = np.ones(1)
            for _ in range(seats):
                steps = np.convolve(steps, one)
            after += np.convolve(chance * here, steps)[seats:-seats]
        chance = after
    return stopped


def assert_near(found, expected):
    """Within four standard errors."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found))


@pytest.mark.parametrize(("p", "prior", "size"), [(0.6, 0.2, 10.0), (0.7, 0.1, 10.0), (0.75, 0.3, 10.0)])
def test_a_lone_site_is_a_gambler(p, prior, size):
    """Feller, chapter XIV: ((1 - p) / p)^k, a head start of k hires; what is left of ruin after 260 weeks is less than .0003."""
    ruin = ((1 - p) / p) ** round(prior * size)
    assert law(1, 260, p, round(prior * size)) == pytest.approx(ruin, abs=3e-4)
    assert_near(given_up(trial(brain=Tally(prior=prior, size=size), good=p)), ruin)


@pytest.mark.parametrize("brains", [10, 5, 2, 1])
def test_any_half_and_all_follow_from_the_ruin_of_one_model(brains):
    """Models are ruined independently, with all of their sites: binomial. Any .997/.27, all .0003/.27 with ten models and one."""
    q = law(10 // brains, 260)
    found = given_up(trial("isolated" if brains == 10 else f"bulkheads({brains})"))
    assert set(np.unique(found * brains)) <= set(range(brains + 1))
    for least in (0.1, 0.5, 1.0):
        above = [
            math.comb(brains, i) * q**i * (1 - q) ** (brains - i) for i in range(brains + 1) if i / brains >= least
        ]
        exact = sum(above)
        seen = (found > least - 0.05).mean()
        assert abs(seen - exact) < 4 * math.sqrt(exact * (1 - exact) / len(found)) + 1e-12, least
    if brains in (
        10,
        5,
    ):  # two at a time from a lead of 2: a step is +2, 0 or -2, so the odds are squared and the lead is halved
        assert q == pytest.approx(4 / 9, abs=3e-4)
    if brains == 1:
        assert q == pytest.approx(0.27, abs=0.005)


@pytest.mark.parametrize("brains", [10, 1])
@pytest.mark.parametrize(("lies", "hold"), [((26, 34), 0.0), ((26, 34), HOLDOUT), ((0, 0), HOLDOUT)])
def test_bad_reviews_and_a_holdout_are_exact_too(brains, lies, hold):
    """A spell of wrong labels takes one large lead down surely and ten small ones by luck; a holdout climbs back."""
    set_up = trial("isolated" if brains == 10 else "shared", weeks=120, hands=(Holdout(hold),) if hold else ())
    set_up = lied_to(set_up, lies[0], lies[1] - lies[0]) if lies[1] else set_up
    assert_near(given_up(set_up), law(10 // brains, 120, lies=lies, hold=hold))


@pytest.mark.parametrize("c", [0.5, 1.0])
def test_an_optimist_is_ruined_later(c):
    """An upper confidence bound hires while the lead is above -c sqrt(10 + hires): a curved boundary."""
    exact = law(1, 260, bound=lambda hires: -c * math.sqrt(10 + hires))
    assert exact < law(1, 260) - 0.1
    assert_near(given_up(trial(brain=Tally(prior=0.2, size=10.0, optimism=c))), exact)


def test_one_model_that_learns_from_one_site_gives_up_like_that_site_and_takes_all_along():
    whole = replace(wire("shared", 10), data_of=tuple(range(10)))
    found = given_up(trial(whole))
    assert set(np.unique(found)) == {0.0, 1.0}
    assert_near(found, 4 / 9)


def test_models_that_pool_their_hires_are_one_model():
    """Ten that learn the same from one pool every week, or one: equal to the bit."""
    pooled, one = (given_up(trial(w, weeks=60), replications=100) for w in ("shared_data", "shared"))
    np.testing.assert_array_equal(pooled, one)


def test_ten_hires_at_once_or_one_by_one_between_two_trainings_are_the_same():
    """Retraining every ten weeks, a lone model has the law of one that serves ten sites: what counts is hires per training."""
    assert_near(given_up(trial(every=10)), law(10, 26))


def test_pooled_models_that_learn_in_turn_pull_each_other_out():
    """A model that has given up looks again at its next turn, at what the others went on hiring: so fewer end up there.

    Paired on the same luck, by over four standard errors.
    """
    together, in_turn = (
        given_up(trial("shared_data", every=5, how=h, good=0.55)) for h in ("synchronised", "staggered(1)")
    )
    less = together - in_turn
    assert less.mean() > 4 * less.std() / math.sqrt(len(less))


def test_nobody_listens():
    """With the loop open everybody is hired: no label is missing, nobody is turned away."""
    found = play(replace(trial(weeks=60), closed=False), 1, range(20)).measures
    for name, value in (("given_up", 0.0), ("turned_away", 0.0), ("regret", 0.0), ("hired", 1.0)):
        np.testing.assert_array_equal(found[name], value)
    assert np.isnan(found["expects"]).all()


def test_only_who_is_hired_is_judged():
    """No worth of an applicant who was turned away is in the answer, under any weight; each week's regret is that of the odds."""
    world, luck = Hiring(sites=400, good=0.7), Streams(1, range(3))
    state = world.start(luck)
    luck.clock.row = 0
    said = np.broadcast_to(np.where(np.arange(400) < 100, 0.3, -0.3), (3, 400))
    then, answer = world.step(state, world.act(state, said, luck), luck)
    np.testing.assert_array_equal(answer.weight, said > 0)
    np.testing.assert_array_equal(answer.outcome != 0, said > 0)
    seen = answer.outcome[:, :100]
    assert abs(seen.mean() - 0.4) < 4 * math.sqrt((1 - 0.4**2) / seen.size)
    np.testing.assert_allclose(world.measure(then)["regret"], 0.75 * 0.4)
    np.testing.assert_allclose(world.measure(then)["given_up"], 0.75)
    away = world.measure(then)["turned_away"]
    np.testing.assert_allclose(away.mean(), 0.75, atol=4 * math.sqrt(0.75 * 0.25 / 840))


def test_what_a_reading_tells():
    """p + contrast (1 - 2 misread) where a view takes the week for strong, p - that where for weak: four standard errors."""
    world, luck = Hiring(sites=8, contrast=0.2, misread=0.1), Streams(2, range(200))
    state, seen = world.start(luck), []
    for week in range(40):
        luck.clock.row = week
        reading = world.observe(state).copy()
        state, answer = world.step(state, Action(np.ones((200, 8), dtype=bool)), luck)
        seen.append((reading, answer.outcome > 0))
    reading, good = (np.array(part) for part in zip(*seen, strict=True))
    for grade, sign in ((1, 1), (0, -1)):
        expected = 0.6 + sign * 0.2 * 0.8
        share = np.array([good[:, i][reading[:, i] == grade].mean() for i in range(200)])
        assert abs(share.mean() - expected) < 4 * share.std() / math.sqrt(200)
    assert abs(reading.mean() - 0.5) < 4 * reading.mean(axis=(0, 2)).std() / math.sqrt(200)
    agree = (reading[..., 0] == reading[..., 1]).mean(axis=0)
    assert abs(agree.mean() - (0.9**2 + 0.1**2)) < 4 * agree.std() / math.sqrt(200)


def test_chances_stay_chances():
    with pytest.raises(ParameterError, match="good plus or minus contrast must lie from 0 to 1"):
        Hiring(good=0.9, contrast=0.2)


def test_where_weeks_do_not_differ_there_is_nothing_to_see():
    """The exact case: one state and one view; with a contrast each site's view reads two."""
    assert (Hiring().spec.states, Hiring().spec.views) == (1, 1)
    assert (Hiring(contrast=0.1).spec.states, Hiring(contrast=0.1).spec.views) == (2, 10)


def test_the_shipped_claims_point_at_the_exact_law():
    """Every `near` of the scenarios is the law of a lead over 260 weeks: the mean share, or P(all) of independent models."""
    hit = {"lies": (26, 34)}
    expected = {
        ("hiring", "isolated", None): law(1, 260),
        ("hiring", "shared", None): law(10, 260),
        ("hiring", "pairs", None): 0.0,  # versus isolated: the same
        ("hiring", "halves", None): law(5, 260) ** 2,
        ("hiring", "isolated_hit", None): law(1, 260, **hit),
        ("hiring", "isolated", "twice_as_many"): law(1, 260),
        ("hiring", "shared", "twice_as_many"): law(20, 260),
        ("hiring_holdout", "own", None): law(1, 260, **hit),
        ("hiring_holdout", "own_holdout", None): law(1, 260, **hit, hold=0.05),
        ("hiring_holdout", "one_holdout", None): law(10, 260, **hit, hold=0.05),
        ("hiring_holdout", "own_bound", None): law(1, 260, **hit, bound=lambda hires: -math.sqrt(10 + hires)),
    }
    claimed = {
        (name, claim.arm, claim.control): claim.near
        for name in ("hiring", "hiring_holdout")
        for claim in load(name).claims
        if claim.near is not None
    }
    assert claimed == pytest.approx(expected, abs=6e-4)
