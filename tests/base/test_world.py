"""What a world's parts hand on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from simlab.base.world import Asked


def test_a_measure_is_worked_out_when_it_is_first_asked_for_and_once():
    asked = []
    state = SimpleNamespace(price=np.array([3.0]))
    ways = {name: lambda name=name: asked.append(name) or np.array([1.0]) for name in ("fall", "volume")}
    measures = Asked(("fall", "price", "volume"), ways, state)
    assert measures["fall"] is measures["fall"]
    assert measures["price"] is state.price
    assert asked == ["fall"]
    assert list({**measures}) == ["fall", "price", "volume"]
    assert "fall" in measures
    assert measures.get("index") is None  # what every state has, and is no measure
    assert (len(measures), asked) == (3, ["fall", "volume"])
