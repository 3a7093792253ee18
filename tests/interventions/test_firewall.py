"""The firewall: what a chain of models reads where it is re-grounded, by algebra.

Every model says twice what it reads, plus 1, and reads the model before it. The toy's outcome is 1 + 0.5 x mean(act), the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
import pytest

from simlab.base.arrays import Array, Floats
from simlab.base.errors import InputError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World
from simlab.brains.brain import Brain, Nothing
from simlab.brains.topology import wire
from simlab.interventions.firewall import Firewall
from simlab.lab.shocks import Shock
from simlab.lab.trial import Trial
from tests.interventions.stage import always, numbers, told


@final
@dataclass(frozen=True)
class Relay(Brain[Nothing]):
    """Says 2 x what it reads from upstream, plus 1."""

    answers: ClassVar = frozenset({"number"})

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        return Nothing()

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Array:
        return 2 * x[..., -1] + 1

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        return


def chain(*hands, **given):
    topology = wire("chain", 3, **({"lag": True} if given.pop("lag", False) else {}))
    return numbers(hands, brains=(Relay(),), topology=topology, **given)


def test_a_chain_without_one_passes_everything_on():
    assert (told(chain(), "predict") == [1, 3, 7]).all()


def test_a_model_behind_it_reads_the_outcome_of_a_tick_ago():
    """Model 2 reads what came of model 1, 0 at first; the others read as before."""
    said = told(chain(always(Firewall(), models=(2,))), "predict")
    outcome, expected = 0.0, []
    for _ in range(40):
        expected.append([1, 3, 2 * outcome + 1])
        outcome = 1 + 0.5 * np.mean(expected[-1])
    np.testing.assert_allclose(said, np.array(expected)[:, None] * np.ones((1, 4, 1)))


def test_it_bounds_how_far_from_reality_what_is_read_may_be():
    """A limit of 1 around the last outcome: model 1 says 3, and model 2 reads 1 at first, then 1 above reality at most."""
    said = told(chain(always(Firewall(limit=1.0), models=(2,))), "predict")
    outcome, expected = 0.0, []
    for _ in range(40):
        read = min(max(3, outcome - 1), outcome + 1)
        expected.append([1, 3, 2 * read + 1])
        outcome = 1 + 0.5 * np.mean(expected[-1])
    np.testing.assert_allclose(said, np.array(expected)[:, None] * np.ones((1, 4, 1)))
    wide = told(chain(always(Firewall(limit=100.0))), "predict")
    np.testing.assert_array_equal(wide, told(chain(), "predict"))


def test_errors_do_not_get_past_it():
    """A chain of 3 multiplies an error of the first model by 4; behind a firewall at the second nothing of it is left."""
    free, walled = (told(chain(*hands), "predict") for hands in ((), (always(Firewall(), models=(1,)),)))
    assert (free[..., 2] == 7).all()
    outcome = told(chain(always(Firewall(), models=(1,))), "react")[:-1, :, 0]
    np.testing.assert_allclose(walled[1:, :, 1], 2 * outcome + 1)
    np.testing.assert_allclose(walled[1:, :, 2], 2 * (2 * outcome + 1) + 1)


def test_it_stands_where_predictions_arrive_a_tick_later_too():
    said = told(chain(always(Firewall(), models=(1,)), lag=True), "predict")
    outcome = told(chain(always(Firewall(), models=(1,)), lag=True), "react")
    assert (said[0] == 1).all()
    np.testing.assert_allclose(said[1:, :, 1], 2 * outcome[:-1, :, 0] + 1)
    np.testing.assert_allclose(said[1:, :, 2], 2 * said[:-1, :, 1] + 1)


def test_two_of_them_bound_one_after_the_other():
    """The tighter one wins, in whatever order they stand."""
    wide, tight = always(Firewall(limit=2.0)), always(Firewall(limit=0.5))._replace(name="tight")
    expected = told(chain(tight), "predict")
    for hands in ((wide, tight), (tight, wide)):
        np.testing.assert_array_equal(told(chain(*hands), "predict"), expected)


@pytest.mark.parametrize("lag", [False, True])
def test_a_bad_push_is_what_the_models_after_it_read(lag):
    """What is served is what is read: 4 more at the first model are 8 more at the second and 16 at the third, unless it is garbled."""
    for effect, expected in (("biased", [5, 11, 23]), ("garbled", [-1, -1, -1])):
        shock = Shock("push", "brain", effect, size=4.0, models=(0,), start=20.0)
        said = told(chain(shocks=(shock,), lag=lag), "predict")
        np.testing.assert_array_equal(said[19], np.broadcast_to([1, 3, 7], (4, 3)))
        np.testing.assert_array_equal(said[24], np.broadcast_to(expected, (4, 3)))


def test_the_first_model_reads_nobody_and_is_untouched():
    assert (told(chain(always(Firewall())), "predict")[..., 0] == 1).all()


def test_where_nobody_reads_it_is_refused():
    with pytest.raises(InputError, match=r"hand `hand` stands between models that read each other.*`topology: chain`"):
        numbers((always(Firewall()),))


class Hours(NamedTuple):
    hour: Floats  # (r,)


@final
@dataclass(frozen=True)
class Blink(World[Hours]):
    """The outcome is the hour, and is seen in every third only; or it is answered twice, where `answers` is 2."""

    measures: ClassVar = {"hour": Measure("1", "the hour")}
    answers: Annotated[int, Par("1", "answers to a question", low=1)] = 1

    @property
    def spec(self) -> Spec:
        return Spec(models=2, features=1)

    @property
    def tick(self) -> float:
        return 1.0

    def start(self, luck: Luck) -> Hours:
        return Hours(np.zeros(luck.replications))

    def observe(self, state: Hours) -> Array:
        return np.zeros((len(state.hour), 1, 1))

    def fallback(self, state: Hours, luck: Luck) -> Array:
        return np.zeros((len(state.hour), 2))

    def step(self, state: Hours, action: Action, luck: Luck) -> tuple[Hours, Feedback]:
        shape = (len(state.hour), 2) if self.answers == 1 else (len(state.hour), 2, self.answers)
        seen = np.full(shape, float(state.hour[0] % 3 == 0))
        outcome = np.where(
            seen > 0, np.full(shape, state.hour[0]), np.nan
        )  # an answer that nobody saw may be undefined
        return Hours(state.hour + 1), Feedback(outcome, seen)

    def measure(self, state: Hours) -> dict[str, Floats]:
        return {"hour": state.hour}


def blinking(**given):
    world, topology = Blink(**given), wire("chain", 2).canonical(Blink().spec)
    return Trial(world, (Relay(),), topology, 10.0, 1.0, hands=(always(Firewall()),))


def test_it_reads_what_was_seen_last():
    """Hours 0, 3, 6 and 9 are seen: in hour 5 model 1 reads the 3."""
    read = (told(blinking(), "predict")[..., 1] - 1) / 2
    np.testing.assert_array_equal(read[:, 0], [0, 0, 0, 0, 3, 3, 3, 6, 6, 6])


def test_a_world_that_answers_otherwise_is_named():
    with pytest.raises(InputError, match="hand `hand` needs an answer to each prediction, and the world Blink answers"):
        told(blinking(answers=2))
