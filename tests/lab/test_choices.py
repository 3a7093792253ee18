"""The loop with worlds that ask for choices: many questions a tick, answers that come later, agreement between models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Spec, World
from simlab.brains.brain import Brain
from simlab.brains.topology import Topology, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from tests.lab.toy import Choices, Picks, Place, Toy

ANY = (Picks(),)


def trial(wiring="isolated", brains=ANY, **given):
    world = given.pop("world", Choices())
    topology = given.pop("topology", None) or wire(wiring, world.models)
    return Trial(world, brains, topology, **({"horizon": 40.0, "stride": 1.0} | given))


def told(set_up):
    """What each brain was told about each choice in a whole run, `(r, b, k)`."""
    luck = Streams(1, range(3))
    loop = Loop(set_up, luck)
    Conductor(set_up, loop, luck).play()
    return loop.casts[0].mind.level


@pytest.mark.parametrize("wiring", ["isolated", "shared"])
def test_late_answers_bring_the_choice_they_are_about(wiring):
    """40 ticks of 5 questions to 3 models: the answers of the first 39 ticks arrive, each once, at the brain that asked."""
    level = told(trial(wiring))
    assert level.sum() == 3 * 39 * 3 * 5
    np.testing.assert_array_equal(level.sum(axis=2), 39 * 5 * (1 if wiring == "isolated" else 3))


def test_answers_find_their_brains_in_ragged_and_crossed_wiring_too():
    crossed = Topology((0, 1, 0), (0, 1, 2), (0, 1, 0), (0, 1), (0, 0))
    luck = Streams(1, range(3))
    loop = Loop(trial(topology=crossed), luck)
    loop.run(40)
    assert [cast.mind.level.sum() / 3 / 39 / 5 for cast in loop.casts] == [2, 1]


def test_delayed_and_lost_answers_keep_their_choice():
    late = Shock("late", "feedback", "delayed", size=10.0)
    assert told(trial(shocks=(late,))).sum() == 3 * 29 * 3 * 5
    lost = Shock("lost", "feedback", "lost", models=(0, 1))
    assert told(trial(shocks=(lost,))).sum() == 3 * 39 * 5


def test_agreement_is_how_often_two_models_choose_alike():
    """At random 1/k, within 4 standard errors of 64 replications; always the same, 1; and never, 0."""
    seen = play(trial(), 1, range(64)).measures
    error = 4 * np.sqrt(0.25 * 0.75 / (64 * 39 * 75))  # pairs of questions are uncorrelated, 75 a tick
    assert abs(seen["agreement"].mean() - 0.25) < error
    assert np.isnan(seen["prediction_error"]).all()  # a choice is a name, not a number
    assert (play(trial(brains=(Picks(2),)), 1, range(4)).measures["agreement"] == 1).all()
    each = Topology((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2))
    apart = trial(brains=(Picks(0), Picks(1), Picks(2)), topology=each)
    assert (play(apart, 1, range(4)).measures["agreement"] == 0).all()


def test_the_kill_switch_and_the_open_loop_choose_by_the_plain_rule():
    kill = Hand("kill", KillSwitch(), Trigger(at=10.0))
    assert (play(trial(brains=(Picks(1),), hands=(kill,)), 1, range(2)).measures["total"] == 10 * 15).all()
    assert (play(trial(brains=(Picks(1),), closed=False), 1, range(2)).measures["total"] == 0).all()


def test_choices_are_not_read_or_shifted_as_numbers():
    with pytest.raises(InputError, match="can read each other only where they are asked for numbers"):
        trial("chain")
    with pytest.raises(InputError, match="`off` shifts numbers"):
        trial(shocks=(Shock("off", "brain", "biased", size=1.0),))


@final
@dataclass(frozen=True)
class Samples(World[Place]):
    """Three numbers asked of each model and tick; the total sums what the last model says, by case."""

    measures = Toy.measures
    models: Annotated[int, Par("1", "models", low=1)] = 3

    @property
    def spec(self):
        return Spec(models=self.models, views=self.models, case=(3,), features=1)

    tick = property(lambda self: 1.0)

    def start(self, luck: Luck):
        r = luck.replications
        return Place(np.zeros((r, self.models)), np.ones((r, self.models, 3, 1)), np.zeros(r), np.zeros(r))

    def observe(self, state):
        return state.view

    def fallback(self, state, luck):
        return np.zeros((len(state.total), self.models, 3))

    def step(self, state, action: Action, luck):
        total = state.total + action.value[:, -1] @ np.array([1.0, 10.0, 100.0])
        return state._replace(total=total), Feedback(action.value)

    def measure(self, state):
        return {"total": state.total, "worst": state.worst}


@final
@dataclass(frozen=True)
class Adds(Brain[tuple[()]]):
    """Says one more than what it reads upstream, plus the number of the case."""

    answers = frozenset({"number"})

    def start(self, r, b, p, spec, luck):
        return ()

    def predict(self, mind, x, luck):
        return 1 + x[..., 1:].sum(axis=-1) + np.arange(3)

    def witness(self, mind, x, action, feedback, then):
        return


@pytest.mark.parametrize("lag", [False, True])
def test_upstream_models_are_read_case_by_case(lag):
    """In a chain of three the last says 3 (1 + case); with a tick of lag it begins with 1 + case, then twice that."""
    chain = wire("chain", 3, lag=lag)
    seen = play(trial(world=Samples(), brains=(Adds(),), topology=chain), 1, range(2)).series["total"][:4, 0]
    said = 1 * 1 + 10 * 2 + 100 * 3
    np.testing.assert_allclose(np.diff(seen), said * np.array([1, 2, 3] if lag else [3, 3, 3]))
