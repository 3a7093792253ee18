"""Two arms of a run, or two runs: paired by replication, or refused. The fixture's falls are exponential with a known mean in each arm."""

from dataclasses import replace

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.studies.compare import Side, compare_arms, compare_runs, two_arms
from tests.views import fixture

WORLD = {"world": {"market": {}}}


def side(n=256, scales=None, seed=2010, world=WORLD, version="1", bad=0):
    made = fixture.scenario()
    held = fixture.record(made, n, scales, bad)
    manifest = {"document": world, "seed": seed, "version": version, "versions": {"numpy": "2.0"}}
    return Side(replace(held, manifest=manifest), made)


@pytest.fixture(scope="module")
def run():
    return side()


def struck(run, arm):
    """Who came to harm, counted by hand."""
    events = run.record.cells[arm].events
    return np.array([any(e.kind == "harm" and e.replication == i for e in events) for i in range(256)])


def measure(found, name, pair=0):
    return next(row for row in found.pairs[pair].measures if row.measure == name)


def test_b_minus_a_pair_by_pair(run):
    """With common luck only the arm with the larger falls is ever alone in harm: Bonett & Price (2012) from the counts."""
    found = compare_arms(run, "isolated", "feature_store")
    a, b = struck(run, "isolated"), struck(run, "feature_store")
    only_b, only_a = int((b & ~a).sum()), int((a & ~b).sum())
    share = (only_b - only_a) / 258
    half = 1.959964 * np.sqrt(((only_a + only_b + 2) / 258 - share**2) / 258)
    harm = found.pairs[0].harm
    assert (harm.a.value, harm.b.value) == (a.mean(), b.mean())
    assert harm.difference == pytest.approx((b.mean() - a.mean(), share - half, share + half, 256))
    assert harm.clear
    x, y = (run.record.cells[name].measures["drawdown"] for name in ("isolated", "feature_store"))
    row = measure(found, "drawdown")
    assert (row.a.value, row.b.value) == pytest.approx((x.mean(), y.mean()))
    assert row.difference.value == pytest.approx((y - x).mean())
    assert found.pairs[0].titles == ("isolated", "shared feature store")
    back = compare_arms(run, "feature_store", "isolated").pairs[0]
    assert back.harm.difference.value == -harm.difference.value


def test_an_arm_that_changes_nothing_is_the_same(run):
    pair = compare_arms(run, "isolated", "shared_brain").pairs[0]
    assert all(row.same and row.difference[:1] == (0,) and not row.clear for row in pair.rows)
    assert pair.harm.difference.low < 0 < pair.harm.difference.high  # not seen is not impossible


def test_what_neither_arm_has_a_value_of_is_not_the_same(run):
    cells = run.record.cells
    none = {
        name: cell._replace(measures={**cell.measures, "drawdown": np.full(256, np.nan)})
        for name, cell in cells.items()
    }
    unknown = Side(replace(run.record, cells=none), run.scenario)
    row = measure(compare_arms(unknown, "isolated", "shared_brain"), "drawdown")
    assert (row.same, row.clear, row.difference.n) == (False, False, 0)
    seldom = {
        name: cell._replace(measures={**cell.measures, "drawdown": np.r_[0.1, [np.nan] * 255]})
        for name, cell in cells.items()
    }
    once = Side(replace(run.record, cells=seldom), run.scenario)
    assert measure(compare_arms(once, "isolated", "shared_brain"), "drawdown").same


def test_clear_means_for_all_rows_together(run):
    """2.2 standard errors clear 0 at 95%, and not at the level that holds for a harm and three means together."""
    noise = np.random.default_rng(1).normal(size=256)
    noise = (noise - noise.mean()) / noise.std(ddof=1) + 2.2 / 16
    outcome = run.record.cells["isolated"]
    outcome = outcome._replace(measures=outcome.measures | {"loss": outcome.measures["loss"] + noise})
    moved = replace(run.record, cells={**run.record.cells, "isolated": outcome})
    row = measure(compare_runs(run, Side(moved, run.scenario), ["isolated"]), "loss")
    assert row.difference.low > 0
    assert not row.clear


def test_every_arm_of_both_runs_or_those_that_are_named(run):
    other = side(version="2")
    assert [(p.a, p.b) for p in compare_runs(run, other).pairs] == [(arm, arm) for arm in fixture.WIRINGS]
    assert [(p.a, p.b) for p in compare_runs(run, other, ["shared", "shared:isolated"]).pairs] == [
        ("shared", "shared"),
        ("shared", "isolated"),
    ]
    assert compare_runs(run, other).differ == ("  version: 1 -> 2",)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"seed": 7}, "seed: 2010 -> 7"),
        ({"n": 128}, "replications: 256 -> 128"),
        ({"world": {"world": {"bank": {}}}}, "world: market -> bank"),
    ],
)
def test_runs_that_are_not_paired_are_refused_with_what_differs(run, other, says):
    with pytest.raises(InputError, match="not paired") as refused:
        compare_runs(run, side(**other))
    assert says in str(refused.value)
    assert "--seed 2010 --replications 256" in str(refused.value)


def test_arms_that_are_not_there_are_refused(run):
    with pytest.raises(InputError, match=r"unknown arm `shred`; did you mean `shared`\?"):
        compare_arms(run, "isolated", "shred")
    with pytest.raises(InputError, match=r"unknown arm `shred` in B; did you mean"):
        compare_runs(run, side(version="2"), ["shared:shred"])
    with pytest.raises(InputError, match="compared with itself"):
        two_arms(run.scenario, "shared", "shared")
    alone = Side(replace(run.record, arms=("mine",)), run.scenario)
    with pytest.raises(InputError, match="no arm is in both runs; A has mine, and B isolated"):
        compare_runs(alone, run)


def test_what_diverged_is_counted_and_in_no_pair(run):
    pair = compare_runs(run, side(bad=16), ["isolated"]).pairs[0]
    assert pair.diverged == (0, 16)
    assert next(row for row in pair.measures if row.measure == "volume").difference.n == 240


def test_harm_declared_otherwise_is_not_compared(run):
    other = side()
    elsewhere = replace(other.scenario, harm=other.scenario.harm._replace(above=0.05))
    pair = compare_runs(run, Side(other.record, elsewhere)).pairs[0]
    assert pair.harm is None
    assert pair.rows == pair.measures
