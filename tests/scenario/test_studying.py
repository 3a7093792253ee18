"""Studies in a scenario: read, checked at their places, and no part of what is run."""

import json

import pytest

from simlab.results.store import run_hash
from simlab.scenario.build import build, read_study
from simlab.scenario.describe import sections
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import read
from simlab.studies.runner import run_of
from tests.scenario.toys import GOOD, TOYS

STUDIES = """\
studies:
  impacts:
    title: How much an order moves
    because: from none to ten times Kyle's
    sweep: {world.market.impact: [0.05, 0.1, 0.2], world.market.pause: "0 s:10 s:3"}
    arms: [shared, isolated]
  reaction:
    because: how late is too late
    sweep: {arms.*.interventions.0.kill_switch.latency.median: [0 s, 30 s]}
    also:
      killed: {topology: shared, interventions: [{kill_switch: {when: {measure: drawdown, above: 0.02}, latency: 10 s}}]}
    arms: [isolated, killed]
    set: {run.horizon: 10 min}
    measure: loss
    stat: {exceeds: 0.5}
    replications: 3
  sources:
    because: what matters
    sweep: {world.market.impact: "log:0.01:1", world.market.pause: 1 s:8 s}
    design: sobol
    points: 4
    stat: p95
"""


def made(text=GOOD + STUDIES):
    return build(read(text.encode(), "toy.yaml"), "toy", "toy.yaml", None, TOYS)


def refused(old, new):
    assert old in STUDIES
    with pytest.raises(ScenarioError) as caught:
        made(GOOD + STUDIES.replace(old, new, 1))
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_studies_are_read():
    impacts, reaction, sources = made().studies
    assert [axis.path for axis in impacts.axes] == ["world.market.impact", "world.market.pause"]
    assert (impacts.arms, impacts.stat, impacts.replications) == (("shared", "isolated"), None, None)
    assert (reaction.measure, reaction.stat, reaction.exceeds, reaction.replications) == ("loss", "exceeds", 0.5, 3)
    assert (reaction.title, list(reaction.also), dict(reaction.set)) == (
        "reaction",
        ["killed"],
        {"run.horizon": "10 min"},
    )
    assert sources.arms == ("isolated", "blocks", "shared", "calm")
    assert (sources.design, sources.points, sources.axes[0].log) == ("sobol", 4, True)


def test_the_resolved_document_gives_equal_studies():
    scenario = made()
    again = build(json.loads(json.dumps(scenario.resolved)), "toy", "toy.yaml", registry=TOYS)
    assert again == scenario
    assert again.resolved == scenario.resolved


def test_a_study_does_not_make_a_run_another_run():
    with_studies, without = made(), made(GOOD)
    assert "studies" in with_studies.resolved
    assert "studies" not in without.resolved
    assert run_of(with_studies, "1").hash == run_of(without, "1").hash
    assert run_of(without, "1").hash == run_hash(without.resolved, 7, 4, "1")


LINE = len(GOOD.splitlines())


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        (
            "impact: [0.05",
            "impakt: [0.05",
            f"{LINE + 5}:26: world.market.impakt: unknown parameter",
            "did you mean `impact`?",
        ),
        ("0.1, 0.2]", "0.1, 1.2]", f"{LINE + 5}:46: world.market.impact: must be at most 1, not 1.2", ""),
        ("0.1, 0.2]", "0.1, high]", f'{LINE + 5}:46: world.market.impact: expected a number, not the text "high"', ""),
        ("0 s:10 s:3", "0:10:3", f"{LINE + 5}:72: world.market.pause: expected a time with its unit, not 0", "`0 s`"),
        (
            "arms: [shared, isolated]",
            "arms: [shard, isolated]",
            f"{LINE + 6}:12: studies.impacts.arms.0: unknown arm",
            "`shared`",
        ),
        ("arms: [shared, isolated]", "arms: [shared, shared]", "`shared` is there twice", "remove one"),
        ("arms: [shared, isolated]", "arms: []", "names no arm", ""),
        (
            "world.market.pause:",
            "controls.no_impact.title:",
            "is not something that is played",
            "known: arms, brain, harm,",
        ),
        ("world.market.pause:", "world:", "`world` is not something that is played", "write a whole path"),
        ("world.market.pause:", "run.seed:", "`run.seed` cannot vary from point to point", "the same luck"),
        ("measure: loss", "measure: los", "studies.reaction.measure: unknown measure `los`", "did you mean `loss`?"),
        ("stat: {exceeds: 0.5}", "stat: maen", "studies.reaction.stat: unknown statistic `maen`", "harm"),
        ("stat: {exceeds: 0.5}", "stat: harm", "harm is declared by another measure than `loss`", ""),
        (
            "latency.median",
            "latency.medan",
            "arms.killed.interventions.0.kill_switch.latency.medan: unknown key",
            "`median`",
        ),
        ("kill_switch.latency.median", "throttle.latency.median", "no arm of the study has such an entry", ""),
        ("also:\n      killed", "also:\n      calm", "the scenario has an arm of this name", "choose another"),
        ("topology: shared, inter", "topology: shred, inter", "studies", "did you mean `shared`?"),
        ("run.horizon: 10 min", "run.horizn: 10 min", "run.horizn: unknown key", "did you mean `horizon`?"),
        ("run.horizon: 10 min", "title: other", "`title` cannot be set here", ""),
        ("points: 4", "points: 5", "must be a power of two, not 5", "write 4 or 8"),
        ("    points: 4\n", "", "how many points `sobol` draws", "add e.g. `points: 64`"),
        ("design: sobol", "design: sobl", "must be one of grid, lhs, sobol", "did you mean `sobol`?"),
        ("1 s:8 s}", "1 s:8 s:3}", "`sobol` draws its own values", "write `1 s:8 s`"),
        ("pause: 1 s:8 s", "traders: 2:8", f"{LINE + 19}:", "where `world.market.traders` is 2"),
        ("    because: what matters\n", "", "studies.sources.because: missing", ""),
        ("impacts:\n", "Impacts:\n", "study `Impacts` is not a name", "small letters"),
        (
            '    sweep: {world.market.impact: [0.05, 0.1, 0.2], world.market.pause: "0 s:10 s:3"}\n',
            "",
            "nothing varies",
            "write e.g.",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(old, new, at, says):
    told = refused(old, new)
    assert at in told or at == "studies"
    assert says in told
    assert "nothing was run" in told


def test_describe_shows_them():
    told = list(sections(made()))[-1]
    assert told.heading == "Studies"
    assert told.rows[0][:2] == ("impacts", "How much an order moves")
    assert "world.market.pause: 0 s:10 s:3" in told.rows[0][2]


def test_a_study_that_is_in_no_file_is_checked_as_well():
    study = read_study(made(), "mine", {"because": "", "sweep": {"world.market.impact": [0.1, 0.2]}}, TOYS)
    assert (study.name, len(study.axes[0].listed)) == ("mine", 2)
    with pytest.raises(ScenarioError, match=r"world\.market\.impakt: unknown parameter"):
        read_study(made(), "mine", {"because": "", "sweep": {"world.market.impakt": [0.1, 0.2]}}, TOYS)
