"""Abstaining: models hand over where a ridge's standard error, or a Beta's, is too large."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.base.world import Action
from simlab.brains.ridge import Ridge
from simlab.brains.thompson import Thompson
from simlab.brains.topology import Schedule, wire
from simlab.interventions.abstain import Abstain
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.toy import Mean, Toy


def test_a_ridge_abstains_where_its_standard_error_is_too_large():
    """With one feature it is |x| / sqrt(evidence + penalty); evidence x^2, fading, as it was at the last training."""
    ridge = Ridge(penalty=2.0, memory=20.0)
    given = {"brains": (ridge,), "schedule": Schedule(every=8)}
    set_up = numbers((always(Abstain(bound=0.5), models=(0, 2)),), **given)
    x, said, done = (told(set_up, stage) for stage in ("observe", "predict", "act"))
    seen, known = np.zeros(x.shape[1:3]), np.zeros(x.shape[1:3])
    handed = 0
    for t in range(len(x)):
        known = seen.copy() if t % 8 == 0 else known
        doubt = np.abs(x[t, ..., 0]) / np.sqrt(known + 2.0)
        expected = np.where((doubt > 0.5) & np.array([True, False, True]), 0.0, said[t])
        np.testing.assert_array_equal(done[t], expected)
        handed += (doubt[:, [0, 2]] > 0.5).sum()
        seen = seen * math.exp(-1 / 20) + x[t, ..., 0] ** 2
    assert 0.05 < handed / (40 * 4 * 2) < 0.5


def test_doubt_is_asked_for_only_while_the_hand_is_on():
    def asked():
        raise AssertionError("nobody should ask")

    hand = Abstain(bound=0.1)
    with pytest.raises(AssertionError, match="nobody should ask"):
        hand.apply(Action(np.ones((2, 3))), np.ones((2, 3), dtype=bool), moment(2, 3)._replace(doubt=asked))
    never = always(hand, at=1e6)
    given = {"brains": (Ridge(),), "schedule": Schedule(every=8)}
    np.testing.assert_array_equal(told(numbers((never,), **given)), told(numbers(**given)))


def test_thompson_abstains_until_it_has_seen_enough():
    """A uniform belief has a standard deviation of sqrt(1/12) = 0.289: with a bound of 0.25 nobody acts before an answer came."""
    done = told(choices((always(Abstain(bound=0.25)),), brains=(Thompson(),)), n=8)
    assert (done[:2] == 0).all()  # the first answers are about tick 0, and are taken in after tick 1
    assert (done[5:] != 0).any()


def test_what_cannot_be_told_is_handed_over():
    doubt = np.array([[0.1, np.nan, 0.3]])
    now = moment(1, 3, np.zeros((1, 3)), doubt=doubt)
    done = Abstain(bound=0.2).apply(Action(np.ones((1, 3))), np.ones((1, 3), dtype=bool), now)
    np.testing.assert_array_equal(done.value, [[1, 0, 0]])


def test_brains_that_cannot_tell_are_refused():
    with pytest.raises(
        InputError, match="hand `hand` asks brains how unsure they are, and Mean cannot tell; choose a learner that can"
    ):
        numbers((always(Abstain(bound=0.1)),), brains=(Mean(),))


def test_brains_that_cannot_tell_may_stand_beside_those_that_can():
    """Models 0 and 2 have a ridge that was never trained: its doubt is |x| / sqrt(2), and the mean brain between them acts on."""
    given = {"brains": (Ridge(penalty=2.0), Mean(prior=1.0)), "topology": wire("isolated", 3, kind_of=(0, 1, 0))}
    set_up = numbers((always(Abstain(bound=0.5), models=(0, 2)),), world=Toy(noise=0.0), **given)
    x, done = told(set_up, "observe")[..., 0], told(set_up)
    assert (done[..., 1] == 1).all()
    assert (done[..., [0, 2]] == 0).all()  # an untrained ridge says 0, as does the fallback
    with pytest.raises(InputError, match="Mean cannot tell"):
        numbers((always(Abstain(bound=0.5), models=(0, 1)),), **given)
    luck = Streams(0, range(4))
    loop = Loop(set_up, luck)
    doubt = loop._doubt(loop._x)
    np.testing.assert_allclose(doubt[:, [0, 2]], np.abs(x[0][:, [0, 2]]) / math.sqrt(2))
    assert (doubt[:, 1] == 0).all()


def test_a_world_that_does_not_act_on_each_question_is_refused():
    now = moment(2, 3, np.zeros((2, 3)), doubt=np.zeros((2, 3, 5)))
    with pytest.raises(InputError, match="Abstain decides case by case, and the world Toy does not act once for each"):
        Abstain(bound=0.1).apply(Action(np.ones((2, 3))), np.ones((2, 3), dtype=bool), now)
