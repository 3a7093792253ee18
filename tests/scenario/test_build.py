"""A document becomes a Scenario, or every problem in it is reported with its place and its remedy."""

import contextlib
import json
import math

import pytest

from simlab.brains.topology import wire
from simlab.lab.shocks import Shock
from simlab.lab.trial import Hand, Harm, Trigger
from simlab.scenario import describe
from simlab.scenario.build import build
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import override, plain, read
from simlab.scenario.scenario import Claim, Row, Vanish
from tests.scenario.toys import GOOD, TOYS, Damp, Echo, Market


def made(text=GOOD, overrides=None):
    return build(read(text.encode(), "toy.yaml"), "toy", "toy.yaml", overrides, TOYS)


def refused(text, overrides=None):
    with pytest.raises(ScenarioError) as caught:
        made(text, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_the_world_and_its_brains_are_built_as_written():
    first = made().arms[0].trial
    assert first.world == Market(impact=0.2, pause=5.0)
    assert first.brains == (Echo(gain=2.0),)
    assert (first.horizon, first.schedule.every, first.closed) == (1800.0, 600.0, True)


def test_the_arms_are_wired_as_written():
    arms = {arm.name: arm for arm in made().arms}
    assert list(arms) == ["isolated", "blocks", "shared", "calm"]
    assert arms["isolated"].trial.topology == wire("isolated", 8)
    assert arms["blocks"].trial.topology.brain_of == (0, 0, 1, 1, 2, 3, 4, 5)  # half of them, in blocks of two
    assert arms["blocks"].title == "Four blocks"
    assert (arms["blocks"].trial.schedule.how, arms["blocks"].trial.schedule.size) == ("staggered", 2)
    assert arms["shared"].trial.topology.brain_of == (0,) * 8
    assert arms["calm"].trial.topology.average_every == 600.0
    assert arms["calm"].trial.world.impact == 0


def test_an_arm_may_have_its_own_brains_schedule_shocks_and_hands():
    shared = made().arms[2].trial
    assert shared.brains == (Echo(gain=1.0), Echo())
    assert (shared.schedule.every, shared.schedule.jitter) == (600.0, 5.0)
    assert shared.shocks == (Shock("outage", "brain", "down", 300.0, 60.0, models=(0, 1)),)
    damp, kill, late = shared.hands
    assert damp == Hand("damp", Damp(), Trigger(at=0.0))
    assert kill.trigger == Trigger(math.inf, "drawdown", 0.02, median=30.0, spread=0.5, lasts=300.0)
    assert late == Hand("damp#2", Damp(0.1), Trigger(at=60.0), models=(2,))


def test_shocks_without_a_list_reach_every_arm():
    jump, late = made().arms[0].trial.shocks[1:]
    assert jump == Shock("jump", "world", "set", 600.0, values={"impact": 0.5})
    assert late == Shock("late", "feedback", "delayed", size=3.0)


def test_the_controls_are_the_arms_under_a_patch():
    off, calm, still = made().controls
    assert [arm.trial.closed for arm in off.arms] == [False] * 4
    assert all(arm.trial.shocks == () and arm.trial.closed for arm in calm.arms)
    assert [arm.trial.world.impact for arm in still.arms] == [0.0] * 4
    assert still.arms[0].trial.shocks[2].size == 1.0
    assert (calm.vanishes, still.title) == ((Vanish("loss", 0.01),), "orders move nothing")


def test_harm_claims_rows_and_record():
    scenario = made()
    assert scenario.harm == Harm("drawdown", 0.03, cost="loss")
    assert scenario.claims[0] == Claim(
        "drawdown", "exceeds", "shared", "shared signals", versus="isolated", above=0.0, exceeds=0.03
    )
    assert scenario.claims[1].control == "no_impact"
    assert not scenario.claims[1].expect
    assert scenario.scoreboard[1] == Row("pause", "input", "5 s", "SEC 2010")
    assert scenario.record == ({"retelling": "It crashed", "record": "It did not"},)


def test_a_claim_may_be_about_what_a_detector_shows():
    claim = "{measure: feedback_spiral, arm: calm, below: 1, because: nothing moves}"
    text = GOOD + f"  - {claim}\n"
    assert made(text).claims[-1].measure == "feedback_spiral"
    without = text.replace("shocks:", "detectors: {model_correlation: {}}\nshocks:", 1)
    assert "unknown measure `feedback_spiral`" in refused(without)


def test_a_measure_may_be_drawn_beside_the_headline_and_a_row_read_under_a_control():
    text = GOOD.replace("shocks:\n", "beside: loss\nshocks:\n", 1)
    text = text.replace(
        "measure: drawdown, arm: shared, low", "measure: drawdown, arm: shared, control: no_impact, low"
    )
    scenario = made(text)
    assert (scenario.beside, made().beside) == ("loss", None)
    assert (scenario.scoreboard[0].control, made().scoreboard[0].control) == ("no_impact", None)
    assert build(scenario.resolved, "toy", "toy.yaml", registry=TOYS) == scenario


def test_the_resolved_document_gives_an_equal_scenario():
    scenario = made()
    stored = json.loads(json.dumps(scenario.resolved))
    again = build(stored, "toy", "toy.yaml", registry=TOYS)
    assert again == scenario
    assert again.resolved == scenario.resolved
    assert stored["world"]["market"]["waits"] == ["0.5 s", "1.5 min"]  # defaults are filled in, with units


def test_overrides_come_from_paths():
    patches = dict(override(text) for text in ("world.market.impact=0.4", "run.horizon=1 h", "claims.0.above=0.5"))
    scenario = made(overrides=patches)
    assert scenario.arms[0].trial.world.impact == 0.4
    assert scenario.arms[3].trial.world.impact == 0  # what an arm sets stays set
    assert (scenario.arms[0].trial.horizon, scenario.claims[0].above) == (3600.0, 0.5)


def test_int_is_accepted_for_float_and_nothing_else_is_coerced():
    assert made(changed("impact: 0.2", "impact: 1")).arms[0].trial.world.impact == 1.0
    assert isinstance(made(changed("impact: 0.2", "impact: 1")).arms[0].trial.world.impact, float)


def test_a_name_alone_has_default_parameters():
    assert made(changed("brain: {echo: {gain: 2}}", "brain: {echo: }")).arms[0].trial.brains == (Echo(),)


BAD = [
    ("pause: 5 s", "pose: 5 s", "5:31: world.market.pose: unknown parameter", "did you mean `pause`?"),
    ("impact: 0.2", "impact: 1.2", "5:26: world.market.impact: must be at most 1, not 1.2", ""),
    ("impact: 0.2", 'impact: "0.2"', '5:26: world.market.impact: expected a number, not the text "0.2"', "`0.2` without quotes"),
    ("impact: 0.2", "impact: true", "5:26: world.market.impact: expected a number, not true", ""),
    ("pause: 5 s", "pause: 5", "5:38: world.market.pause: expected a time with its unit, not 5", "write `5 s`"),
    ("pause: 5 s", "pause: 45 sec", "5:38: world.market.pause: unknown unit `sec`", "did you mean `45 s`?"),
    ("pause: 5 s", "pause: -5 s", "5:38: world.market.pause: must be at least 0 s", ""),
    ("{impact: 0.2", "{traders: 0", "5:27: world.market.traders: must be at least 1, not 0", ""),
    ("{impact: 0.2", "{traders: -1", "5:27: world.market.traders: must be at least 1, not -1", ""),
    ("{impact: 0.2", "{traders: 1.5", "5:27: world.market.traders: expected a whole number, not 1.5", ""),
    ("{impact: 0.2", "{traders: true", "5:27: world.market.traders: expected a whole number, not true", ""),
    ("{impact: 0.2", "{traders: 1000000000000", "5:27: world.market.traders: 1,000,000,000,000 models; expected from 1 to 1,000,000", ""),
    ("{impact: 0.2", "{own_views: 1", "world.market.own_views: expected true or false, not 1", ""),
    ("{impact: 0.2", "{book: bach", "world.market.book: `bach` must be one of batch, continuous", "did you mean `batch`?"),
    ("{impact: 0.2", "{depth: [1, 0]", "5:29: world.market.depth.1: must be above 0, not 0", ""),
    ("{impact: 0.2", "{waits: [1 s, 3]", "5:31: world.market.waits.1: expected a time with its unit", "write `3 s`"),
    ("{impact: 0.2", "{band: -1", "5:24: world.market.band: must be above low", ""),
    ("{market:", "{markt:", "5:9: world.markt: unknown world `markt`", "did you mean `market`?"),
    ("{market:", "{os.system:", "unknown world `os.system`", "^ known: market"),
    ("world: {market: {impact: 0.2, pause: 5 s}}", "world: market", "expected a mapping", "`world: {market: {}}`"),
    ("{echo: {gain: 2}}", "{ekho: {}}", "6:9: brain.ekho: unknown brain `ekho`", "did you mean `echo`?"),
    ("{echo: {gain: 2}}", "{chooser: {}}", "6:9: brain.chooser: answers choice, and the world asks for number",
     "brains that fit: echo, quick"),
    ("{echo: {gain: 2}}", "[]", "brain: expected at least one brain", ""),
    ("horizon: 30 min", "horizon: 1000 dayz", "8:33: run.horizon: unknown unit `dayz`", "`1000 day`"),
    ("horizon: 30 min", "horizon: .inf", "8:33: run.horizon: `.inf` is not a finite number", ""),
    ("horizon: 30 min", "horizon: 0", "8:33: run.horizon: must be above 0 s, not 0", ""),
    ("horizon: 30 min", "horizon: -1", "8:33: run.horizon: must be above 0 s, not -1", ""),
    ("horizon: 30 min", "horizon: 0.1 s", "8:33: run.horizon: must be at least one tick", ""),
    ("horizon: 30 min", "horizon: 1e12 day", "ticks of 0.5 s; at most 1e+10", "shorten the horizon"),
    ("horizon: 30 min, ", "", "8:1: run.horizon: missing", "add e.g. `horizon: 30 min`"),
    ("replications: 4", "replications: 0", "8:21: run.replications: must be at least 1, not 0", ""),
    ("replications: 4", "replications: 4.0", "expected a whole number, not 4.0", "write `4`"),
    ("replications: 4", "replications: 0.0", "8:21: run.replications: must be at least 1, not 0.0", ""),
    ("replications: 4", "replications: 1e99", "8:21: run.replications: must be at most 10000000, not 1e+99", ""),
    ("replications: 4", "replications: 10000000", "8:1: run: 4.61e+12 steps of agents", "lower `run.replications`"),
    ("replications: 4", "replications: 10000001", "8:21: run.replications: must be at most", ""),
    ("seed: 7", "seed: -1", "8:47: run.seed: must be at least 0, not -1", ""),
    ("seed: 7", "seed: abc", '8:47: run.seed: expected a whole number, not the text "abc"', ""),
    ("seed: 7", f"seed: {2**200}", "8:47: run.seed: must be at most", ""),
    ("seed: 7", "sead: 7", "8:41: run.sead: unknown key", "did you mean `seed`?"),
    ("seed: 7", "stride: 1 h", "8:49: run.stride: must lie between one tick", ""),
    ("title: A toy market", "title: " + "x" * 20_000, "2:8: title: 20,000 characters; at most 200", ""),
    ("title: A toy market", "title: 3", "2:8: title: expected text, not 3", '`"3"`'),
    ("title: A toy market\n", "", "1:1: title: missing", "add e.g. `title: "),
    ("schema: 1", "schema: 2", "1:9: schema: must be at most 1, not 2", ""),
    ("schema: 1\n", "", "schema: missing", "`schema: 1`"),
    ("arms:", "armes:", "14:1: armes: unknown key", "did you mean `arms`?"),
    ("isolated: {", "Isolated-1: {", "15:3: arms.Isolated-1: arm `Isolated-1` is not a name", ""),
    ("isolated: {", "con: {", "15:3: arms.con: arm `con` has a meaning to the file system", ""),
    ("topology: isolated", "topology: isolatd", "15:24: arms.isolated.topology: unknown wiring `isolatd`", "did you mean `isolated`?"),
    ("topology: isolated", "topologie: isolated", "15:14: arms.isolated.topologie: unknown key", "did you mean `topology`?"),
    ("topology: isolated", "topology: bulkheads", "write the number of blocks", ""),
    ("topology: isolated", "topology: {brain_of: [0, 1]}",
     "15:35: arms.isolated.topology.brain_of: 2 entries; expected one for each of the 8",
     ""),
    ("topology: isolated", "topology: {brain_of: [0, 0, 0, 0, 1, 1, 1, 3]}", "topology.brain_of must name every brain from 0 to 3", ""),
    ("topology: isolated", "topology: {brain_of: [0, 0, 0, 0, 1, 1, 1, 99999999999]}", "topology.brain_of must hold numbers from 0 to 7",
     ""),
    ("topology: isolated", "topology: shared_data, brain: {quick: {}}", "no evidence to share", ""),
    ("schedule: staggered(2)", "schedule: stagered(2)", "16:75: arms.blocks.topology.schedule: unknown schedule `stagered`",
     "did you mean `staggered`?"),
    ("share: 0.5", "share: 1.2", "arms.blocks.topology.share: must be at most 1, not 1.2", ""),
    ("shocks: [outage]", "shocks: [outag]", "21:14: arms.shared.shocks.0: unknown shock `outag`", "did you mean `outage`?"),
    ("{brain: down,", "{brain: dwn,", "11:19: shocks.outage.brain: unknown effect `dwn`", "did you mean `down`?"),
    ("{brain: down,", "{brain: down, features: stale,", "expected one of features, brain", ""),
    ("{impact: 0.5}", "{pause: 5 s}", "12:18: shocks.jump.world.pause: unknown live parameter", "^ known: impact"),
    ("{impact: 0.5}", "{impact: 5}", "12:26: shocks.jump.world.impact: must be at most 1, not 5", ""),
    ("size: 3 s", "size: 3", "13:35: shocks.late.size: expected a time with its unit, not 3", "write `3 s`"),
    (", size: 3 s", "", "13:3: shocks.late.size: missing", "`size: 5 s`"),
    ("models: [0, 1]", "models: [0, 9]", "11:68: shocks.outage.models.1: there is no model 9", "they are 0 to 7"),
    ("- damp\n", "- dmp\n", "23:9: arms.shared.interventions.0.dmp: unknown intervention `dmp`", "did you mean `damp`?"),
    ("when: {measure: drawdown", "when: {measure: drawdwn", "unknown measure `drawdwn`", "did you mean `drawdown`?"),
    ("when: {measure", "at: 3 s, when: {measure", "kill_switch.when: given together with `at`", ""),
    ("factor: 0.1", "factr: 0.1", "25:27: arms.shared.interventions.2.damp.factr: unknown parameter", "did you mean `factor`?"),
    ("median: 30 s", "median: 30", "latency.median: expected a time with its unit, not 30", "write `30 s`"),
    ("set: {world.market.impact: 0}}", "set: {world.market.imact: 0}}", "world.market.imact: unknown parameter", "did you mean `impact`?"),
    ("set: {world.market.impact: 0}}", "set: {wrld.market.impact: 0}}", "`wrld` cannot be set here", "did you mean `world`?"),
    ("harm: {measure: drawdown", "harm: {measure: drawdwn", "9:17: harm.measure: unknown measure `drawdwn`", "did you mean `drawdown`?"),
    ("above: 0.03, cost", "above: 0.03, below: 1, cost", "9:1: harm: expected one of `above` and `below`", ""),
    ("  feedback_off: {vanishes: [drawdown]}\n", "", "controls.feedback_off: missing; every scenario has this control",
     "add `feedback_off: "),
    ("vanishes: [drawdown]}", "vanishes: [drawdwn]}", "28:29: controls.feedback_off.vanishes.0: unknown measure",
     "did you mean `drawdown`?"),
    ("set: {world.market.impact: 0, shocks.late.size: 1 s}, ", "", "controls.no_impact: changes nothing", ""),
    ("stat: {exceeds: 0.03}", "stat: medan", "35:31: claims.0.stat: unknown statistic `medan`", "did you mean `median`?"),
    ("versus: isolated", "versus: isolatd", "35:69: claims.0.versus: unknown arm `isolatd`", "did you mean `isolated`?"),
    ("near: 0, within: 0.01", "near: 0", "36:5: claims.1: `near` and `within` go together", ""),
    ("above: 0, because", "above: 0, below: 1, because", "35:5: claims.0: expected one of above, below and near, not above and below", ""),
    ("control: no_impact", "control: noimpact", "36:41: claims.1.control: unknown control `noimpact`", "did you mean `no_impact`?"),
    ("mark: input", "mark: inptu", "33:25: scoreboard.1.mark: `inptu` must be one of", "did you mean `input`?"),
    ("mark: input", "mark: input, measure: loss, arm: calm, control: feedback_on",
     "33:67: scoreboard.1.control: unknown control `feedback_on`", "did you mean `feedback_off`?"),
    ("shocks:\n", "beside: los\nshocks:\n", "10:9: beside: unknown measure `los`", "did you mean `loss`?"),
    ("shocks:\n", "beside: drawdown\nshocks:\n", "10:9: beside: drawdown is the headline itself", "name another measure"),
    (", low: 0.08, high: 0.1", "", "a predicted row says what a hit is", ""),
    ("[{retelling: It crashed, record: It did not}]", "[{retelling: 1}]", "4:22: record.0.retelling: expected text, not 1", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says", "hint"), BAD, ids=[f"{new[:30]}" for _, new, _, _ in BAD])
def test_what_is_wrong_is_said_with_its_place_and_its_remedy(old, new, says, hint):
    shown = refused(changed(old, new))
    assert says in shown
    assert hint in shown
    assert "toy.yaml:" in shown
    assert "^" in shown


def test_every_problem_is_reported_at_once_in_order():
    text = changed("impact: 0.2", "imact: 0.2").replace("seed: 7", "seed: -1").replace("share: 0.5", "share: 2")
    shown = refused(text.replace("versus: isolated", "versus: nobody"))
    places = [line.split(":")[1] for line in shown.splitlines() if line.startswith("toy.yaml:")]
    assert places == ["5", "8", "16", "35"]
    assert shown.endswith("4 problems; nothing was run")


def test_a_misspelt_key_is_not_also_missing():
    assert refused(changed("horizon: 30 min", "horzon: 30 min")).endswith("1 problem; nothing was run")


def test_one_fault_shared_by_many_cells_is_told_once():
    assert refused(changed("impact: 0.2", "impact: 7")).endswith("1 problem; nothing was run")


def test_the_layout_is_place_excerpt_and_caret():
    assert refused(changed("{impact: 0.2", "{impct: 0.2")).splitlines()[:3] == [
        "toy.yaml:5:18: world.market.impct: unknown parameter",
        "    5 | world: {market: {impct: 0.2, pause: 5 s}}",
        "      |                  ^^^^^ did you mean `impact`? "
        "(known: band, book, depth, dt, impact, low, own_views, pause, traders, waits)",
    ]


def test_arms_that_the_world_cannot_tell_apart_are_refused():
    text = changed(
        "isolated: {topology: isolated}", "isolated: {topology: isolated}\n  store: {topology: feature_store}"
    )
    assert made(text)
    shown = refused(text.replace("{impact: 0.2", "{own_views: false"))
    assert "16:3: arms.store: plays exactly as arm `isolated`" in shown
    assert "one view" in shown


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("world.market.impct=1", "--set world.market.impct=1: world.market.impct: unknown parameter"),
        ("world.markt.impact=1", "did you mean `market`?"),
        ("wrld.market.impact=1", "did you mean `world`?"),
        ("run.seed.x=1", "`run.seed` is 7 and has nothing inside"),
        ("run.horizon=45 sec", "did you mean `45 s`?"),
        ("claims.7.above=1", "write `claims.0` to `claims.1`"),
        ("a..b=1", "cannot read the path"),
    ],
)
def test_an_override_is_held_to_the_same_rules(argument, says):
    shown = refused(GOOD, dict([override(argument)]))
    assert says in shown
    assert shown.startswith(f"--set {argument}: ")


def test_a_world_without_a_tick_is_told_as_the_worlds_own_and_not_as_the_runs(monkeypatch):
    """A class that works its tick out of data may come to none; `run.stride` is then not what is wrong."""
    for tick in (math.nan, 0.0, -1.0, math.inf):
        monkeypatch.setattr(Market, "tick", property(lambda _, tick=tick: tick))
        said = refused(GOOD)
        assert f": world.market: Market: its `tick` came to {tick} s" in said
        assert "look at what it is worked out from" in said
        assert "run." not in said


def test_an_override_with_code_in_it_stays_text():
    assert made(overrides=dict([override("title=__import__('os').system('false')")])).title.startswith("__import__")


def test_documents_that_are_not_a_mapping_are_refused():
    assert "a scenario is a mapping" in refused("- 1\n")


WEIRD = [
    None,
    True,
    0,
    -1,
    1e308,
    10**60,
    "",
    "x",
    "3 s",
    [],
    [[]],
    {},
    {"a": {}},
    [None],
    {"market": None},
    [{"echo": {}}],
]


def places(tree, path=()):
    """Every place in a document."""
    yield path
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


def test_nothing_that_stands_anywhere_crashes_the_reader():
    """Every other value of a good document in turn replaced by a weird one: a scenario or a refusal."""
    document = plain(read(GOOD.encode(), "toy.yaml"))
    for n, (*path, last) in enumerate(list(filter(None, places(document)))[::2]):
        changed_one = json.loads(json.dumps(document))
        inside = changed_one
        for key in path:
            inside = inside[key]
        inside[last] = WEIRD[n % len(WEIRD)]
        with contextlib.suppress(ScenarioError):
            build(changed_one, "toy", registry=TOYS)


def test_make_it_yours_names_parameters_of_the_world():
    told = changed("world:", "yours: {impact: the price move per order in your fills}\nworld:")
    assert made(told).resolved["yours"] == {"impact": "the price move per order in your fills"}
    sections = {section.heading: section.rows for section in describe.sections(made(told))}
    assert sections["Make it yours"] == (("impact", "", "the price move per order in your fills", "live"),)
    assert "yours.impcat: unknown parameter `impcat`" in refused(told.replace("yours: {impact", "yours: {impcat"))
