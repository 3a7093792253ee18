"""A tick of every world takes the statements that were accepted, however many replications there are, and leaves nothing behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.bench import counts
from tests.bench.worlds import TWINS

FEW, MORE = 4, 12
STREAMS = 20  # statements a replication: at most a dozen streams of its own deal a block of noise at a tick
LEFT = 600  # bytes: a few numbers and their boxes, whatever the replications


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_tick_costs_what_was_accepted_and_keeps_nothing(name):
    accepted = json.loads(counts.ACCEPTED.read_text(encoding="utf-8"))[name]
    with np.errstate(all="ignore"):
        few, more, kept = counts.statements(name, FEW), counts.statements(name, MORE), counts.kept(name, MORE)
    assert few <= 1.05 * accepted, f"{name}: {few:.0f} statements a tick, not {accepted:.0f}; see tests/bench/counts.py"
    assert more - few <= STREAMS * (MORE - FEW), (
        f"{name}: a loop over replications: {few:.0f} statements a tick for {FEW}, {more:.0f} for {MORE}"
    )
    assert kept <= LEFT, f"{name}: a tick leaves {kept:.0f} bytes behind"


def test_every_world_is_counted():
    assert sorted(json.loads(counts.ACCEPTED.read_text(encoding="utf-8"))) == sorted(TWINS)
