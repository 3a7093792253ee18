"""Topology: presets, canonical form, graph, and what is refused."""

from __future__ import annotations

import pytest

from simlab.base.errors import InputError
from simlab.base.world import Spec
from simlab.brains.topology import Schedule, Topology, schedule, wire

OWN, ONE = (0, 1, 2, 3), (0, 0, 0, 0)

# the table in topology.py: brains, views, pools
PRESETS = {
    "isolated": (OWN, OWN, OWN),
    "feature_store": (OWN, ONE, OWN),
    "shared_data": (OWN, OWN, ONE),
    "shared_brain": (ONE, OWN, ONE),
    "shared": (ONE, ONE, ONE),
    "bulkheads(2)": ((0, 0, 1, 1),) * 3,
    "chain": (OWN, OWN, OWN),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    topology = wire(name, 4)
    assert (topology.brain_of, topology.view_of, topology.data_of) == PRESETS[name]
    assert [topology.data_of[topology.brain_of.index(b)] for b in range(topology.brains)] == list(topology.taught_by)


def test_share_wires_part_of_the_models():
    half = wire("shared", 4, share=0.5)
    assert half.brain_of == half.data_of == (0, 0, 1, 2)
    assert wire("shared", 4, share=0.0) == wire("isolated", 4)


def test_bulkheads_run_from_shared_to_isolated():
    assert wire("bulkheads(1)", 4) == wire("shared", 4)
    assert wire("bulkheads(4)", 4) == wire("isolated", 4)


def test_canonical_form_sees_what_the_world_can_tell_apart():
    blind = Spec(models=4, views=1)
    assert wire("feature_store", 4).canonical(blind) == wire("isolated", 4).canonical(blind)
    renamed = Topology((1, 1, 0, 0), OWN, (3, 3, 1, 1), (1, 3), (0, 0))
    assert renamed.canonical(Spec(models=4, views=4)) == Topology((0, 0, 1, 1), OWN, (0, 0, 1, 1), (0, 1), (0, 0))


def test_graph_knows_the_blast_radius():
    graph = wire("bulkheads(2)", 4).graph()
    assert graph.nodes["brain", 0] == {"part": "brain", "reach": 2, "shared": True}
    assert wire("feature_store", 4).graph().nodes["view", 0]["reach"] == 4
    assert wire("isolated", 4).graph().nodes["pool", 3]["reach"] == 1
    assert wire("chain", 4).graph().nodes["model", 0]["reach"] == 4
    rounds = wire("federated", 4, average_every=60.0).graph()
    assert {rounds.nodes[part, 2]["reach"] for part in ("pool", "brain")} == {4}  # a lie travels with the average
    assert rounds.nodes["view", 2]["reach"] == 1
    assert wire("chain", 4).depth() == 4


def test_schedules():
    every = Schedule(every=12.0)
    assert schedule("staggered(2)", every).phases(4) == (12.0, 12.0, 18.0, 18.0)
    assert schedule("synchronised", every).phases(3) == (12.0,) * 3
    assert schedule("random(0.25)", every).chance == 0.25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wire("isolatd", 4), "unknown wiring `isolatd`; did you mean `isolated`"),
        (lambda: wire("bulkheads", 4), r"from 1 to 4, e\.g\. `bulkheads\(2\)`"),
        (lambda: wire("bulkheads(1.5)", 4), "whole number of blocks"),
        (lambda: wire("shared(2)", 4), "write `shared`"),
        (lambda: wire("federated", 4), "average_every: 10 min"),
        (lambda: wire("shared", 4, share=1.2), "from 0 to 1"),
        (lambda: schedule("staggered(0)", Schedule()), r"e\.g\. `staggered\(1\)`"),
        (lambda: schedule("random(2)", Schedule()), "above 0 and at most 1"),
        (lambda: wire("isolated", 3, reads=((1,), (0,), (-1,))), "in a circle"),
        (lambda: wire("isolated", 2, view_of=(0,)), "view_of has 1 entries; expected 2"),
        (lambda: wire("isolated", 2, taught_by=(0, 5)), "names pool 5"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
