"""What is seen may be said by a mask: to every brain it means what the same weights of 0 and 1 do."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.counts import Counts
from simlab.brains.familiar import Familiar
from simlab.brains.mean import Mean
from simlab.brains.moving_average import MovingAverage
from simlab.brains.ridge import Ridge
from simlab.brains.sgd import Sgd
from simlab.brains.tally import Tally
from simlab.lab.streams import Streams

R, P, SEATS, CASES, CHOICES, TYPES = 4, 2, 3, 5, 4, 6
NUMBER = Spec(models=P * SEATS, case=(CASES,), features=1)
SHARES = Spec(models=P * SEATS, asks="shares", case=(CASES,), choices=CHOICES)
BRAINS = {
    "ridge": (Ridge(penalty=0.1), NUMBER),
    "mean": (Mean(), NUMBER),
    "moving_average": (MovingAverage(), NUMBER),
    "sgd": (Sgd(), NUMBER),
    "familiar": (Familiar(), NUMBER._replace(features=0, states=TYPES)),
    "tally": (Tally(), NUMBER._replace(features=0, states=TYPES)),
    "counts": (Counts(prior=(1.0,) * CHOICES), SHARES._replace(case=())),
}


@pytest.mark.parametrize("kind", BRAINS)
def test_a_mask_teaches_what_weights_of_0_and_1_teach(kind):
    brain, spec = BRAINS[kind]
    minds = []
    for as_floats in (False, True):
        g = np.random.default_rng(3)
        mind = brain.start(R, P, P, spec, Streams(1, range(R)))
        for _ in range(3):
            seats = (R, P, SEATS, *spec.case)
            x = g.normal(size=(*seats, 1)) if spec.features else g.integers(TYPES, size=seats)
            y = g.random((*seats, *((spec.choices,) if spec.asks == "shares" else ())))
            mask = g.random(y.shape) < 0.6
            brain.witness(mind, x, np.zeros(y.shape), Feedback(y, mask.astype(float) if as_floats else mask), x)
        minds.append([leaf for leaf in mind if isinstance(leaf, np.ndarray)])
    assert any(leaf.any() for leaf in minds[0])
    for leaf, same in zip(*minds, strict=True):
        np.testing.assert_allclose(leaf, same, rtol=1e-6)
