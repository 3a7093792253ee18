"""A factorial design becomes arms at the door: every combination that the world and its learners can play and tell apart."""

import json

import pytest

from simlab.brains.topology import wire
from simlab.scenario.build import build
from simlab.scenario.describe import sections
from simlab.scenario.factorial import expand, name_of, title_of
from simlab.scenario.problems import ScenarioError
from tests.scenario.test_build import made, refused
from tests.scenario.toys import GOOD, TOYS

ARMS = GOOD[GOOD.index("arms:\n") : GOOD.index("controls:\n")]
NOTHING = "controls: {feedback_off: {}, no_stressor: {}}\n"


def text(design, world="{}", brain="{echo: {}}", arms="", claims="", every="10 min"):
    return f"""\
schema: 1
title: A toy market
world: {{market: {world}}}
brain: {brain}
schedule: {{every: {every}}}
run: {{replications: 4, horizon: 30 min, seed: 7}}
shocks: {{outage: {{brain: down, start: 5 min, duration: 1 min}}}}
factorial: {design}
{arms}{NOTHING}{claims}"""


def arms_of(*given, **more):
    return {arm.name: arm for arm in made(text(*given, **more)).arms}


def test_every_combination_is_an_arm_with_its_wiring():
    found = arms_of("{brain: [own, one], features: [own, one]}")
    presets = ("isolated", "feature_store", "shared_brain", "shared")  # data go to the brain that answers
    names = ("brain_own__features_own", "brain_own__features_one", "brain_one__features_own", "brain_one__features_one")
    assert {name: arm.trial.topology for name, arm in found.items()} == {
        name: wire(preset, 8) for name, preset in zip(names, presets, strict=True)
    }
    assert found["brain_one__features_own"].title == "one brain, own features"
    assert made(text("{brain: [own, one], features: [own, one]}")).factorial.levels["brain_one__features_own"] == {
        "brain": "one",
        "features": "own",
    }


def test_data_are_a_seam_of_their_own():
    found = arms_of("{brain: [own, one], data: [own, one]}")
    assert found["brain_own__data_one"].trial.topology == wire("shared_data", 8)
    alone = found["brain_one__data_own"]
    assert (alone.trial.topology.data_of, alone.trial.topology.taught_by) == (tuple(range(8)), (0,))
    assert alone.title == "one brain, the first model's data"  # it is taught by no more than that


def test_blocks_schedules_and_kinds():
    found = arms_of(
        "{brain: [own, blocks(2)], kind: [same, mixed], schedule: [synchronised, staggered(2), random(0.5)]}",
        brain="[{echo: {}}, {echo: {gain: 2}}]",
    )
    assert len(found) == 10  # of twelve; two brains are one group of two
    assert found["brain_blocks_2__kind_mixed__schedule_sync"].trial.topology.brain_of == (0, 0, 0, 0, 1, 1, 1, 1)
    assert found["brain_blocks_2__kind_mixed__schedule_sync"].trial.topology.kind_of == (0, 1)
    assert set(found["brain_own__kind_same__schedule_random_0_5"].trial.topology.kind_of) == {0}
    assert found["brain_own__kind_same__schedule_random_0_5"].trial.schedule.chance == 0.5
    dropped = made(
        text("{brain: [own, blocks(2)], schedule: [synchronised, staggered(2)]}")
    ).factorial.dropped  # two brains are one group of two
    assert dropped == (
        ({"brain": "blocks(2)", "schedule": "staggered(2)"}, "plays as `brain_blocks_2__schedule_sync`: there is but one group to retrain"),
    )  # fmt: skip


def test_reading_each_other_is_a_seam():
    scenario = made(text("{features: [own, one], reading: [nobody, chain]}"))
    found = {arm.name: arm for arm in scenario.arms}
    assert found["features_own__reading_nobody"].trial.topology == wire("isolated", 8)
    assert found["features_own__reading_chain"].trial.topology == wire("chain", 8)
    assert found["features_one__reading_chain"].trial.topology.reads == wire("chain", 8).reads
    assert found["features_one__reading_chain"].title == "shared features, chained"


def test_with_holds_for_all_arms():
    found = arms_of(
        "{brain: [own, one], with: {shocks: [], interventions: [damp], set: {world.market.traders: 4}, brain: {echo: {gain: 3}}}}"
    )
    for arm in found.values():
        assert arm.trial.shocks == ()
        assert [hand.name for hand in arm.trial.hands] == ["damp"]
        assert arm.trial.topology.models == 4
        assert arm.trial.brains[0].gain == 3
    assert len(arms_of("{brain: [own, one]}")["brain_own"].trial.shocks) == 1


@pytest.mark.parametrize(
    ("design", "more", "left", "why"),
    [
        ("{brain: [own, one], features: [own, one]}", {"world": "{own_views: false}"}, 2, "this world shows all models one view"),
        ("{brain: [own, one], data: [own, one]}", {"brain": "{quick: {}}"}, 2, "cannot be played: brain Quick learns"),
        ("{brain: [own, one], kind: [same, mixed]}", {}, 2, "there is one kind of brain"),
        ("{brain: [own, one], kind: [same, mixed]}", {"brain": "[{echo: {}}, {echo: {gain: 2}}]"}, 3, "one brain is of one kind"),
        ("{brain: [own, one], schedule: [synchronised, random(0.5)]}", {"every": "0 s"}, 2, "there is no retraining"),
        ("{brain: [own, one], schedule: [synchronised, random(0.5)]}", {"brain": "{quick: {}}"}, 2, "are never retrained"),
        ("{brain: [own, blocks(8), one, blocks(1)]}", {}, 2, "they differ in nothing that this world can tell apart"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_or_told_apart_is_left_out_and_said(design, more, left, why):
    scenario = made(text(design, **more))
    assert len(scenario.arms) == left
    assert all(why in said for _, said in scenario.factorial.dropped)
    assert set(scenario.factorial.levels) == {arm.name for arm in scenario.arms}
    rows = next(rows for heading, _, _, rows in sections(scenario) if heading == "Left out")
    assert why in rows[0][1]


def test_other_arms_may_stand_beside_it_and_claims_name_both():
    extra = "arms: {brain_one: {title: The vendor}, pooled: {topology: shared_data}}\n"
    claims = "claims: [{measure: drawdown, order: [brain_own, pooled, brain_one], because: x}]\n"
    scenario = made(text("{brain: [own, one]}", arms=extra, claims=claims))
    assert [(arm.name, arm.title) for arm in scenario.arms] == [
        ("brain_own", "own brain"),
        ("brain_one", "The vendor"),
        ("pooled", "pooled"),
    ]
    assert "pooled" not in scenario.factorial.levels
    assert [arm.name for arm in scenario.controls[0].arms] == ["brain_own", "brain_one", "pooled"]


def test_the_resolved_document_gives_an_equal_scenario():
    extra = "arms: {brain_one__features_own: {title: The vendor}, pooled: {topology: shared_data}}\n"
    scenario = made(text("{brain: [own, one], features: [own, one], with: {shocks: []}}", arms=extra))
    again = build(json.loads(json.dumps(scenario.resolved)), "toy", "toy.yaml", registry=TOYS)
    assert again == scenario
    assert again.resolved == scenario.resolved


def test_a_scenario_without_one_is_stored_as_before():
    assert "factorial" not in made().resolved
    assert made().factorial is None


def test_long_names_are_short_in_the_whole_design():
    design = "{brain: [own, one], features: [own, one], data: [own, one], schedule: [synchronised, random(0.5)], kind: [same, mixed]}"
    names = list(arms_of(design, brain="[{echo: {}}, {echo: {gain: 2}}]"))
    assert names[0] == "b_own__f_own__d_own__s_sync__k_same"
    assert all(name.startswith("b_") and len(name) <= 60 for name in names)
    assert name_of({"brain": "one", "schedule": "staggered(4)"}) == "brain_one__schedule_staggered_4"
    assert title_of({"brain": "one", "features": "own", "data": "one"}) == "one brain, own features, pooled data"


BAD = [
    ("{brian: [own, one]}", "8:13: factorial.brian: unknown seam", "did you mean `brain`?"),
    ("{brain: [own, onne]}", "8:26: factorial.brain.1: unknown level `onne`", "did you mean `one`?"),
    ("{brain: [own, own]}", "8:26: factorial.brain.1: level `own` is there twice", "remove one of them"),
    ("{brain: [own]}", "8:1: factorial: expected a seam with two levels", "write e.g. `{brain: [own, one]}`"),
    ("{brain: own}", 'factorial.brain: expected a list, not the text "own"', ""),
    ("{brain: [own, 1]}", "factorial.brain.1: expected text, not 1", ""),
    ("{brain: []}", "factorial.brain: expected at least one level", "write e.g. `[own, one]`"),
    ("{schedule: [synchronised, stagered(2)]}", "8:38: factorial.schedule.1: unknown schedule `stagered`", "did you mean `staggered`?"),
    ("{kind: [same, blocks(2)]}", "factorial.kind.1: unknown level `blocks(2)`", "known: mixed, same"),
    ("{brain: [own, one], with: {topology: shared}}", "8:39: factorial.with.topology: unknown key", ""),
    ("{brain: [own, one], with: {interventions: [dmp]}}", "unknown intervention `dmp`", "did you mean `damp`?"),
    ("{brain: [own, one], with: {shocks: [outag]}}", "8:48: factorial.with.shocks.0: unknown shock `outag`", "did you mean `outage`?"),
    ("{features: [own, one]}", "8:1: factorial: fewer than two combinations are left", "this world shows all models one view"),
    ("{brain: [blocks(1), blocks(2), blocks(3), blocks(4), own, one, blocks(5), blocks(6), blocks(7)], "
     "features: [blocks(1), blocks(2), blocks(3), blocks(4), own, one, blocks(5), blocks(6)]}",
     "8:1: factorial: 72 combinations; at most 64", "leave out a seam"),
    ("[own]", "factorial: expected a mapping, not a list", ""),
]  # fmt: skip


@pytest.mark.parametrize(("design", "says", "hint"), BAD, ids=[design[:30] for design, _, _ in BAD])
def test_what_is_wrong_is_said_with_its_place(design, says, hint):
    shown = refused(text(design, world="{own_views: false}"))
    assert says in shown
    assert hint in shown
    assert "1 problem; nothing was run" in shown


def test_a_faulty_design_does_not_make_its_arms_unknown():
    claims = "claims: [{measure: drawdown, arm: brain_own, above: 0, because: x}]\n"
    assert refused(text("{brain: [own, onne]}", claims=claims)).endswith("1 problem; nothing was run")
    assert refused(text("{brain: [own, one]}", world="{pose: 1 s}", claims=claims)).endswith(
        "1 problem; nothing was run"
    )


def test_the_name_of_a_combination_is_taken():
    shown = refused(text("{brain: [own, one]}", arms="arms: {brain_one: {topology: isolated}}\n"))
    assert "9:8: arms.brain_one: does not play as its name says" in shown
    assert "it stands for brain one; choose another name, or give it a title only" in shown
    assert "arms.brain_one.title: expected text" in refused(
        text("{brain: [own, one]}", arms="arms: {brain_one: {title: 3}}\n")
    )
    same = made(text("{brain: [own, one]}", arms="arms: {brain_one: {title: Same, topology: shared_brain}}\n"))
    assert [arm.title for arm in same.arms] == ["own brain", "Same"]


def test_one_of_arms_and_factorial_is_needed():
    shown = refused(text("{}").replace("factorial: {}\n", ""))
    assert "arms: missing; the set-ups that are compared" in shown
    assert "1 problem" in refused(
        GOOD.replace("arms:\n", "armes:\n").replace(ARMS[6:], "  one: {}\n").partition("scoreboard:")[0]
    )


def test_expand_puts_a_design_in_the_place_of_the_arms():
    document = made().resolved
    expanded = build(expand(document, {"brain": ["own", "one"]}), "toy", registry=TOYS)
    assert [arm.name for arm in expanded.arms] == ["brain_own", "brain_one"]
    assert (expanded.claims, expanded.scoreboard) == ((), ())
    assert len(expanded.controls) == 3
    with pytest.raises(ScenarioError, match=r"factorial\.brain\.1: unknown level `onne`"):
        build(expand(document, {"brain": ["own", "onne"]}), "toy", registry=TOYS)
