"""How unusual a case is, by isolation: what random cuts of the features set apart in few steps is unusual.

Isolation forest (Liu, Ting & Zhou 2008, ICDM, "Isolation forest"), as scikit-learn has it: each tree cuts a sample of
the training cases at random until all stand alone, and the score falls with the mean depth of a case. What is said is
not the score but its rank: the share of the training cases that are less unusual, so that 1 - q is the threshold that
scikit-learn calls contamination q. Cases that count w times are drawn w times as often for the trees, in turn and not
at random, and count w times in ranks.

Slow, about a millisecond for each model at each tick and more for each training: for a few replications. It needs the
extra `simlab[ml]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Fitted(NamedTuple):
    """A forest, the scores of its training cases from the most usual to the most unusual `(n,)`, and their weight up to
    each `(n + 1,)`.
    """

    forest: Any
    scores: Floats
    upto: Floats


class Woods(NamedTuple):
    """In service `fitted (r, b)`, a Fitted each or None. Evidence, the last cases that came: `cases (r, p, n, f)` and
    `weight (r, p, n)`, on a wheel.

    `came` `(r, p)` counts them, `trained` `(r, b)` the trainings, and `seed` `(r, b)` is what a brain's cuts depend on.
    """

    fitted: Array
    cases: Floats
    weight: Floats
    came: Ints
    trained: Ints
    seed: Ints


@final
@dataclass(frozen=True)
class IsolationForest(Brain[Woods]):
    """Answers with the share of its training cases that are less unusual than the case it is asked about; 0 before any
    training.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    beside: ClassVar[tuple[str, ...]] = ("fitted",)

    trees: Annotated[int, Par("1", "trees", low=1, source="Liu, Ting & Zhou 2008")] = 100
    sample: Annotated[int, Par("1", "cases that each tree is grown on", low=2, source="Liu, Ting & Zhou 2008")] = 256
    memory: Annotated[int, Par("1", "the last cases that came, of which it learns", low=2)] = 768

    def lacks(self, spec: Spec) -> str | None:
        """It needs features, and scikit-learn."""
        if not spec.features:
            return "needs features to cut, and the world offers none"
        if find_spec("sklearn") is None:
            return "needs scikit-learn, which is not installed; run: pip install 'simlab[ml]'"
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Woods:
        """No forest, and nothing seen."""
        seed = (luck.uniform("forest", (r, b)) * 2**31).astype(np.int64)
        cases, weight = np.zeros((r, p, self.memory, spec.features)), np.zeros((r, p, self.memory))
        came, trained = np.zeros((r, p), dtype=np.int64), np.zeros((r, b), dtype=np.int64)
        return Woods(np.full((r, b), None, dtype=object), cases, weight, came, trained, seed)

    def predict(self, mind: Woods, x: Array, luck: Luck) -> Array:
        """The rank of each seat's cases by its brain's forest, `(r, b, g, *c)`."""
        said = np.zeros(x.shape[:-1])
        for at in np.ndindex(mind.fitted.shape):
            fitted: Any = mind.fitted[at]
            if fitted is not None:
                said[at] = _ranks(fitted, x[at].reshape(-1, x.shape[-1])).reshape(said.shape[2:])
        return said

    def witness(self, mind: Woods, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Keep the cases `(r, p, g, *c)` that were seen, with their weights; what came of them does not matter."""
        shape = (*mind.came.shape, -1)
        weight = np.ones(x.shape[:-1]) if feedback.weight is None else np.broadcast_to(feedback.weight, x.shape[:-1])
        weight = weight.reshape(shape)
        seen = weight > 0
        order = np.cumsum(seen, axis=-1)
        number = order[..., -1:]
        seen = seen & (order > number - self.memory)
        row, pool, which = np.nonzero(seen)
        at = (mind.came[row, pool] + order[row, pool, which] - 1) % self.memory
        mind.cases[row, pool, at] = x.reshape(*shape, x.shape[-1])[row, pool, which]
        mind.weight[row, pool, at] = weight[row, pool, which]
        mind.came[:] += number[..., 0]

    def retrain(self, mind: Woods, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Grow a forest, for each of the brains `at`; one to whose pool fewer than two cases came keeps what it has."""
        for row, brain in zip(*at, strict=True):
            pool = row, taught_by[brain]
            n = min(int(mind.came[pool]), self.memory)
            if n >= 2:
                seed = int(mind.seed[row, brain] + mind.trained[row, brain])
                mind.fitted[row, brain] = self._fit(mind.cases[pool][:n], mind.weight[pool][:n], seed)
                mind.trained[row, brain] += 1

    def _fit(self, cases: Floats, weight: Floats, seed: int) -> Fitted:
        import sklearn
        from sklearn import ensemble

        upto = np.cumsum(weight)
        drawn = np.searchsorted(
            upto, (np.arange(len(cases)) + 0.5) * (upto[-1] / len(cases))
        )  # each as often as it counts
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            forest = ensemble.IsolationForest(
                n_estimators=self.trees, max_samples=min(self.sample, len(cases)), random_state=seed
            ).fit(cases[drawn])
            scores = -forest.score_samples(cases)
        order = np.argsort(scores, kind="stable")
        return Fitted(forest, scores[order], np.concatenate([[0.0], np.cumsum(weight[order])]))


def _ranks(fitted: Fitted, x: Floats) -> Floats:
    """The weight of training cases less unusual than each of `x` `(n, f)`, as a share of all, `(n,)`."""
    import sklearn

    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        scores = -fitted.forest.score_samples(x)
    return np.asarray(fitted.upto[np.searchsorted(fitted.scores, scores)] / fitted.upto[-1])
