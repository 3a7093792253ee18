"""The hands on the action seam, in the toy world: brains that always say 1, and a fallback that does 0.

While nobody interferes an outcome is 1 + 0.5 * 1, and under the fallback it is 1, so every total is a sum by hand.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.base.world import Action
from simlab.brains.topology import Schedule
from simlab.interventions.circuit_breaker import CircuitBreaker
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.throttle import Throttle
from simlab.lab.cohort import join, play
from simlab.lab.shocks import Shock
from simlab.lab.trial import Hand, Trigger
from tests.interventions.stage import SAYS_ONE, moment
from tests.lab.toy import Mean, Toy, trial

HANDS = {"kill_switch": KillSwitch(), "circuit_breaker": CircuitBreaker(), "throttle": Throttle()}


def played(hand, n=2, seed=0, world=None, tap=None, **given):
    return play(trial(world or Toy(noise=0.0), hands=(hand,), **(SAYS_ONE | given)), seed, range(n), tap)


def total(hand, **given):
    return played(hand, **given).measures["total"][0]


def acts(hand, n=2, **given):
    """What was done, `(ticks, r, m)`."""
    seen = []
    played(hand, n, tap=lambda _, stage, value: seen.append(value.copy()) if stage == "act" else None, **given)
    return np.array(seen)


def times(outcome, kind, name):
    return {e.replication: e.time for e in outcome.events if (e.kind, e.name) == (kind, name)}


def test_a_breaker_on_a_schedule_gives_the_models_back():
    """40 ticks, of which 10 to 20 under the fallback."""
    hand = Hand("breaker", CircuitBreaker(), Trigger(at=10, lasts=10))
    assert total(hand) == pytest.approx(40 + 0.5 * 30)
    seen = played(hand)
    assert times(seen, "intervention", "breaker") == {0: 10.0, 1: 10.0}
    assert times(seen, "intervention", "breaker ends") == {0: 20.0, 1: 20.0}


def test_a_breaker_is_armed_again_and_a_kill_switch_is_not():
    """The edge is crossed for good after the first tick. With a latency of 2 the models act 3 ticks, then 2 after every pause of 5."""
    crossed = Trigger(measure="worst", above=1.2, median=2, lasts=5)
    assert total(Hand("breaker", CircuitBreaker(), crossed)) == pytest.approx(40 + 0.5 * (3 + 5 * 2))
    assert total(Hand("kill", KillSwitch(), crossed)) == pytest.approx(40 + 0.5 * (3 + 32))


def test_a_breaker_stays_closed_once_the_measure_has_come_back():
    """The drift is 3 from tick 10 to 20: seen after tick 10, paused from 11, and once more from 16 to 21."""
    drift = Shock("drift", "world", "set", start=10, duration=10, values={"drift": 3.0})
    hand = Hand("breaker", CircuitBreaker(), Trigger(measure="latest", above=2.5, lasts=5))
    assert total(hand, shocks=(drift,)) == pytest.approx(40 + 2 * 10 + 0.5 * (40 - 10))


def test_a_breaker_must_end():
    with pytest.raises(InputError, match=r"hand `breaker` must end: .* `lasts: 5 min`"):
        total(Hand("breaker", CircuitBreaker(), Trigger(at=10)))


def test_probes_are_let_through_in_the_second_half():
    """A share of 0.3 of 64 x 3 x 10 cases, to 4 standard errors."""
    done = acts(Hand("breaker", CircuitBreaker(probes=0.3), Trigger(at=10, lasts=20)), n=64)
    assert (done[:10] == 1).all()
    assert (done[10:20] == 0).all()
    assert abs(done[20:30].mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 1920)
    assert (done[30:] == 1).all()


def test_a_throttle_scales_numbers_towards_the_fallback():
    hand = Hand("throttle", Throttle(passes=0.25), Trigger(at=10, lasts=20))
    assert total(hand) == pytest.approx(40 + 0.5 * (20 + 0.25 * 20))


def test_a_throttle_that_lets_all_or_nothing_through():
    plan = {"schedule": Schedule(every=5), "world": Toy(), "seed": 3, "n": 5}
    at = Trigger(at=10)
    free = play(trial(Toy(), schedule=Schedule(every=5), **SAYS_ONE), 3, range(5)).series["total"]
    np.testing.assert_array_equal(played(Hand("t", Throttle(passes=1.0), at), **plan).series["total"], free)
    nothing, killed = (played(Hand("t", hand, at), **plan) for hand in (Throttle(passes=0.0), KillSwitch()))
    np.testing.assert_array_equal(nothing.series["total"], killed.series["total"])


def test_a_throttle_decides_choices_case_by_case():
    """Choices of 50 requests for each of 4 models: about 0.6 of 8 x 3 x 50 are the model's own, to 4 standard errors."""
    said, plain = np.full((8, 4, 50), 2, dtype=np.int8), np.zeros((8, 4, 50), dtype=np.int64)
    on = np.ones((8, 4), dtype=bool)
    on[:, 3] = False
    action = Action(said, chance=np.full(said.shape, 0.5))
    done = Throttle(passes=0.6).apply(action, on, moment(8, 4, plain))
    assert done.value.dtype == np.int8
    assert set(np.unique(done.value)) == {0, 2}
    assert abs((done.value[:, :3] == 2).mean() - 0.6) < 4 * math.sqrt(0.6 * 0.4 / 1200)
    assert (done.value[:, 3] == 2).all()
    np.testing.assert_array_equal(np.isnan(done.chance), done.value == 0)
    # the same luck: what a tighter one lets through, this one does
    tighter = Throttle(passes=0.3).apply(action, on, moment(8, 4, plain))
    assert ((tighter.value == 2) <= (done.value == 2)).all()


@pytest.mark.parametrize("name", HANDS)
def test_a_threshold_sets_it_off_in_those_replications_alone(name):
    hand = Hand(name, HANDS[name], Trigger(measure="worst", above=2.1, median=2, spread=0.5, lasts=10))
    world = {"world": Toy(), "seed": 2, "n": 40, "schedule": Schedule(every=5)}
    seen, free = played(hand, **world), play(trial(Toy(), schedule=Schedule(every=5), **SAYS_ONE), 2, range(40))
    alarmed = sorted({e.replication for e in seen.events if e.kind == "alarm"})
    assert 0 < len(alarmed) < 40
    calm = [i for i in range(40) if i not in alarmed]
    np.testing.assert_array_equal(free.measures["total"][calm], seen.measures["total"][calm])
    early = [i for i, when in times(seen, "intervention", name).items() if when < 35]
    assert (free.measures["total"][early] > seen.measures["total"][early]).all()


@pytest.mark.parametrize("name", HANDS)
def test_it_acts_on_each_replication_and_model_at_its_own_time(name):
    """Two hands on other models: each replication's and model's ticks are those of its events, and no others."""
    given = {"median": 4, "spread": 0.7, "lasts": 8}
    hands = (
        Hand("first", HANDS[name], Trigger(at=5, **given), models=(0,)),
        Hand("second", HANDS[name], Trigger(at=12, **given), models=(2,)),
    )
    seen = []
    outcome = play(
        trial(Toy(noise=0.0), hands=hands, **SAYS_ONE), 4, range(12),
        lambda _, stage, value: seen.append(value.copy()) if stage == "act" else None,
    )  # fmt: skip
    expected = np.ones((40, 12, 3), dtype=bool)
    for hand, model in (("first", 0), ("second", 2)):
        start, end = times(outcome, "intervention", hand), times(outcome, "intervention", f"{hand} ends")
        assert len(set(start.values())) > 3  # latencies differ between replications
        for i, since in start.items():
            expected[int(since) : int(end.get(i, 40)), i, model] = False
    np.testing.assert_array_equal(np.array(seen) == 1, expected)


@pytest.mark.parametrize("name", HANDS)
def test_latency_is_drawn_once_a_replication_and_paired_across_arms(name):
    """Arms alarm at different times, and the latency of a replication is the same in both, at any cohort size."""
    hand = Hand(name, HANDS[name], Trigger(measure="worst", above=1.15, median=4, spread=0.8, lasts=100))
    late, whole = [], []
    for prior in (0.0, 0.5):
        given = {"brains": (Mean(prior=prior),)}
        seen = played(hand, 16, 7, Toy(noise=0.2), **given)
        alarm, acts_from = times(seen, "alarm", name), times(seen, "intervention", name)
        late.append({i: acts_from[i] - when for i, when in alarm.items() if i in acts_from})
        whole.append(alarm)
        again = join([play(trial(Toy(noise=0.2), hands=(hand,), **given), 7, [i]) for i in range(16)])
        np.testing.assert_array_equal(seen.series["total"], again.series["total"])
    both = late[0].keys() & late[1].keys()
    assert len(both) > 8
    assert any(whole[0][i] != whole[1][i] for i in both)
    assert {i: late[0][i] for i in both} == {i: late[1][i] for i in both}
    assert len({late[0][i] for i in both}) > 3


@pytest.mark.parametrize("name", HANDS)
def test_what_is_never_triggered_changes_nothing_to_the_bit(name):
    hand = Hand(name, HANDS[name], Trigger(measure="worst", above=1e9, lasts=5))
    plan = {"schedule": Schedule(every=5)}
    free, armed = (play(trial(hands=hands, **plan), 2, range(5)) for hands in ((), (hand,)))
    np.testing.assert_array_equal(free.series["total"], armed.series["total"])
