"""The loop against closed forms: retraining, wiring, seams, shocks, the open-loop control, harm and scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.brains.topology import Schedule, Topology, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.loop import Loop
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Harm, Trigger
from tests.lab.toy import Dice, Mean, Toy, trial

QUIET = Toy(noise=0.0)


def totals(**given):
    return play(trial(QUIET, **given), 0, range(2)).series["total"][:, 0]


def test_without_training_nobody_acts():
    np.testing.assert_allclose(totals(), np.arange(0, 41, 5))


def test_retraining_follows_its_schedule():
    """Trained once, at tick 10, on outcomes that were all 1: from then on outcome = 1 + 0.5 * 1."""
    np.testing.assert_allclose(totals(schedule=Schedule(every=30)), [0, 5, 10, 15, 20, 25, 30, 37.5, 45])


def test_busy_training_serves_old_weights_until_it_is_over():
    """Trained at tick 30 on what was seen until then, in service from tick 35."""
    np.testing.assert_allclose(totals(schedule=Schedule(every=30, busy=5)), [0, 5, 10, 15, 20, 25, 30, 35, 42.5])


def test_staggered_cohorts_train_apart():
    """Three brains, one at a time, at ticks 30, 40, 50: the mean act rises by a third each time."""
    seen = np.diff(totals(schedule=Schedule(every=30, how="staggered", size=1), horizon=60.0))
    assert seen[5] == pytest.approx(5)
    assert seen[6] == pytest.approx(5 * (1 + 0.5 / 3))
    assert seen[8] > seen[7] > 5


def test_pooled_data_reaches_a_brain_whose_own_model_never_answers():
    """Evidence of models 1 and 2 is lost; isolated, their brains stay at their prior, and with shared data they learn."""
    lost = Shock("lost", "feedback", "lost", models=(1, 2))
    isolated = totals(schedule=Schedule(every=30), shocks=(lost,))
    pooled = totals(schedule=Schedule(every=30), shocks=(lost,), wiring="shared_data")
    assert isolated[-1] == pytest.approx(30 + 10 * (1 + 0.5 / 3))
    assert pooled[-1] == pytest.approx(30 + 10 * 1.5)


def test_federated_rounds_average_what_isolated_brains_learnt():
    lost = Shock("lost", "feedback", "lost", models=(1, 2))
    federated = wire("federated", 3, average_every=35.0)
    seen = totals(schedule=Schedule(every=30), shocks=(lost,), topology=federated)
    assert seen[-1] == pytest.approx(30 + 10 * (1 + 0.5 / 3))  # the mean of 1, 0, 0 acts like one of three


def test_a_round_at_the_tick_of_a_retraining_comes_after_it():
    """Retraining every 30, rounds every 30: what was just learnt (1, 0, 0) is averaged at once, and not overwritten."""
    lost = Shock("lost", "feedback", "lost", models=(1, 2))
    federated = wire("federated", 3, average_every=30.0)
    seen = play(trial(QUIET, schedule=Schedule(every=30), shocks=(lost,), topology=federated), 0, range(2), None)
    told = {}
    play(
        trial(QUIET, schedule=Schedule(every=30), shocks=(lost,), topology=federated),
        0,
        range(1),
        lambda tick, stage, value: told.update({tick: value[0].copy()}) if stage == "predict" else None,
    )
    np.testing.assert_allclose(told[31], [1 / 3, 1 / 3, 1 / 3])
    assert seen.series["total"][-1, 0] == pytest.approx(30 + 10 * (1 + 0.5 / 3))


def test_the_open_loop_hears_nothing_while_brains_still_learn():
    seen = play(trial(QUIET, closed=False, schedule=Schedule(every=10)), 0, range(2))
    np.testing.assert_allclose(seen.series["total"][:, 0], np.arange(0, 41, 5))
    assert seen.measures["prediction_error"][0] == pytest.approx(
        math.sqrt(2 / 8)
    )  # 2 of 8 recorded ticks came before training


def test_shocks_begin_and_end():
    drift = Shock("drift", "world", "set", start=10, duration=10, values={"drift": 3.0})
    np.testing.assert_allclose(totals(shocks=(drift,)), [0, 5, 10, 25, 40, 45, 50, 55, 60])
    told = [(e.time, e.name) for e in play(trial(shocks=(drift,)), 1, range(1)).events if e.kind == "shock"]
    assert told == [(10.0, "drift"), (20.0, "drift ends")]
    biased = Shock("biased", "brain", "biased", start=10, duration=10, size=3.0, models=(0,))
    np.testing.assert_allclose(np.diff(totals(shocks=(biased,))), [5, 5, 7.5, 7.5, 5, 5, 5, 5])


def test_down_frozen_and_delayed():
    plan = Schedule(every=10)
    down = Shock("down", "brain", "down")
    np.testing.assert_allclose(totals(schedule=plan, shocks=(down,)), np.arange(0, 41, 5))
    frozen = Shock("frozen", "brain", "frozen")
    np.testing.assert_allclose(totals(schedule=plan, shocks=(frozen,)), np.arange(0, 41, 5))
    delayed = Shock("delayed", "feedback", "delayed", size=15)
    np.testing.assert_allclose(
        totals(schedule=plan, shocks=(delayed,)), [0, 5, 10, 15, 20, 27.5, 35, 42.5 + 0, 50], atol=2
    )
    assert totals(schedule=plan, shocks=(delayed,))[4] == 20  # nothing had been answered at tick 10


def test_kill_switch_on_a_schedule_with_latency():
    kill = Hand("kill", KillSwitch(), Trigger(at=30, median=5))
    seen = totals(schedule=Schedule(every=10), hands=(kill,), topology=wire("isolated", 3))
    np.testing.assert_allclose(np.diff(seen)[-1], 5)
    assert np.diff(seen)[-2] > 5


def test_kill_switch_on_a_threshold_acts_per_replication_and_changes_nothing_elsewhere():
    kill = Hand("kill", KillSwitch(), Trigger(measure="worst", above=2.1, median=2, spread=0.5))
    plan = Schedule(every=5)
    free, killed = (play(trial(hands=hands, schedule=plan), 2, range(40)) for hands in ((), (kill,)))
    alarmed = sorted({e.replication for e in killed.events if e.kind == "alarm"})
    assert 0 < len(alarmed) < 40
    calm = [i for i in range(40) if i not in alarmed]
    np.testing.assert_array_equal(free.measures["total"][calm], killed.measures["total"][calm])
    assert (free.measures["total"][alarmed] > killed.measures["total"][alarmed]).mean() > 0.9


def test_a_hand_that_is_never_triggered_changes_nothing_to_the_bit():
    kill = Hand("kill", KillSwitch(), Trigger(measure="worst", above=1e9))
    free, armed = (play(trial(hands=hands, schedule=Schedule(every=5)), 2, range(5)) for hands in ((), (kill,)))
    np.testing.assert_array_equal(free.series["total"], armed.series["total"])


def test_harm_begins_at_the_first_tick_of_crossing():
    drift = Shock("drift", "world", "set", start=12, values={"drift": 3.0})
    seen = play(trial(QUIET, shocks=(drift,), harm=Harm("worst", above=2.0)), 0, range(2))
    assert [e.time for e in seen.events if e.kind == "harm"] == [13.0, 13.0]  # the tick from 12 to 13


def test_harm_that_is_looked_at_now_and_then_is_found_at_the_next_look():
    drift = Shock("drift", "world", "set", start=12, duration=6, values={"drift": 3.0})
    for scrape, found in ((5.0, [15.0]), (20.0, [20.0]), (0.0, [13.0])):
        seen = play(trial(QUIET, shocks=(drift,), harm=Harm("worst", above=2.0, scrape=scrape)), 0, range(1))
        assert [e.time for e in seen.events if e.kind == "harm"] == found, scrape


def test_upstream_models_are_read_within_a_tick():
    """In a chain each model says twice what it reads; Dice reads nothing, so its predictions equal the unchained ones."""
    chain, flat = (play(trial(brains=(Dice(),), topology=wire(w, 3)), 4, range(3)) for w in ("chain", "isolated"))
    np.testing.assert_array_equal(chain.measures["total"], flat.measures["total"])


def test_warm_up_comes_before_time_zero():
    seen = play(trial(QUIET, warmup=10.0, schedule=Schedule(every=10)), 0, range(2))
    assert seen.times[0] == 0
    assert seen.series["total"][0, 0] == 10  # the toy does not settle: its sums go on
    np.testing.assert_allclose(np.diff(seen.series["total"][:3, 0]), 7.5, atol=1.0)


def test_agreement_is_the_mean_pairwise_correlation():
    """Independent answers: 0 within 4 standard errors of 64 x 3 correlations over 8 recorded ticks. One brain, one view: 1."""
    seen = play(trial(brains=(Dice(),), horizon=200.0), 1, range(64)).measures["agreement"]
    assert abs(seen.mean()) < 4 / math.sqrt(64 * 3 * 40) + 1 / 40
    one = wire("shared", 3)
    assert play(trial(topology=one, schedule=Schedule(every=7)), 1, range(4)).measures["agreement"] == pytest.approx(1)


def test_a_brain_kind_for_each_block():
    both = Topology((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 0))
    seen = totals(brains=(Mean(prior=3.0), Mean(prior=0.0)), topology=both)
    np.testing.assert_allclose(np.diff(seen), 5 * (1 + 0.5 * 2))


def test_a_trial_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="unknown measure `wurst`; did you mean `worst`"):
        trial(harm=Harm("wurst", above=1.0))
    with pytest.raises(InputError, match="wires 4 models, and the world has 3"):
        trial(topology=wire("isolated", 4))
    with pytest.raises(InputError, match=r"run\.horizon must be at least one tick"):
        trial(horizon=math.inf)


def test_an_effect_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(InputError, match=r"shock `s`: unknown effect `bised` on brain; did you mean `biased`\?"):
        Shock("s", "brain", "bised")


@pytest.mark.parametrize("edge", ["above", "below"])
def test_a_value_at_the_edge_is_no_harm_yet(edge):
    """Without noise and without pull every outcome is the drift, 1, from the first tick on; before it all are 0."""
    calm = Toy(pull=0.0, noise=0.0)
    for line, struck in ((1.0, False), (1.0 - 0.5 if edge == "above" else 1.5, True)):
        seen = play(trial(calm, harm=Harm("latest", **{edge: line})), 0, range(2))
        assert {(e.kind, e.time) for e in seen.events} == ({("harm", 1.0)} if struck else set())


def test_an_answer_is_delayed_by_one_tick_at_least():
    """A delay of one tick is another than of two; and one that is shorter than a tick is one."""

    def after(size):
        late = Shock("late", "feedback", "delayed", size=size)
        return play(trial(shocks=(late,), schedule=Schedule(every=1)), 0, range(2)).measures["total"].tolist()

    assert after(0.0) == after(1.0) != after(2.0)


def test_of_three_brains_one_is_frozen_and_the_others_learn():
    frozen = Shock("frozen", "brain", "frozen", models=(0,))
    seen = totals(schedule=Schedule(every=30), shocks=(frozen,))
    assert seen[-1] == pytest.approx(30 + 10 * (1 + 0.5 * 2 / 3))


def test_what_leaves_its_bounds_after_the_last_recorded_instant_has_diverged_at_the_end():
    """Recorded at 40 s; from 41 to 42 s, the horizon, the drift takes the sum over its bound of a million."""
    drift = Shock("drift", "world", "set", start=41, values={"drift": 2e6})
    seen = play(trial(QUIET, shocks=(drift,), horizon=42.0), 0, range(2))
    assert seen.times[-1] == 40
    assert np.isfinite(seen.series["total"]).all()
    np.testing.assert_array_equal(seen.diverged, [42, 42])
    assert np.isnan(seen.measures["total"]).all()
    lost = {(e.name, e.replication, e.time, e.value) for e in seen.events if e.kind == "diverged"}
    assert {("total", i, 42.0, 41 + 2e6) for i in range(2)} <= lost


def test_each_model_sees_the_view_that_it_is_wired_to():
    for views, seen in (((0, 0, 2), [0, 0, 2]), ((1, 1, 1), [1, 1, 1]), ((0, 1, 2), [0, 1, 2]), ((0, 0, 0), [0])):
        wired = Topology((0, 1, 2), views, (0, 1, 2), (0, 1, 2), (0, 0, 0))
        loop = Loop(trial(topology=wired), Streams(1, range(2)))
        loop.run(1)
        np.testing.assert_array_equal(loop.seen.x, trial().world.start(Streams(1, range(2))).view[:, seen])
