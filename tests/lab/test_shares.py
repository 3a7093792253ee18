"""The loop where worlds ask for shares: scores choice by choice, propensities, hands with luck of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
import pytest

from simlab.base.arrays import Array, Floats
from simlab.base.errors import InputError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule, wire
from simlab.interventions.intervention import Intervention
from simlab.lab.cohort import play
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.score import Score
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger


class Seen(NamedTuple):
    known: Floats  # (r,) share of the actions whose propensity is known
    drawn: Floats  # (r,) sum of what the hands drew


@final
@dataclass(frozen=True)
class Fork(World[Seen]):
    """Two ways to go; what is answered is which way was taken."""

    measures: ClassVar = {"known": Measure("1", "known propensities"), "drawn": Measure("1", "what hands drew")}
    models: Annotated[int, Par("1", "models", low=1)] = 4

    @property
    def spec(self) -> Spec:
        return Spec(models=self.models, asks="shares", states=1, choices=2)

    @property
    def tick(self) -> float:
        return 1.0

    def start(self, luck: Luck) -> Seen:
        return Seen(np.zeros(luck.replications), np.zeros(luck.replications))

    def observe(self, state: Seen) -> Array:
        return np.zeros((len(state.known), 1), dtype=np.int64)

    def act(self, state: Seen, said: Array, luck: Luck) -> Action:
        way = (luck.uniform("way", said.shape[:2]) >= said[..., 0]).astype(np.int8)
        return Action(way, np.where(way == 0, said[..., 0], said[..., 1]))

    def fallback(self, state: Seen, luck: Luck) -> Array:
        return np.zeros((luck.replications, self.models), dtype=np.int8)

    def step(self, state: Seen, action: Action, luck: Luck) -> tuple[Seen, Feedback]:
        outcome = np.stack([action.value == 0, action.value == 1], axis=-1).astype(float)
        known = np.isfinite(action.chance).mean(axis=1)
        return state._replace(known=known), Feedback(outcome)

    def measure(self, state: Seen) -> dict[str, Floats]:
        return {"known": state.known, "drawn": state.drawn}


class Level(NamedTuple):
    shares: Floats  # (r, b, 2)


@final
@dataclass(frozen=True)
class Wander(Brain[Level]):
    """Says what it drew at its last retraining."""

    answers: ClassVar = frozenset({"shares"})
    blend: ClassVar = ("shares",)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Level:
        return Level(np.full((r, b, 2), 0.5))

    def predict(self, mind: Level, x: Array, luck: Luck) -> Array:
        u = luck.uniform("say", x.shape[:3])
        return np.stack([u, 1 - u], axis=-1)

    def witness(self, mind: Level, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        return


@final
@dataclass(frozen=True)
class Notes(Intervention):
    """Writes down what it drew."""

    seam: ClassVar = "feedback"

    def apply(self, value: Feedback, on: Array, moment: object) -> Feedback:
        moment.state.drawn[:] += moment.luck.uniform("note", on.shape).sum(axis=1)
        return value


def trial(wiring="isolated", **given):
    world = Fork()
    fields = {"brains": (Wander(),), "horizon": 200.0, "stride": 1.0} | given
    return Trial(world=world, topology=wire(wiring, 4).canonical(world.spec), **fields)


@pytest.mark.parametrize(
    "wiring", ["isolated", "shared_data", "shared_brain", "shared", "bulkheads(2)", "bulkheads(3)"]
)
def test_shares_are_seated_in_every_wiring(wiring):
    assert not play(trial(wiring, horizon=10.0), 1, range(3)).failed


def test_agreement_of_shares_is_taken_choice_by_choice():
    """Independent: 0 within 4 standard errors of 64 x 6 correlations over 200 ticks (their mean over choices is constant)."""
    found = play(trial(), 1, range(64)).measures
    assert abs(found["agreement"].mean()) < 4 / math.sqrt(64 * 6 * 200)
    assert np.isnan(found["prediction_error"]).all()  # a share is no forecast of an answer, though their shapes agree


def test_agreement_of_two_choices_is_the_correlation_of_one():
    said = np.random.default_rng(2).random((50, 3, 2)) * [1, 0.5] + [0, 0.1]
    said[..., 1] += 0.3 * said[..., 0]
    score = Score(3, Spec(models=2, asks="shares", choices=2))
    for now in said:
        score.take(np.stack([now, 1 - now], axis=-1), Feedback(np.zeros((3, 2))))
    for i, found in enumerate(score.measures()["agreement"]):
        a, b = said[:, i, 0], said[:, i, 1]
        assert found == pytest.approx(2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var()))


def test_where_a_brain_is_down_the_propensity_is_unknown():
    down = Shock("down", "brain", "down", start=5, duration=3, models=(1,))
    known = play(trial(shocks=(down,), horizon=12.0), 1, range(2)).series["known"][1:, 0]
    np.testing.assert_array_equal(known, [1] * 5 + [0.75] * 3 + [1] * 4)


def test_two_hands_of_one_kind_have_luck_of_their_own():
    """Both draw for the same purpose in the same tick: neither is refused, and they draw different numbers."""
    one, two = (Hand(name, Notes(), Trigger(at=0.0)) for name in ("notes", "notes#2"))
    sums = [play(trial(hands=hands), 1, range(3)).measures["drawn"] for hands in ((one,), (two,), (one, two))]
    np.testing.assert_allclose(sums[0] + sums[1], sums[2])
    assert (sums[0] != sums[1]).all()


def test_models_that_are_asked_for_shares_cannot_read_each_other():
    with pytest.raises(InputError, match="only where they are asked for numbers and given features"):
        trial("chain")


@pytest.mark.parametrize(
    "plan", [Schedule(every=1.0), Schedule(every=3.0, how="staggered"), Schedule(every=4.0, jitter=1.0)]
)
def test_retraining_often_costs_no_more_per_turn(plan):
    """Each brain takes each of its turns once, in time; looking up who is due is linear in the turns."""
    set_up = trial(horizon=60.0, schedule=plan)
    loop = Loop(set_up, Streams(1, range(3)))
    taken = []
    loop.retrain = lambda at, busy=False: taken.extend((loop.tick, r, b) for r, b in zip(*at, strict=True)) or []
    Conductor(set_up, loop, Streams(1, range(3))).play()
    assert len(set(taken)) == len(taken)
    for r in range(3):
        for b in range(4):
            mine = np.array([t for t, i, j in taken if (i, j) == (r, b)])
            due = plan.phases(4)[b] + plan.every * np.arange(len(mine))
            assert (np.abs(mine - due) <= plan.jitter + 0.5).all()
            assert due[-1] + plan.every >= 60.0 - plan.jitter - 0.5
