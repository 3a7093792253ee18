"""The verdict speaks from the measured contrasts only; numbers here are put into the summary by hand."""

from dataclasses import replace

import pytest

from simlab.scenario.scenario import Arm
from simlab.views.verdict import cause, causes, claim_counts, controls_line, verdict
from tests.views import fixture

BARE = {"claims": [], "contrasts": [], "arms": {}, "diverged": {}, "failed": {}, "replications": 256}


def harm(shares, intervals, base="isolated"):
    """A summary in which the arms came to harm in these shares, with these intervals of their difference to the first."""
    arms = {arm: {"count": 0, "n": 256, "share": share, "ci95": None} for arm, share in shares.items()}
    rows = [
        {
            "arm": a,
            "versus": base,
            "difference": shares[a] - shares[base],
            "ci95": ci,
            "n": 256,
            "clear": ci is not None and (ci[0] > 0 or ci[1] < 0),
        }
        for a, ci in intervals.items()
    ]
    return BARE | {"harm": {"measure": "drawdown", "above": 0.03, "arms": arms, "contrasts": rows}}


def test_names_the_seam_and_the_numbers():
    said = verdict(
        harm({"isolated": 0.07, "feature_store": 0.41}, {"feature_store": [0.28, 0.40]}),
        fixture.scenario(("isolated", "feature_store")),
    )
    assert (
        said
        == "Sharing the features alone raises P(drawdown > 3%) from 7% (isolated) to 41% (+34 points, 95% interval 28 to 40)."
    )


def test_reverses_when_the_numbers_are_swapped():
    two = fixture.scenario(("isolated", "feature_store"))
    said = verdict(harm({"isolated": 0.41, "feature_store": 0.07}, {"feature_store": [-0.40, -0.28]}), two)
    assert said.startswith(
        "Sharing the features alone lowers P(drawdown > 3%) from 41% (isolated) to 7% "
        "(\N{MINUS SIGN}34 points, 95% interval \N{MINUS SIGN}40 to \N{MINUS SIGN}28)"
    )
    assert "better than the baseline" in said


def test_reverses_when_the_wiring_is_swapped():
    """Replications are dealt by wiring, as a world would: swapping the arms' wiring must turn the sentence round."""
    straight = fixture.scenario(("isolated", "feature_store"))
    one, other = straight.arms
    crossed = replace(
        straight,
        arms=(one._replace(trial=other.trial, wiring=other.wiring), other._replace(trial=one.trial, wiring=one.wiring)),
    )
    said = {}
    for name, made in (("straight", straight), ("crossed", crossed)):
        scales = {arm.name: fixture.SCALES[arm.wiring] for arm in made.arms}
        said[name] = verdict(fixture.record(made, scales=scales).summary, made)
    assert " raises P(drawdown > 3%)" in said["straight"]
    assert " lowers P(drawdown > 3%)" in said["crossed"]
    assert not any("better than the baseline" in each for each in said.values())  # only said of an arm that shares more


def test_arms_of_which_the_same_is_to_be_told_are_told_together():
    """The same level, difference and interval as it is printed; an arm that differs in any of them is told apart."""
    names = ("isolated", "feature_store", "shared_brain", "shared")
    ci = [-1.0, -0.98]
    levels = {"isolated": 1.0, "feature_store": 0.0, "shared_brain": 0.7, "shared": 0.0}
    said = verdict(
        harm(levels, {"feature_store": ci, "shared": ci, "shared_brain": [-0.4, -0.2]}), fixture.scenario(names)
    )
    both = "Sharing the features alone and sharing features, brain and data lower P(drawdown > 3%) from 100% (isolated) to 0%"
    assert said.startswith(
        f"{both} (\N{MINUS SIGN}100 points, joint 95% interval \N{MINUS SIGN}100 to \N{MINUS SIGN}98)"
    )
    assert said.endswith("; sharing brain and data (\N{MINUS SIGN}30 points) also lowers it.")
    apart = verdict(
        harm(levels, {"feature_store": ci, "shared": [-1.0, -0.9], "shared_brain": [-0.4, -0.2]}),
        fixture.scenario(names),
    )
    assert apart.startswith("Sharing the features alone lowers P(drawdown > 3%)")
    assert "sharing features, brain and data (\N{MINUS SIGN}100 points)" in apart


def test_many_arms_of_which_all_the_same_is_to_be_told_are_counted():
    plain = fixture.scenario(("isolated", "feature_store", "shared_brain", "shared"))
    base, other = plain.arms[0], plain.arms[1]
    arms = (base, *(other._replace(name=f"arm{i}", title=f"arm {i}") for i in range(5)))
    levels = {"isolated": 1.0} | {f"arm{i}": 0.0 for i in range(5)}
    many = harm(levels, {f"arm{i}": [-1.0, -0.98] for i in range(5)})
    assert verdict(many, replace(plain, arms=arms)).startswith(
        "Each of the other 5 arms lowers P(drawdown > 3%) from 100% (isolated) to 0% ("
    )
    many["harm"]["contrasts"][4]["clear"] = False
    said = verdict(many, replace(plain, arms=arms))
    assert said.startswith("“arm 0”, “arm 1” and 2 more lower P(drawdown > 3%)")
    assert said.endswith("; “arm 4”: no difference found.")


def test_equal_arms_give_no_difference_found():
    two = fixture.scenario(("isolated", "shared_brain"))
    said = verdict(fixture.record(two, scales={"isolated": 0.02, "shared_brain": 0.02}).summary, two)
    assert said.startswith("No difference found: P(drawdown > 3%) is ")
    assert "(its difference, 0 points, 95% interval " in said


def test_equally_frequent_harm_may_cost_more():
    """Where harm comes as often, its cost is told if it differs."""
    two = fixture.scenario(("isolated", "shared"))
    same = harm({"isolated": 1.0, "shared": 1.0}, {"shared": [-0.01, 0.01]})
    row = {"measure": "loss", "arm": "shared", "versus": "isolated", "mean_difference": 5.0, "ci95": [4.0, 6.0]}
    levels = {"isolated": {"loss": {"mean": 15.0}}, "shared": {"loss": {"mean": 20.0}}}
    said = verdict(same | {"arms": levels, "contrasts": [row | {"clear": True}]}, two)
    assert said.endswith(
        "; but mean loss is 15 USD in “isolated” and 20 USD in “all shared” (+5 USD, 95% interval 4 to 6)."
    )
    assert "but" not in verdict(same | {"arms": levels, "contrasts": [row | {"clear": False}]}, two)


def test_arms_that_are_no_different_but_in_the_cost_of_harm_are_listed_with_it():
    """An arm that comes to harm as often is not called alike where what harm costs differs."""
    shares = {"isolated": 0.07, "feature_store": 0.41, "shared_brain": 0.08, "shared": 0.07}
    ci = {"feature_store": [0.28, 0.4], "shared_brain": [-0.02, 0.04], "shared": [-0.02, 0.02]}
    row = {"measure": "loss", "arm": "shared", "versus": "isolated", "mean_difference": 5.0, "ci95": [4.0, 6.0]}
    found = harm(shares, ci)
    said = verdict(found | {"contrasts": [row | {"clear": True}]}, fixture.scenario())
    assert said.endswith(
        "; sharing brain and data: no difference found; only in mean loss: sharing features, brain and data (+5 USD)."
    )
    alone = fixture.scenario(("isolated", "feature_store", "shared"))
    assert verdict(found | {"contrasts": [row | {"clear": True}]}, alone).endswith(
        "; no difference found in that, but in mean loss: sharing features, brain and data (+5 USD)."
    )
    plain = verdict(found | {"contrasts": [row | {"clear": False}]}, fixture.scenario())
    assert plain.endswith("; sharing brain and data and sharing features, brain and data: no difference found.")


@pytest.mark.parametrize(
    ("share", "says"),
    [
        (0.0, "No harm in any arm: P(drawdown > 3%) is 0%, in 256 replications of each."),
        (1.0, "Harm in every replication of every arm: P(drawdown > 3%) is 100%, in 256 replications of each."),
    ],
)
def test_where_harm_never_or_always_comes_this_is_said(share, says):
    three = fixture.scenario(("isolated", "feature_store", "shared"))
    ci = {"feature_store": [-0.01, 0.01], "shared": [-0.01, 0.01]}
    assert verdict(harm(dict.fromkeys(("isolated", *ci), share), ci), three) == says
    mixed = {"isolated": share, "feature_store": share, "shared": 0.01}
    assert verdict(harm(mixed, ci), three).startswith("No difference found")


def test_an_interval_that_holds_0_is_no_difference():
    two = fixture.scenario(("isolated", "shared"))
    assert verdict(harm({"isolated": 0.07, "shared": 0.09}, {"shared": [-0.01, 0.05]}), two).startswith(
        "No difference found"
    )


def test_says_which_seam_did_it():
    shares = {"isolated": 0.07, "feature_store": 0.41, "shared_brain": 0.08, "shared": 0.43}
    said = verdict(
        harm(shares, {"feature_store": [0.28, 0.4], "shared_brain": [-0.02, 0.04], "shared": [0.3, 0.42]}),
        fixture.scenario(),
    )
    assert said == (
        "Sharing features, brain and data raises P(drawdown > 3%) from 7% (isolated) to 43% (+36 points, joint 95% interval 30 to 42); "
        "sharing the features alone (+34 points) also raises it; sharing brain and data: no difference found."
    )


def test_arms_that_go_opposite_ways():
    shares = {"isolated": 0.2, "feature_store": 0.5, "shared_brain": 0.1}
    said = verdict(
        harm(shares, {"feature_store": [0.2, 0.4], "shared_brain": [-0.15, -0.05]}),
        fixture.scenario(("isolated", "feature_store", "shared_brain")),
    )
    assert "to 50%" in said
    assert said.endswith("sharing brain and data (\N{MINUS SIGN}10 points) lowers it.")


def test_too_few_replications_for_an_interval():
    two = fixture.scenario(("isolated", "feature_store"))
    said = verdict(fixture.record(two, n=12).summary, two)
    assert said.startswith("12 replications, too few for an interval (at least 30 are needed): P(drawdown > 3%) was ")


def test_without_harm_it_speaks_of_the_mean():
    two = replace(fixture.scenario(("isolated", "feature_store")), harm=None)
    rows = [
        {
            "measure": "drawdown",
            "arm": "feature_store",
            "versus": "isolated",
            "mean_difference": 0.02,
            "ci95": [0.01, 0.03],
            "clear": True,
            "n": 256,
        }
    ]
    levels = {"isolated": {"drawdown": {"mean": 0.01}}, "feature_store": {"drawdown": {"mean": 0.03}}}
    said = verdict(BARE | {"arms": levels, "contrasts": rows, "harm": None}, two)
    assert (
        said
        == "Sharing the features alone raises the mean drawdown from 0.01 (isolated) to 0.03 (+0.02, 95% interval 0.01 to 0.03)."
    )


def test_counts_what_was_lost():
    two = fixture.scenario(("isolated", "feature_store"))
    lost = {"diverged": {"isolated": 2, "feature_store": 1}, "failed": {"feature_store": 1}}
    said = verdict(harm({"isolated": 0.07, "feature_store": 0.41}, {"feature_store": [0.28, 0.40]}) | lost, two)
    assert said.endswith("(3 replications diverged and 1 replication failed).")


@pytest.mark.parametrize(
    ("shares", "start"),
    [({"isolated": None}, "No verdict"), ({"isolated": 0.1}, "P(drawdown > 3%) is 10% in “isolated”")],
)
def test_one_arm_or_nothing_to_say(shares, start):
    arms = {arm: {"share": share, "ci95": None} for arm, share in shares.items()}
    assert verdict(BARE | {"harm": {"arms": arms, "contrasts": []}}, fixture.scenario(("isolated",))).startswith(start)


def test_only_a_difference_of_wiring_alone_is_put_down_to_a_seam():
    base = Arm("isolated", "isolated", "isolated", fixture.trial())
    both = Arm("x", "shared, with a switch", "shared", fixture.killed(fixture.trial("shared")))
    blocks = Arm("b", "blocks", "bulkheads(4)", fixture.trial("bulkheads(4)"))
    assert cause(both, base) == "“shared, with a switch”"
    assert cause(blocks, base) == "sharing features, brain and data"
    assert cause(base, blocks) == "“isolated”"


def test_arms_that_share_the_same_to_different_degrees_are_told_apart_by_their_titles():
    """Blocks and one for all both share features and brain; features alone is said of one arm only."""
    one, blocks, features = (
        Arm(name, title, wiring, fixture.trial(wiring))
        for name, title, wiring in (
            ("one", "one model", "shared"),
            ("blocks", "four models", "bulkheads(4)"),
            ("features", "one store", "feature_store"),
        )
    )
    scenario = fixture.scenario(("isolated",))
    scenario = replace(scenario, arms=(*scenario.arms, one, blocks, features))
    assert causes(scenario) == {
        "one": "“one model”",
        "blocks": "“four models”",
        "features": "sharing the features alone",
    }


def under(levels, vanishes=()):
    struck = {c: {arm: {"share": x} for arm, x in arms.items()} for c, arms in levels.items()}
    controls = {c: {"vanishes": [{"measure": m, "holds": h} for m, h in vanishes]} for c in levels}
    return BARE | {"harm": {"arms": {}, "contrasts": [], "controls": struck}, "controls": controls}


@pytest.mark.parametrize(
    ("shares", "vanishes", "said"),
    [
        ((0.0, 0.0), (), "0% in every arm."),
        ((0.02, 0.1), (("loss", True),), "still 2% to 10%, by arm."),
        ((0.0, None), (), "0% where it is defined."),
        ((None, None), (), "undefined."),
        (
            (0.1, 0.1),
            (("net_loss", False), ("a", False), ("b", None)),
            "10% in every arm, but net loss and a do not vanish.",
        ),
    ],
)
def test_the_line_of_the_controls(shares, vanishes, said):
    two = fixture.scenario(("isolated", "feature_store"))
    levels = dict(zip(("isolated", "feature_store"), shares, strict=True))
    line = controls_line(under({"feedback_off": levels}, vanishes), two)
    assert line == f"Compare the controls: with “feedback off”, P(drawdown > 3%) is {said}"


def test_without_controls_there_is_no_such_line():
    assert controls_line(BARE, replace(fixture.scenario(("isolated",)), controls=())) == ""


def test_claims_are_counted_by_what_was_expected():
    rows = [
        {"holds": h, "expect": e}
        for h, e in ((True, True), (False, True), (None, True), (False, False), (True, False), (None, False))
    ]
    assert claim_counts(rows) == {"holds": 1, "contradicted": 2, "undecided": 2, "refuted, as expected": 1}
