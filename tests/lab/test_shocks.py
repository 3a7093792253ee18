"""Shocks: what one may be, and what those that are on do to one turn, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.base.world import Action, Feedback, Spec
from simlab.brains.topology import wire
from simlab.lab.disturb import Disturbances
from simlab.lab.shocks import EFFECTS, Shock

SPEC = Spec(3, "number", 3, features=1)
X = np.array([[[1.0], [2.0], [4.0]]])  # (r, m, f)
SAID = np.array([[1.0, 2.0, 4.0]])
OUTCOME = np.array([[10.0, 20.0, 30.0]])


def on(*shocks, ticks=1, spec=SPEC):
    here = Disturbances(spec)
    for shock in shocks:
        here.begin(shock, X, ticks)
    return here


def learnt(here, tick=0, feedback=None):
    """The outcomes and weights that are learnt at a tick."""
    found = here.feedback(tick, X, Action(SAID), Feedback(OUTCOME) if feedback is None else feedback)
    return [
        (answer.outcome.tolist(), None if answer.weight is None else answer.weight.tolist()) for _, _, answer in found
    ]


@pytest.mark.parametrize(("where", "effect"), [(where, effect) for where in EFFECTS for effect in EFFECTS[where]])
def test_every_effect_has_its_place(where, effect):
    assert Shock("s", where, effect).effect == effect
    for other in EFFECTS:
        if effect not in EFFECTS[other]:
            with pytest.raises(InputError, match=rf"^shock `s`: unknown effect `{effect}` on {other}; "):
                Shock("s", other, effect)


@pytest.mark.parametrize(("start", "duration"), [(0.0, 1e-9), (0.0, math.inf), (1e9, 1.0)])
def test_a_shock_may_begin_at_once_and_last_for_ever(start, duration):
    shock = Shock("s", "brain", "down", start, duration)
    assert (shock.start, shock.duration) == (start, duration)


@pytest.mark.parametrize(
    ("start", "duration"),
    [(-1e-9, 1.0), (0.0, 0.0), (0.0, -1.0), (math.nan, 1.0), (0.0, math.nan), (math.inf, 1.0), (-1.0, 0.0)],
)
def test_a_shock_that_begins_or_lasts_nowhere_is_refused(start, duration):
    with pytest.raises(InputError) as refused:
        Shock("s", "brain", "down", start, duration)
    assert str(refused.value) == (
        f"shock `s`: start must be at least 0 s and finite, and duration above 0 s, not {start} and {duration}"
    )


def test_by_default_it_begins_at_once_for_all_and_stays():
    shock = Shock("s", "brain", "down")
    assert (shock.start, shock.duration, shock.size, shock.models, shock.values) == (0, math.inf, 0, None, {})


@pytest.mark.parametrize(
    ("effect", "expected"),
    [("missing", [1, 0, 4]), ("offset", [1, 5, 4]), ("scaled", [1, 6, 4]), ("stale", [1, 2, 4])],
)
def test_features_as_they_arrive(effect, expected):
    for models, there in ((None, np.ones(3, bool)), ((1,), np.arange(3) == 1)):
        here = on(Shock("s", "features", effect, size=3.0, models=models))
        seen = here.features(X)[0, :, 0]
        assert seen[1] == expected[1]
        np.testing.assert_array_equal(seen[~there], X[0, ~there, 0])
        whole = {"missing": 0 * SAID, "offset": SAID + 3, "scaled": SAID * 3, "stale": SAID}[effect][0]
        np.testing.assert_array_equal(seen[there], whole[there])


def test_shocks_add_to_each_other_in_the_order_in_which_they_began():
    first, then = Shock("a", "features", "offset", size=1.0), Shock("b", "features", "scaled", size=2.0, models=(0,))
    assert on(first, then).features(X)[0, :, 0].tolist() == [4, 3, 5]
    assert on(then, first).features(X)[0, :, 0].tolist() == [3, 3, 5]
    both = on(Shock("a", "brain", "biased", size=1.0), Shock("b", "brain", "biased", size=2.0, models=(2,)))
    assert both.prediction(SAID).tolist() == [[2, 3, 7]]
    mixed = on(Shock("a", "brain", "biased", size=1.0, models=(0,)), Shock("b", "brain", "garbled", models=(0, 1)))
    assert mixed.prediction(SAID).tolist() == [[0, -2, 4]]  # what is garbled is so before it is shifted


def test_questions_with_cases_are_shaken_case_by_case():
    said = np.arange(6.0).reshape(1, 3, 2)
    here = on(Shock("s", "brain", "biased", size=10.0, models=(1,)))
    assert here.prediction(said).tolist() == [[[0, 1], [12, 13], [4, 5]]]
    wide = np.arange(6.0).reshape(1, 3, 2, 1)
    assert on(Shock("s", "features", "missing", models=(2,))).features(wide)[..., 0].tolist() == [[[0, 1], [2, 3], [0, 0]]]  # fmt: skip


def test_with_none_on_everything_passes_as_it_came():
    here = on(shock := Shock("s", "brain", "down"))
    here.end(shock, X, 1)
    assert here.features(X) is X
    assert here.prediction(SAID) is SAID
    action, answer = Action(SAID), Feedback(OUTCOME)
    assert here.action(action, lambda: 0 * SAID) is action
    ((x, done, heard),) = here.feedback(0, X, action, answer)
    assert (x is X, done is action, heard is answer) == (True, True, True)
    assert here.world_values() == {}


def test_where_a_brain_is_down_the_plain_rule_acts():
    here = on(Shock("s", "brain", "down", models=(0, 2)))
    plain = here.action(Action(SAID), lambda: 7 + 0 * SAID)
    assert plain.value.tolist() == [[7, 2, 7]]
    assert plain.chance is None
    known = here.action(Action(SAID, 0.5 + 0 * SAID), lambda: 7 + 0 * SAID)
    np.testing.assert_array_equal(known.chance, [[math.nan, 0.5, math.nan]])


def test_a_frozen_brain_is_one_that_serves_a_model_of_the_shock():
    blocks = wire("bulkheads(2)", 4)
    assert blocks.brain_of == (0, 0, 1, 1)
    spec = Spec(4, "number", 4, features=1)
    for models, asleep in (((1,), [True, False]), ((2, 3), [False, True]), (None, [True, True])):
        assert on(Shock("s", "brain", "frozen", models=models), spec=spec).frozen(blocks).tolist() == asleep
    assert on(Shock("s", "brain", "down"), spec=spec).frozen(blocks).tolist() == [False, False]


def test_of_live_parameters_the_latest_shock_wins_until_it_ends():
    first = Shock("a", "world", "set", values={"drift": 1.0, "pull": 2.0})
    then = Shock("b", "world", "set", values={"drift": 3.0})
    here = on(first, then, Shock("c", "brain", "down", values={"drift": 9.0}))
    assert here.world_values() == {"drift": 3, "pull": 2}
    here.end(then, X, 1)
    assert here.world_values() == {"drift": 1, "pull": 2}


def test_evidence_is_learnt_otherwise_than_it_was():
    poisoned = Shock("p", "evidence", "poisoned", size=-1.0, models=(0,))
    shifted = Shock("s", "evidence", "shifted", size=5.0, models=(0, 2))
    assert learnt(on(poisoned)) == [([[-1, 20, 30]], None)]
    assert learnt(on(shifted)) == [([[15, 20, 35]], None)]
    assert learnt(on(poisoned, shifted)) == [([[4, 20, 35]], None)]


def test_lost_answers_have_no_weight_and_the_others_keep_theirs():
    lost = Shock("l", "feedback", "lost", models=(1,))
    assert learnt(on(lost)) == [(OUTCOME.tolist(), [[1, 0, 1]])]
    weighed = Feedback(OUTCOME, weight=np.array([[2.0, 3.0, 0.5]]))
    assert learnt(on(lost), feedback=weighed) == [(OUTCOME.tolist(), [[2, 0, 0.5]])]


def test_delayed_answers_come_so_many_ticks_later_each_once_as_they_were():
    late = Shock("d", "feedback", "delayed", models=(0, 1))
    here, outcome, asked, done = on(late, ticks=2), OUTCOME.copy(), X.copy(), SAID.copy()
    (now,) = here.feedback(5, asked, Action(done), Feedback(outcome, np.array([[1.0, 2.0, 3.0]])))
    assert now[2].weight.tolist() == [[0, 0, 3]]
    outcome[:], asked[:], done[:] = -7, -7, -7  # worlds may write over what they gave
    assert len(learnt(here, 6)) == 1
    here.end(late, X, 2)
    _, (then_asked, then_done, answer), = here.feedback(7, X, Action(SAID), Feedback(OUTCOME))  # fmt: skip
    assert (then_asked.tolist(), then_done.value.tolist()) == (X.tolist(), SAID.tolist())
    assert (answer.outcome.tolist(), answer.weight.tolist()) == (OUTCOME.tolist(), [[1, 2, 0]])
    assert learnt(here, 8)[1:] == [(OUTCOME.tolist(), [[1, 1, 0]])]  # those of tick 6
    assert len(learnt(here, 7)) == 1


def test_two_that_are_due_at_one_tick_both_come():
    one, two = Shock("a", "feedback", "delayed", models=(0,)), Shock("b", "feedback", "delayed", models=(1,))
    here = on(one, two, ticks=3)
    assert learnt(here, 0) == [(OUTCOME.tolist(), [[0, 0, 1]])]
    assert [weight for _, weight in learnt(here, 3)[1:]] == [[[1, 0, 0]], [[0, 1, 0]]]


def test_answers_with_cases_are_lost_and_poisoned_case_by_case():
    each = Feedback(np.arange(6.0).reshape(1, 3, 2))
    lost, poisoned = (
        Shock("l", "feedback", "lost", models=(1,)),
        Shock("p", "evidence", "poisoned", 0, size=9.0, models=(2,)),
    )
    assert learnt(on(lost, poisoned), feedback=each) == [([[[0, 1], [2, 3], [9, 9]]], [[[1, 1], [0, 0], [1, 1]]])]
