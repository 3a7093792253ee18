"""What falls with what."""

import pytest

from simlab.studies.blast import blasts, widest
from tests.studies.architectures import made, random_one, star
from tests.studies.test_together import silent_in

CHAIN = """\
sources: {c: , o: }
stores: {f: {from: [c]}}
fallbacks: {rule: {reads: [o]}}
models: {a: {reads: [f], traffic: 3}, b: {reads: [a], traffic: 1}, d: {reads: [f], fallback: rule, traffic: 4}}
consumers: {p: {uses: [a, d], weight: 1}, q: {uses: [b, d], needs: any, weight: 3}}
"""


def test_a_failure_runs_down_the_chain_and_stops_at_a_fallback():
    found = {blast.name: blast for blast in blasts(made(CHAIN))}
    assert found["c"].models == found["f"].models == ("a", "b")
    assert found["c"].carried == ("d",)
    assert found["c"].traffic == 4 / 8
    assert found["c"].consumers == ("p",)
    assert found["c"].weight == 1 / 4
    assert (found["b"].models, found["b"].consumers) == (("b",), ())
    assert (found["d"].models, found["d"].carried) == ((), ("d",))
    assert (found["rule"].models, found["o"].models) == ((), ())
    assert found["f"].direct == 2
    assert widest(made(CHAIN)) == 1 / 2


def test_more_than_half_is_a_single_point_and_half_is_not():
    found = {blast.name: blast for blast in blasts(made(CHAIN))}
    assert not found["f"].single_point
    heavier = {blast.name: blast for blast in blasts(made(CHAIN.replace("traffic: 3", "traffic: 3.1")))}
    assert heavier["f"].single_point
    assert heavier["c"].single_point
    assert not heavier["b"].single_point


def test_the_only_store_of_a_star_takes_everything_and_comes_first():
    found = blasts(star(5, 0.1, 0.1))
    assert (found[0].name, found[0].traffic, found[0].weight, len(found[0].models)) == ("s", 1, 1, 5)
    assert [blast.share for blast in found[1:]] == pytest.approx([1 / 5] * 5)


@pytest.mark.parametrize("seed", range(6))
def test_random_architectures_agree_with_failures_spread_by_hand(seed):
    architecture = random_one(seed, models=6)
    for blast in blasts(architecture):
        down = silent_in(architecture, {blast.name})
        assert set(blast.models) == {m.name for m in architecture.of("model")} & down
        assert set(blast.consumers) == {c.name for c in architecture.of("consumer")} & down
    assert widest(architecture) == pytest.approx(max(blast.share for blast in blasts(architecture)))
