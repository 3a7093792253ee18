"""Recommendation against its slow twin, against the exact law of a user's walk, and against the theory of degenerate feedback loops."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Action
from simlab.brains.top_list import TopList
from simlab.brains.topology import Schedule, wire
from simlab.interventions.explore import Explore
from simlab.interventions.importance_weight import ImportanceWeight
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.recommender import DAY, Recommender
from tests.twins.recommender import Platform

NOW = Trigger(at=0.0)
RANDOM = Hand("kill_switch", KillSwitch(), NOW)
ORACLE = TopList(trust=1e9)
SMALL = {"cohorts": 4, "users": 5, "items": 12, "length": 3}


def trial(wiring="isolated", brain=None, *hands, days=60, every=7, viral=None, **parameters):
    """Cohorts served by top lists, retrained weekly."""
    world = Recommender(**parameters)
    shocks = []
    if viral is not None:
        start, lasts, size = viral
        shocks = [Shock("viral", "world", "set", start=start * DAY, duration=lasts * DAY, values={"viral": size})]
    return Trial(
        world,
        (brain or TopList(length=world.length),),
        wire(wiring, world.cohorts).canonical(world.spec),
        horizon=days * DAY,
        stride=min(days, 10) * DAY,
        schedule=Schedule(every=every * DAY),
        shocks=tuple(shocks),
        hands=hands,
    )


def explored(floor):
    return Hand("explore", Explore(floor=floor), NOW)


def noise_of(world, seed, number, days):
    """The numbers that replication `number` is dealt, for the twin: of the start, then an entry a day."""
    luck, m, k, u = Streams(seed, [number]), world.cohorts, world.items, world.users
    dealt = {"popular": luck.normal("popular", (1, k))[0].tolist()}
    for purpose, shape in (("taste", (1, m, k)), ("own", (1, m, k, u)), ("view error", (1, m, k))):
        dealt[purpose] = luck.normal(purpose, shape)[0].tolist()
    shapes = {"list": (1, m), "any": (1, m, k), "clicks": (1, m, world.length, u)}
    dealt |= {purpose: [] for purpose in shapes}
    for day in range(days):
        luck.clock.row = day
        for purpose, shape in shapes.items():
            dealt[purpose].append(luck.uniform(purpose, shape)[0].tolist())
    return dealt


def twin_of(set_up, seed, number, days):
    """The twin of one replication, ready to go."""
    hands = {hand.name: hand.intervention for hand in set_up.hands}
    viral = [(set_up.ticks(s.start), set_up.ticks(s.duration), s.values["viral"]) for s in set_up.shocks]
    return Platform(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, days),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        viral=viral[0] if viral else (10**6, 1, 0.0),
        explore=hands["explore"].floor if "explore" in hands else 0.0,
        blind="kill_switch" in hands,
    )


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared_data", "shared_brain", "bulkheads(2)"])
@pytest.mark.parametrize(
    ("brain", "hands"),
    [
        (TopList(length=3, trust=5, memory=20), ()),
        (TopList(length=3, trust=2, optimism=2.0), (explored(0.3),)),
        (TopList(length=2), ()),  # lists that are not filled
        (TopList(length=3), (RANDOM,)),
    ],
)
def test_kernel_equals_its_twin(wiring, brain, hands):
    """On equal noise, every ten days, to rounding; lists are equal, so nothing hides behind the tolerance."""
    set_up = trial(wiring, brain, *hands, viral=(15, 10, 3.0), drift=0.1, line=2.0, **SMALL)
    seed, number = 6, 3
    outcome = play(set_up, seed, [number])
    twin = twin_of(set_up, seed, number, 60)
    for row in range(1, 7):
        twin.run(10 * row)
        for name, expected in twin.measures().items():
            assert outcome.series[name][row, 0] == pytest.approx(expected, rel=2e-6, abs=1e-6), (name, row)
    for name, expected in twin.measures().items():
        assert outcome.measures[name][0] == pytest.approx(expected, rel=1e-9, abs=1e-12), name


def walk(first, drift, days, often=1.0):
    """The exact law of clicks less refusals of an item that is shown with chance `often` a day, `(2 days + 1,)`, from interest `first`."""
    net = np.arange(-days, days + 1)
    up = 1 / (1 + np.exp(-(first + drift * net)))
    law = np.zeros(len(net))
    law[days] = 1.0
    for _ in range(days):
        after = law * (1 - often)
        after[1:] += (law * often * up)[:-1]
        after[:-1] += (law * often * (1 - up))[1:]
        law = after
    return net, law


def mean_field(first, drift, days):
    """The interest in an item that is always shown, where sinh(mu / 2) grows as exp(drift t / 2)."""
    return 2 * np.arcsinh(np.sinh(first / 2) * np.exp(drift * days / 2))


@pytest.mark.parametrize("drift", [0.03, 0.3])
def test_an_item_that_is_always_shown_drifts_as_the_walk_does(drift):
    """Two items, both always shown, first interest 0: E sqrt(n1^2 + n2^2) by exact enumeration; four standard errors."""
    set_up = trial(items=2, length=2, cohorts=1, users=1, spread=0.0, drift=drift)
    moved = play(set_up, 1, range(800)).measures["moved"]
    net, law = walk(0.0, drift, 60)
    expected = drift * (np.hypot(net[:, None], net) * law[:, None] * law).sum()
    assert abs(moved.mean() - expected) < 4 * moved.std() / math.sqrt(len(moved))


@pytest.mark.parametrize("often", [0.25, 0.5])
def test_lists_at_random_are_slower_by_their_share_of_the_items(often):
    """E of the squared distance is the sum over items of that of a walk that moves on l / K of the days; four standard errors."""
    set_up = trial(
        "isolated", None, RANDOM, items=8, length=round(8 * often), cohorts=1, users=1, spread=0.0, drift=0.3
    )
    square = play(set_up, 2, range(800)).measures["moved"] ** 2
    net, law = walk(0.0, 0.3, 60, often)
    expected = 8 * 0.3**2 * (net**2 * law).sum()
    assert abs(square.mean() - expected) < 4 * square.std() / math.sqrt(len(square))


def test_small_steps_follow_the_mean_field():
    """Jiang et al. 2019: 2 asinh(sinh(mu / 2) exp(drift t / 2)), for users far enough from 0; four standard errors, and a drift."""
    world = Recommender(items=2, length=2, cohorts=50, users=20, spread=3.0, drift=0.02)
    luck = Streams(3, range(2))
    state = world.start(luck)
    lists = np.broadcast_to([0, 1], (2, 50, 2))
    for day in range(100):
        luck.clock.row = day
        state, _ = world.step(state, Action(lists), luck)
    far = np.abs(state.first) > 1.5
    gap = (state.first + world.drift * state.net - mean_field(state.first, world.drift, 100))[far]
    outward = gap * np.sign(state.first[far])
    assert abs(outward.mean()) < 4 * outward.std() / math.sqrt(far.sum()) + world.drift
    assert far.sum() > 1000


def test_the_more_a_recommender_knows_the_sooner_interests_degenerate():
    """The order of Jiang et al. 2019: an oracle, a top list that learns, one that explores, lists at random; four standard errors apart."""
    set_ups = (
        trial("isolated", ORACLE, error=0.0),
        trial(),
        trial("isolated", None, explored(0.4)),
        trial("isolated", None, RANDOM),
    )
    moved = [play(set_up, 4, range(24)).measures["moved"] for set_up in set_ups]
    for faster, slower in pairwise(moved):
        gap = faster - slower
        assert gap.mean() > 4 * gap.std() / math.sqrt(24)


def test_twice_the_visits_with_half_the_drift():
    """The tick is the source's; for small drifts only drift x time counts. Within the margin of the shipped claim, 0.3."""
    once, twice = (
        play(trial("isolated", ORACLE, error=0.0, days=n * 90, every=n * 7, drift=0.06 / n), 5, range(12))
        for n in (1, 2)
    )
    assert abs((once.measures["moved"] - twice.measures["moved"]).mean()) < 0.3


def test_lists_are_drawn_with_the_shares_that_were_said():
    """Madow 1949: as many items as fit, each with l times its share, and surely from 1 / l on; four standard errors."""
    world, luck = Recommender(cohorts=400, items=6, length=3, users=1), Streams(7, range(20))
    state, days = world.start(luck), 25
    shares = np.array(
        [0.4, 0.3, 0.1, 0.1, 0.07, 0.03]
    )  # 0.2 of an item is lost: one is surely there, and cannot be more
    wanted, found = np.minimum(3 * shares, 1), np.zeros(6)
    for day in range(days):
        luck.clock.row = day
        action = world.act(state, np.broadcast_to(shares, (20, 400, 6)), luck)
        drawn = action.value[action.value >= 0]
        assert set(np.unique((action.value >= 0).sum(axis=2))) == {2, 3}
        np.testing.assert_allclose(action.chance[action.value >= 0], wanted[drawn])
        found += np.bincount(drawn, minlength=6) / (8000 * days)
    assert (np.abs(found - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / (8000 * days)) + 1e-12).all()


@pytest.mark.parametrize("said", [0.0, -3.0, np.nan])
def test_what_names_no_item_shows_none(said):
    world, luck = Recommender(**SMALL), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    action = world.act(state, np.full((2, 4, 12), said), luck)
    then, answer = world.step(state, action, luck)
    assert (action.value == -1).all()
    assert not answer.weight.any()
    assert not then.net.any()


def test_a_list_is_full_whatever_else_is_said():
    """Shares that add up to more than 1, and one that is undefined, cost their own cohort and no other."""
    world, luck = Recommender(**SMALL), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    said = np.full((2, 4, 12), 1 / 12)
    said[0, 1] = 0.5
    said[0, 2, 4] = np.nan
    action = world.act(state, said, luck)
    plain = world.act(state, np.full((2, 4, 12), 1 / 12), luck_at(0))
    np.testing.assert_array_equal(action.value[0, 1], [0, 1, 2])
    assert (action.value[0, 2] != 4).all()
    others = [0, 3]
    np.testing.assert_array_equal(action.value[0, others], plain.value[0, others])
    np.testing.assert_array_equal(action.value[1], plain.value[1])
    assert (plain.value >= 0).all()


def test_an_item_that_stands_twice_is_shown_once():
    """And what is seen of it, and how far interests moved, are those of one showing."""
    world, luck = Recommender(**SMALL), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    then, answer = world.step(state, Action(np.broadcast_to([5, -1, 5], (2, 4, 3))), luck)
    assert (answer.weight[..., 5] == world.users).all()
    assert answer.weight.sum() == 2 * 4 * world.users
    np.testing.assert_array_equal(np.abs(then.net[:, :, 5]), 1)
    np.testing.assert_array_equal(then.square, (then.net**2).sum(axis=2))
    np.testing.assert_allclose(answer.outcome[..., 5], (then.net[:, :, 5].mean(axis=2) + 1) / 2)


def test_overlap_is_whole_where_all_is_shared_and_hypergeometric_at_random():
    """E of the Jaccard index of two random lists of 4 of 40 is the sum of P(i common) i / (8 - i); four standard errors."""
    assert (play(trial("shared", days=14), 1, range(3)).series["alike"][1:] == 1).all()
    overlap = play(trial("isolated", None, RANDOM, days=1), 1, range(400)).measures["alike"]
    common = [math.comb(4, i) * math.comb(36, 4 - i) / math.comb(40, 4) for i in range(5)]
    expected = sum(p * i / (8 - i) for i, p in enumerate(common))
    assert abs(overlap.mean() - expected) < 4 * overlap.std() / 20


def test_without_reinforcement_nothing_moves_and_without_listeners_lists_are_random():
    still = play(trial(drift=0.0), 1, range(4)).measures
    assert not still["moved"].any()
    assert not still["bubbled"].any()
    opened = play(replace(trial(), closed=False), 1, range(4)).measures
    killed = play(trial("isolated", None, RANDOM), 1, range(4)).measures
    for name in Recommender.measures:
        np.testing.assert_array_equal(opened[name], killed[name], err_msg=name)


def test_weights_undo_the_lists():
    """With 1/p every item has the weight of all users on average, whatever the model lists; four standard errors of a sum over days."""
    world, luck = Recommender(cohorts=6, users=2, items=8, length=2), Streams(9, range(50))
    state = world.start(luck)
    shares = np.full((50, 6, 8), 0.05)
    shares[..., :2] = 0.35
    total = np.zeros((50, 8))
    hand = ImportanceWeight()
    for day in range(40):
        luck.clock.row = day
        state, answer = world.step(state, world.act(state, shares, luck), luck)
        total += hand.apply(answer, np.ones((50, 6), dtype=bool), None).weight.mean(axis=1) / 40
    spread = total.std(axis=0) / math.sqrt(50)
    assert (np.abs(total.mean(axis=0) - world.users) < 4 * spread).all()


def test_a_list_at_random_is_known_to_be_random():
    """The kill switch loses the propensity of an action; the world knows that of its own plain rule."""
    world, luck = Recommender(**SMALL), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    lists = world.fallback(state, luck)
    for chance in (None, np.full(lists.shape, np.nan)):
        _, answer = world.step(world.start(Streams(1, range(2))), Action(lists, chance), luck_at(0))
        np.testing.assert_allclose(answer.chance[answer.weight > 0], 3 / 12)


def luck_at(day):
    luck = Streams(1, range(2))
    luck.clock.row = day
    return luck


def test_parameters_that_contradict_are_refused():
    for wrong, message in (
        ({"items": 3, "length": 4}, "length must be at most items"),
        ({"popular": 0.7, "taste": 0.4}, "add up to at most 1"),
    ):
        with pytest.raises(ParameterError, match=message):
            Recommender(**wrong)


def test_the_shipped_claims_point_at_the_algebra():
    """Mean field for the four best of a cohort, exact enumeration for lists at random; no line of the world's code."""
    world = Recommender()
    rng = np.random.default_rng(8)
    r, m, k, u, n = 300, world.cohorts, world.items, world.users, world.length
    common = math.sqrt(0.2) * rng.normal(size=(r, 1, k)) + math.sqrt(0.4) * rng.normal(size=(r, m, k))
    first = common[..., None] + math.sqrt(0.4) * rng.normal(size=(r, m, k, u))
    top = np.argsort(first.mean(axis=3), axis=2)[..., -n:]
    best = np.take_along_axis(first, top[..., None], axis=2)
    oracle = np.sqrt(((mean_field(best, world.drift, 90) - best) ** 2).sum(axis=2)).mean()
    points, weights = np.polynomial.hermite_e.hermegauss(31)
    squares = [(net**2 * law).sum() for net, law in (walk(x, world.drift, 90, n / k) for x in points)]
    random = world.drift * math.sqrt(k * np.dot(weights, squares) / weights.sum())
    near = {
        claim.arm: claim.near
        for claim in load("recommender").claims
        if claim.measure == "moved" and claim.near is not None
    }
    assert near["oracle"] == pytest.approx(oracle, abs=0.05)
    assert near["random"] == pytest.approx(random, abs=0.05)
