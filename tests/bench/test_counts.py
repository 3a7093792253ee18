"""A tick of every world takes the instructions and the bytes that were accepted, and leaves nothing behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.bench import counts
from tests.bench.counts import FEW, MORE
from tests.bench.worlds import TWINS

ACCEPTED = json.loads(counts.ACCEPTED.read_text(encoding="utf-8"))
STREAMS = 20  # statements a replication: at most a dozen streams of its own deal a block of noise at a tick
LEFT = 16  # bytes a tick: a number that somebody counts with
# Where what is worked on has another size at each tick, NumPy keeps a small block of every size it has met, some 50 kB in the end.
VARYING = {"bitrate", "flash_crash", "load_balancer", "policing", "recommender", "retry_storm"}
# Counts are exact where they were accepted; other versions have other instructions and larger objects.
STEPS, BYTES = (0.0005, 0.002) if ACCEPTED["by"] == counts.versions() else (0.3, 0.1)


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_tick_costs_what_was_accepted_and_keeps_nothing(name):
    steps, size = ACCEPTED["worlds"][name]
    with np.errstate(all="ignore"):
        few, more, kept = counts.cost(name, FEW), counts.cost(name, MORE), counts.kept(name, MORE)  # in this order
    remedy = f"; if it is worth that: python -m tests.bench.counts --accept {name}"
    assert more.instructions <= steps * (1 + STEPS) + 1, (
        f"{name}: {more.instructions:,.0f} instructions a tick, not {steps:,}{remedy}"
    )
    assert more.bytes <= size * (1 + BYTES), f"{name}: a tick asks for {more.bytes:,.0f} bytes, not {size:,}{remedy}"
    assert more.statements - few.statements <= STREAMS * (MORE - FEW), (
        f"{name}: a loop over replications: {few.statements:.0f} statements a tick for {FEW}, {more.statements:.0f} for {MORE}"
    )
    assert kept <= (200 if name in VARYING else LEFT), f"{name}: a tick leaves {kept:.0f} bytes behind"


def test_every_world_is_counted():
    assert sorted(ACCEPTED["worlds"]) == sorted(TWINS)
