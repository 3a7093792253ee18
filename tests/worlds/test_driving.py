"""A fleet on the long tail against its slow twin, against the missing mass, and against the kinematics of braking."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Action
from simlab.brains.familiar import Familiar
from simlab.brains.topology import Schedule, schedule, wire
from simlab.interventions.abstain import Abstain
from simlab.interventions.human_review import HumanReview
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.driving import DAY, Driving
from tests.twins.driving import Fleet

FEDERATED = {"wiring": "federated", "average_every": 10 * DAY}


def trial(
    wiring="isolated", brain=None, *, days=100, every=10, how="synchronised", stride=None, warmup=0, hands=(), **given
):
    """Twenty cars, a thousand types, a release every ten days."""
    world = Driving(**given)
    how_wired = {"wiring": wiring} if isinstance(wiring, str) else dict(wiring)
    return Trial(
        world,
        (brain or Familiar(),),
        wire(how_wired.pop("wiring"), world.cars, **how_wired).canonical(world.spec),
        horizon=days * DAY,
        stride=(stride or days) * DAY,
        warmup=warmup * DAY,
        schedule=schedule(how, Schedule(every=every * DAY)),
        hands=tuple(Hand(type(hand).__name__.lower(), hand, Trigger(at=0.0)) for hand in hands),
    )


def noise_of(world, seed, number, days):
    """The numbers that replication `number` is dealt, for the twin: an entry a day."""
    luck, shape = Streams(seed, [number]), (1, world.cases)
    dealt = {name: [] for name in ("types", "flips", "who", "attention")}
    for day in range(-1, days):  # what comes on a day is drawn on the one before
        luck.clock.row = day
        for purpose, found in dealt.items():
            if day >= 0 or purpose == "types":
                found.append(luck.uniform(purpose, shape)[0].tolist())
    return dealt


def twin_of(set_up, seed, number, days):
    """The twin of one replication, ready to go."""
    plan, wiring = set_up.schedule, set_up.topology
    struck = {
        s.effect: (
            set_up.ticks(s.start),
            min(set_up.ticks(s.start + s.duration), days) if math.isfinite(s.duration) else days,
            range(set_up.world.cars) if s.models is None else s.models,
        )
        for s in set_up.shocks
    }
    return Fleet(
        asdict(set_up.world),
        set_up.brains[0].right,
        asdict(wiring),
        noise_of(set_up.world, seed, number, days),
        every=set_up.ticks(plan.every),
        cohort=plan.size if plan.how == "staggered" else None,
        average=set_up.ticks(wiring.average_every),
        **{name: struck[effect] for effect, name in NAMES.items() if effect in struck},
    )


NAMES = {"garbled": "garbled", "down": "down", "poisoned": "lied"}
SHOCKS = (
    Shock("turned round", "brain", "garbled", 30 * DAY, 5 * DAY, models=(0, 3)),
    Shock("operators", "brain", "down", 40 * DAY, 4 * DAY, models=(1,)),
    Shock("bad labels", "evidence", "poisoned", 12 * DAY, 9 * DAY, size=-1.0, models=(2,)),
)


@pytest.mark.parametrize(
    ("wiring", "how", "given"),
    [
        ("isolated", "synchronised", {}),
        ("shared_data", "staggered(2)", {"flips": 0.8, "attention": 0.6}),
        ("shared_brain", "synchronised", {"sure": 0.9}),
        ("shared", "synchronised", {"longest": 11, "flips": 0.95, "exponent": 0.7}),
        ("bulkheads(3)", "staggered(1)", {"history": "kept", "suppression": 0.0}),
        (FEDERATED, "synchronised", {"sure": 0.5, "flips": 0.0}),
        ({**FEDERATED, "average_by": "median"}, "synchronised", {"suppression": 0.0, "longest": 11}),
    ],
)
def test_kernel_equals_its_twin(wiring, how, given):
    """On equal noise, every five days, through releases turned round, operators at the wheel and bad labels."""
    set_up = trial(wiring, days=60, how=how, stride=5, **({"cars": 6, "types": 80, "cases": 12} | given))
    set_up = replace(set_up, shocks=SHOCKS)
    outcome, twin = play(set_up, 3, [5]), twin_of(set_up, 3, 5, 60)
    for row, day in enumerate(range(5, 61, 5), 1):
        twin.run(day)
        for name, value in twin.measures().items():
            assert outcome.series[name][row, 0] == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True), (name, day)


@cache
def zipf(types, exponent):
    weights = np.arange(1, types + 1) ** -float(exponent)
    return weights / weights.sum()


def mass(n, cars=1, types=1000, exponent=1.1):
    """Good (1953): the chance that a case is of a type that is not among n others, dealt to so many cars, as one of them knows."""
    p = zipf(types, exponent)
    return float((p * (1 - p / cars) ** n).sum())


def ignorant(n, cars=20):
    """P(exactly j of the cars have not met the type of the next case), j = 0 .. cars, by inclusion and exclusion."""
    none = [mass(n, cars / i) if i else 1.0 for i in range(cars + 1)]  # of i given cars, none has
    return np.array(
        [
            math.comb(cars, j) * sum((-1) ** i * math.comb(cars - j, i) * none[j + i] for i in range(cars - j + 1))
            for j in range(cars + 1)
        ]
    )


def over(days, f, n=40, every=10):
    """The mean of f(cases learnt from) over days, with a release every ten."""
    return float(np.mean([f(n * every * (day // every)) for day in days]))


def assert_near(found, expected):
    """Within four standard errors."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + 1e-12, (found.mean(), expected)


def measured(set_up, replications=40, seed=1):
    return play(set_up, seed, range(replications)).measures


PUBLISHED = {"types": 100_000, "exponent": 1.1}


@pytest.mark.parametrize(
    ("cars", "wiring", "met", "expected"),
    [
        (1, "isolated", 10_000, 0.24245),  # what each of a hundred has met, each on its own
        (1, "isolated", 1_000_000, 0.02727),  # what a hundred have met together
        (100, "isolated", 50_000, None),
        (100, "shared", 50_000, None),
    ],
)
def test_missing_mass_at_the_published_size(cars, wiring, met, expected):
    """1e5 types, exponent 1.1: after 1e4 cases .242 of those to come are missed, after 1e6 .027; and for a hundred cars, after 5e4 in all.

    The chance of a miss is a sum over types that barely depend on each other, so the day's count varies little more than a
    binomial one; half as much again is allowed for.
    """
    cases = met // 10
    law = mass(met, cars if wiring == "isolated" else 1, **PUBLISHED)
    assert expected is None or law == pytest.approx(expected, abs=1e-5)
    rows = 20 if met == 10_000 else 1
    set_up = trial(wiring, days=11, cars=cars, cases=cases, **PUBLISHED)
    found = play(set_up, 1, range(rows)).measures["missed_today"].mean()
    assert abs(found - law) < 4 * 1.5 * math.sqrt(law * (1 - law) / cases / rows)


@pytest.mark.parametrize(
    ("wiring", "share", "mean"),
    [
        ("isolated", 1, lambda n: mass(n, 20)),
        ("shared_data", 20, mass),
        ("shared_brain", 20, mass),
        ("bulkheads(5)", 4, lambda n: mass(n, 5)),
    ],
)
def test_who_misses_what(wiring, share, mean):
    """The mean share that is missed, and at how many cases some, half or all of the cars would have failed, over a hundred days."""
    found, days = measured(trial(wiring)), range(100)
    assert_near(found["missed"], over(days, mean))
    groups = 20 // share
    for name, least in (("some_fail", 1), ("half_fail", (groups + 1) // 2), ("all_fail", groups)):
        assert_near(found[name], over(days, lambda n, least=least: float(ignorant(n, groups)[least:].sum())))


def test_at_what_nobody_has_met_all_fail_however_they_are_wired():
    """Case by case on the same luck, so to the bit; and by a mean of weights as by pooling the data."""
    found = {str(wiring): measured(trial(wiring), 10) for wiring in ("isolated", "shared_data", "shared", FEDERATED)}
    whole = found.pop("shared")
    for other in found.values():
        np.testing.assert_array_equal(other["all_fail"], whole["all_fail"])
    for name in Driving.measures:
        np.testing.assert_array_equal(found[str(FEDERATED)][name], found["shared_data"][name])
    np.testing.assert_array_equal(whole["some_fail"], whole["all_fail"])


def test_a_median_of_weights_loses_what_fewer_than_half_have_met():
    """Of twenty, ten that know it leave a median between nothing and something: 11 who do not are needed, and then all fail."""
    found = measured(trial({**FEDERATED, "average_by": "median"}))
    assert_near(found["missed"], over(range(100), lambda n: float(ignorant(n)[11:].sum())))
    np.testing.assert_array_equal(found["some_fail"], found["all_fail"])


def test_one_brain_that_learns_from_one_car_is_as_green_as_that_car_and_fails_everywhere_at_once():
    found = measured(trial({"wiring": "shared", "data_of": tuple(range(20))}))
    assert_near(found["missed"], over(range(100), lambda n: mass(n, 20)))
    np.testing.assert_array_equal(found["some_fail"], found["all_fail"])


def test_the_day_is_bookkeeping():
    """Half as many cases a day, and twice as many days between two releases: the same law, within four standard errors."""
    rough, fine = (measured(trial(days=d, every=e, cases=n)) for d, e, n in ((100, 10, 40), (200, 20, 20)))
    for name in ("missed", "some_fail", "all_fail"):
        apart = rough[name] - fine[name]
        assert abs(apart.mean()) < 4 * apart.std() / math.sqrt(len(apart)), name


def test_a_bad_release_fails_at_everything_in_those_who_have_it():
    """Known dangers are taken for none, unknown ones are not known: all of two days' cases, or those of one car in twenty."""
    bad = Shock("bad", "brain", "garbled", 40 * DAY, 2 * DAY)
    for wiring, models, reach in (("shared", None, 1.0), ("shared_data", (0,), 0.05)):
        set_up = trial(wiring, days=50, stride=1)
        calm = play(set_up, 1, range(60)).series["missed_today"]
        struck = play(replace(set_up, shocks=(replace(bad, models=models),)), 1, range(60)).series["missed_today"]
        added = struck - calm
        assert (added[:41] == 0).all()
        assert (added[43:] == 0).all()
        assert_near(added[41:43].mean(axis=0), reach * (1 - mass(1600)))
        assert reach < 1 or (struck[41:43] == 1).all()


def hit_speed(left, speed=19.22, braking=7.0):
    return math.sqrt(max(speed**2 - 2 * braking * speed * left, 0.0))


@pytest.mark.parametrize(
    ("given", "late", "speed"),
    [
        ({}, 1.0, 19.22),  # never settled
        ({"longest": 11}, 1.0, hit_speed(0.2)),  # as at Tempe: settled 1.2 s before, suppressed for 1 s
        ({"longest": 11, "suppression": 0.0}, 1.0, hit_speed(1.2)),
        ({"longest": 11, "suppression": 0.0, "braking": 8.1}, 0.0, None),  # 19.22 / (2 x 8.1) = 1.19 s is enough
        ({"longest": 8}, 0.0, None),  # 5.6 - 3.2 - 1 = 1.4 s is enough
        ({"history": "kept"}, 0.0, None),
        ({"flips": 0.0}, 0.0, None),
        ({"flips": 0.9, "longest": 9}, 0.9**8, hit_speed(1.0)),  # in time after eight looks, else after the ninth
        ({"flips": 0.9, "suppression": 0.0}, 0.9**10, None),  # in time after ten
    ],
)
def test_what_becomes_of_an_unknown_type(given, late, speed):
    """v^2 - 2 a v tau of what is left after looks and suppression; nothing is known, since nothing is ever learnt."""
    found = measured(trial("shared", days=25, every=0, **given), 60)
    if late in (0.0, 1.0):
        np.testing.assert_array_equal(found["missed"], late)
    else:
        assert_near(found["missed"], late)
    if speed is not None:
        np.testing.assert_allclose(found["impact"], speed, rtol=1e-6)
        np.testing.assert_allclose(found["energy"], found["missed"] * (speed / 19.22) ** 2, rtol=1e-6)
    assert np.isnan(found["impact"]).all() == (late == 0.0)


def test_tempe():
    """5.6 s, a class settled 1.2 s before, a second of suppression, 43 mph: 39 mph at impact in the record, within a mile an hour.

    Without the suppression 1.2 s are left of the 1.37 that stopping takes at 7 m/s^2: still an impact, with an eighth of the energy.
    """
    mph = 0.44704
    assert Driving().speed / mph == pytest.approx(43, abs=0.01)
    assert hit_speed(0.2) / mph == pytest.approx(39, abs=1)
    assert hit_speed(1.2) / mph == pytest.approx(15.3, abs=0.1)
    assert (hit_speed(1.2) / 19.22) ** 2 == pytest.approx(1 - 2 * 7 * 1.2 / 19.22)


def test_operators():
    """One who looks has 4 - 1.5 s left and stops; who drives, or takes over what is not known, misses what is not looked at."""
    alone = measured(replace(trial(days=25, attention=0.7), closed=False))
    assert_near(alone["missed"], 0.3)
    np.testing.assert_array_equal(alone["some_fail"], alone["all_fail"])
    watched = measured(trial(days=25, every=0, attention=1.0, hands=(HumanReview(capacity=800, error=0.4),)))
    assert_near(watched["missed"], 0.4)
    handed = measured(trial("shared", days=60, attention=0.7, hands=(Abstain(bound=0.3),)))
    assert_near(handed["missed"], over(range(60), lambda n: 0.3 * mass(n)))


def test_only_who_was_there_learns_and_only_the_type_that_came():
    world, luck = Driving(cars=30, cases=200), Streams(1, range(3))
    state = world.start(luck)
    luck.clock.row = 0
    _, answer = world.step(state, Action(np.zeros((3, 30, 200))), luck)
    np.testing.assert_array_equal(answer.weight.sum(axis=1), 1)
    np.testing.assert_array_equal(answer.outcome, 1)
    cars = answer.weight.sum(axis=2)
    assert abs(cars - 200 / 30).max() < 4.5 * math.sqrt(200 / 30)


@pytest.mark.parametrize("exponent", [0.0, 1.1, 2.0])
def test_types_follow_zipfs_law(exponent):
    world, luck = Driving(types=50, cases=400, exponent=exponent), Streams(2, range(50))
    seen = np.bincount(world.start(luck).kind.ravel(), minlength=50)
    expected = 20_000 * zipf(50, exponent)
    assert (abs(seen - expected) < 4.5 * np.sqrt(expected)).all()


def test_the_last_of_its_kind():
    """One car and one type: known from the first release on; a day of nothing known before."""
    found = play(trial(cars=1, types=1, days=20, stride=1), 1, range(4)).series["missed_today"]
    np.testing.assert_array_equal(found[1:11], 1)
    np.testing.assert_array_equal(found[11:], 0)


def test_what_contradicts_itself():
    with pytest.raises(ParameterError, match=r"0.6 s are left .* and stopping takes .* 1.37 s; lower speed"):
        Driving(suppression=4.6)
    with pytest.raises(ParameterError, match="an operator who reacts after the impact is none"):
        Driving(sight=1.0)


def test_the_shipped_claims_are_algebra():
    """Every `near` of `driving` is a sum over the types: 90 days before, then a hundred, with a bad release on days 80 and 81."""
    days = range(90, 190)
    own, pool = over(days, lambda n: mass(n, 20)), over(days, mass)
    some, half = (over(days, lambda n, least=least: float(ignorant(n)[least:].sum())) for least in (1, 11))
    known = {"own": 1 - mass(6800, 20), "pool": 1 - mass(6800), "half": 1 - float(ignorant(6800)[11:].sum())}
    one, two = 0.02 / 20, 0.02  # of a hundred days two, at one car of twenty or at all
    expected = {
        ("missed", "isolated", None): own + one * known["own"],
        ("missed", "pooled", None): pool + one * known["pool"],
        ("all_fail", "isolated", "pooled"): 0.0,
        ("some_fail", "isolated", None): some,
        ("some_fail", "pooled", None): pool,
        ("missed", "federated", "pooled"): 0.0,
        ("all_fail", "shared", "isolated"): two * known["pool"],
        ("all_fail", "pooled", "isolated"): 0.0,
        ("all_fail", "median", "isolated"): half - pool,
        ("worst_day", "shared", None): 1.0,
        ("missed", "shared", "pooled"): (two - one) * known["pool"],
    }
    claimed = {(c.measure, c.arm, c.versus): c.near for c in load("driving").claims if c.near is not None}
    assert claimed == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(("sure", "right"), [(0.1, 0.55), (0.5, 0.75), (0.82, 0.91), (0.9, 0.95)])
def test_who_says_just_as_much_as_sure_does_not_know(sure, right):
    """One label says 2 right - 1, and no rounding of it to single precision makes it more."""
    at, above = (play(trial(brain=Familiar(right=right), days=20, sure=s), 1, range(2)) for s in (sure, sure + 1e-3))
    below = play(trial(brain=Familiar(right=right), days=20, sure=sure - 1e-3), 1, range(2))
    np.testing.assert_array_equal(at.measures["missed"], above.measures["missed"])
    assert (below.measures["missed"] < at.measures["missed"]).all()
