"""The blast-radius trade-off, held against the binomial law and against counting by hand; and what it refuses."""

import json
from dataclasses import replace
from math import comb, sqrt

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.results.sweeps import DATA, place_of
from simlab.scenario.build import build
from simlab.scenario.describe import sections
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import read
from simlab.studies.points import base_of, points
from simlab.studies.rising import tradeoffs_of
from simlab.studies.run import run
from simlab.studies.statistics import FEW, mean_share, share
from simlab.studies.sweep import samples, sweep
from simlab.studies.tradeoff import Split, tradeoff
from tests.studies.coins import COINS, YAML


def made(*changes, text=YAML):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return build(read(text.encode(), "coins.yaml"), "coins", "coins.yaml", None, COINS)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    scenario = made()
    return sweep(scenario, scenario.studies[0], jobs=1, out=tmp_path_factory.mktemp("coins") / "sweep", registry=COINS)


def law(p, b, m=10):
    """P(any), P(at least half of the models), P(all), E[share], E[share^2] of `b` brains that fail with `p` each, by summing all counts."""
    sizes = [sum(i * b // m == k for i in range(m)) for k in range(b)]
    assert len(set(sizes)) == 1, "blocks are equal here"
    chance = [comb(b, k) * p**k * (1 - p) ** (b - k) for k in range(b + 1)]
    shares = [k / b for k in range(b + 1)]
    half = sum(c for c, s in zip(chance, shares, strict=True) if s >= 0.5)
    mean, square = (sum(c * s**i for c, s in zip(chance, shares, strict=True)) for i in (1, 2))
    return {"any": 1 - chance[0], "half": half, "all": chance[-1], "mean": mean, "square": square}


def test_independent_brains_follow_the_binomial_law(played):
    document, _ = played
    found = document["tradeoff"]
    assert (found["measure"], found["arm"], found["models"]) == ("failed", "own", 10)
    assert [at["brains"] for at in found["points"]] == [1, 2, 5, 10]
    for at in found["points"]:
        expected = law(0.3, at["brains"])
        assert expected["any"] == pytest.approx(1 - 0.7 ** at["brains"])
        assert expected["square"] == pytest.approx(0.09 + 0.21 / at["brains"])
        for name, truth in expected.items():
            spread = sqrt(truth * (1 - truth) / at["n"])  # the most that a variable within 0..1 can vary
            assert abs(at[name]["value"] - truth) < 4 * spread + 1e-12, (at["brains"], name)
            low, high = at[name]["ci95"]
            assert low <= at[name]["value"] <= high
            assert high > low


def test_it_is_what_counting_gives(played):
    """Each number again from what every replication says, one at a time."""
    document, folder = played
    for at, values in zip(document["tradeoff"]["points"], samples(folder, "own"), strict=True):
        counts = [round(float(v) * 10) for v in values]
        assert at["n"] == len(counts) == 400
        assert at["any"]["value"] == pytest.approx(sum(k > 0 for k in counts) / 400)
        assert at["half"]["value"] == pytest.approx(sum(2 * k >= 10 for k in counts) / 400)
        assert at["all"]["value"] == pytest.approx(sum(k == 10 for k in counts) / 400)
        assert at["mean"]["value"] == pytest.approx(sum(counts) / 4000)
        assert at["square"]["value"] == pytest.approx(sum(k * k for k in counts) / 40000)


def test_the_most_brains_against_the_fewest_are_paired_and_joint(played):
    apart = played[0]["tradeoff"]["first_to_last"]
    truth = {name: law(0.3, 10)[name] - law(0.3, 1)[name] for name in law(0.3, 1)}
    assert [apart[name]["clear"] for name in ("any", "half", "all", "mean", "square")] == [
        True,
        True,
        True,
        False,
        True,
    ]
    for name, found in apart.items():
        low, high = found["ci95"]
        wide, wider = found["joint95"]
        assert wide <= low < high <= wider
        assert low < found["difference"] < high
        assert abs(found["difference"] - truth[name]) < high - low  # about 4 standard errors


def test_its_points_are_the_wirings_of_their_numbers():
    scenario = made()
    base = base_of(scenario, scenario.studies[0], COINS)
    found = [point.scenario.arms[0].trial.topology for point in points(base, scenario.studies[0], COINS)]
    own, _, one = (arm.trial.topology for arm in scenario.arms)
    assert (found[0], found[3]) == (one, own)
    assert found[1].brain_of == (0,) * 5 + (1,) * 5
    assert found[1].data_of == found[1].brain_of
    assert found[1].view_of == (0,) * 5 + (5,) * 5  # each block reads what its first model sees


@pytest.mark.parametrize(("features", "views"), [("own", tuple(range(10))), ("one", (0,) * 10)])
def test_brains_may_be_split_alone(features, views):
    scenario = made(("measure: failed\n", f"measure: failed\n    features: {features}\n"))
    base = base_of(scenario, scenario.studies[0], COINS)
    for point, b in zip(points(base, scenario.studies[0], COINS), (1, 2, 5, 10), strict=True):
        topology = point.scenario.arms[0].trial.topology
        assert topology.view_of == views
        assert topology.brains == b


def test_what_seats_see_is_split_only_with_the_features(tmp_path):
    """Brains that toss with what a seat sees: with own features one brain is as good as ten; with blocks of them it is not."""
    alike = {}
    for features in ("own", "blocks"):
        scenario = made(
            ("p: 0.3", "p: 0.3, looks: true"),
            ("measure: failed\n", f"measure: failed\n    features: {features}\n"),
        )
        document, _ = sweep(scenario, scenario.studies[0], jobs=1, out=tmp_path / features, registry=COINS)
        first, *_, last = document["tradeoff"]["points"]
        alike[features] = first["any"]["value"] == last["any"]["value"]
        assert last["any"]["value"] > 0.9
    assert alike == {"own": True, "blocks": False}


def test_all_else_of_the_arm_stays():
    """Rounds, who reads whom and the schedule are the arm's own."""
    chain = "topology: {wiring: chain, schedule: staggered(2), lag: true}"
    scenario = made(("own: {topology: isolated}", f"own: {{{chain}}}"), ("run:", "schedule: {every: 1 s}\nrun:"))
    base = base_of(scenario, scenario.studies[0], COINS)
    before = base.arms[0].trial
    for point in points(base, scenario.studies[0], COINS):
        trial = point.scenario.arms[0].trial
        assert (trial.topology.reads, trial.topology.lag) == (before.topology.reads, True)
        assert trial.schedule == before.schedule


def test_the_resolved_document_gives_an_equal_study():
    scenario = made(
        ("measure: failed\n", "measure: failed\n    features: own\n    arms: [store]\n    replications: 50\n")
    )
    again = build(json.loads(json.dumps(scenario.resolved)), "coins", "coins.yaml", registry=COINS)
    assert again == scenario
    assert again.resolved == scenario.resolved
    (study,) = scenario.studies
    assert (study.arms, study.brains, study.features, study.replications) == (("store",), (1, 2, 5, 10), "own", 50)
    assert study.axes[0].path == "arms.store.topology"
    told = list(sections(scenario))[-1].rows[0]
    assert told[2] == "brains: 1, 2, 5, 10, each model with its own features"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[1, 2, 5, 10]", "[1, 2, 11]", "coins.yaml:13:20: studies.tradeoff.brains: 11 brains for 10 models"),
        ("[1, 2, 5, 10]", "[0, 2]", "must be at least 1, not 0"),
        ("[1, 2, 5, 10]", "[5, 2]", "write e.g. `brains: [1, 2, 5, 10]`"),
        ("[1, 2, 5, 10]", "[1, 1, 2]", "from the fewest to the most"),
        ("[1, 2, 5, 10]", "[3]", "expected at least two numbers"),
        ("[1, 2, 5, 10]", "many", "studies.tradeoff.brains: expected"),
        ("    measure: failed\n", "", "`brains` asks how many of the models fail"),
        ("measure: failed\n", "measure: faild\n", "did you mean `failed`?"),
        ("measure: failed\n", "measure: lost\n", "`lost` is in $, so it is no share of the models"),
        ("measure: failed\n", "measure: failed\n    stat: mean\n", "studies.tradeoff.stat: does not go with `brains`"),
        ("measure: failed\n", "measure: failed\n    sweep: {world.sites.sites: [2, 4]}\n", "sweep: does not go with `brains`"),
        ("measure: failed\n", "measure: failed\n    design: lhs\n    points: 4\n", "design: does not go with `brains`"),
        ("measure: failed\n", "measure: failed\n    arms: [own, one]\n", "the models of one arm are split"),
        ("measure: failed\n", "measure: failed\n    features: block\n", "must be one of blocks, own, one"),
        ("brains: [1, 2, 5, 10]", "features: own\n    sweep: {world.sites.sites: [2, 4]}", "says nothing without `brains`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(old, new, says):
    assert old in YAML.partition("studies:")[2]
    head, studies, rest = YAML.partition("studies:")
    with pytest.raises(ScenarioError) as caught:
        made(text=head + studies + rest.replace(old, new, 1))
    assert says in str(caught.value)


def test_a_measure_that_is_no_share_of_the_models_ends_it_at_the_first_point(tmp_path):
    scenario = made(("    measure: failed", "    measure: odd"))
    with pytest.raises(InputError, match=r"`odd` was 0\.333333 in `own`, which is no share of its 10 models"):
        sweep(scenario, scenario.studies[0], jobs=1, out=tmp_path / "sweep", registry=COINS)
    assert len(list((tmp_path / "sweep").glob("*/manifest.json"))) == 1
    asked = Split("failed", "own", 4, (1, 2))
    asked.refuse(np.array([0, 0.25, 0.5, 0.75, 1, np.nan, 1 - 1e-9]))
    for wrong in (0.3, -0.25, 1.25, 2.0):
        with pytest.raises(InputError, match=f"was {wrong:g} in"):
            asked.refuse(np.array([0.5, wrong]))


def test_lost_replications_are_left_out_and_few_give_no_interval():
    x = np.array([1.0, np.nan, 0.5, 0.25] * 4)
    found = tradeoff(Split("failed", "own", 4, (1, 2)), [x, x])
    at = found["points"][0]
    assert (at["n"], at["any"]["value"], at["half"]["value"]) == (12, 1.0, pytest.approx(2 / 3))
    assert at["all"]["value"] == pytest.approx(1 / 3)
    assert {name: at[name]["ci95"] for name in ("any", "mean")} == {"any": None, "mean": None}
    assert not any(one["clear"] for one in found["first_to_last"].values())
    nothing = tradeoff(Split("failed", "own", 4, (1, 2)), [np.full(5, np.nan)] * 2)
    assert nothing["points"][0]["mean"]["value"] is None


def test_the_summary_tells_of_it_once_it_was_played(tmp_path):
    scenario = replace(made(), controls=())
    before = run(scenario, jobs=1, out=tmp_path / "run").summary
    assert "tradeoff" not in before
    assert before["claims"][0]["verdict"] == "undecided"
    document, folder = sweep(
        scenario, scenario.studies[0], jobs=1, out=tmp_path / "run" / "studies" / "tradeoff", registry=COINS
    )
    after = run(scenario, jobs=1, out=tmp_path / "run").summary
    assert after["tradeoff"] == {"tradeoff": document["tradeoff"]}
    assert after["claims"][0]["verdict"] == "holds"  # P(any) rises from point to point
    (folder / "sweep.json").write_text("damaged")
    assert "tradeoff" not in run(replace(scenario, claims=()), jobs=1, out=tmp_path / "run").summary


@pytest.mark.parametrize(("b", "p"), [(1, 0.02), (5, 0.02), (10, 0.3), (2, 0.5)])
def test_the_interval_of_a_mean_share_covers(b, p):
    """Means of binomial shares at n = 64: 2,000 samples, and 95% to within what counts as honest here (93% or more)."""
    luck = np.random.Generator(np.random.PCG64(5))
    draws = luck.binomial(b, p, (2000, 64)) / b
    found = [mean_share(x) for x in draws]
    inside = sum(one.low <= p <= one.high for one in found)
    assert inside / 2000 > 0.93 - 4 * sqrt(0.07 * 0.93 / 2000)


def test_zeros_and_ones_give_the_interval_of_a_probability():
    x = np.array([0.0] * 60 + [1.0] * 4)
    assert mean_share(x) == share(x)
    assert mean_share(np.full(64, 0.5)).low < 0.5 < mean_share(np.full(64, 0.5)).high  # never seen to vary is no proof
    assert np.isnan(mean_share(np.full(FEW - 1, 0.5)).low)


def test_a_run_has_the_trade_offs_that_were_played_into_it_and_can_be_read(tmp_path):
    scenario = made()
    (study,) = scenario.studies
    assert tradeoffs_of(None, scenario) == {}
    assert tradeoffs_of(tmp_path, scenario) == {}
    place = place_of(tmp_path, study.name)
    document, _ = sweep(scenario, study, jobs=1, out=place, registry=COINS)
    assert tradeoffs_of(tmp_path, scenario) == {study.name: document["tradeoff"]}
    assert tradeoffs_of(tmp_path, replace(scenario, studies=(study._replace(brains=()),))) == {}
    (place / DATA).write_bytes(b"{")
    assert tradeoffs_of(tmp_path, scenario) == {}
