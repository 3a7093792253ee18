"""Which changes are proposed, in which order, and that their numbers are those of the changed architecture."""

import json

import pytest

from simlab.scenario.architecture import load
from simlab.studies import mending
from simlab.studies.audit import LEAST, Risks, audit, document, risks
from simlab.studies.mending import changes, split, staggered
from simlab.studies.timetable import timetable
from simlab.studies.together import together
from tests.studies.architectures import made, random_one, star


def kinds(found):
    return [mend.change.kind for mend in found.mends]


def test_the_only_shared_part_is_split_first_where_it_dominates():
    """Six models on one store: in two, two models are on the same copy with probability 2/5."""
    p, q = 0.05, 0.001
    found = audit(star(6, p, q))
    first = found.mends[0]
    assert (first.change.kind, first.change.words) == ("split", "split store `s` into 2 for the 6 parts that need it")
    both = (p + (1 - p) * q) ** 2
    assert found.risks.together == pytest.approx(p + (1 - p) * q**2)
    assert first.risks.together == pytest.approx(2 / 5 * (p + (1 - p) * q**2) + 3 / 5 * both)
    assert (found.risks.blast, first.risks.blast) == (1, 1 / 2)
    each = next(
        mend for mend in found.mends if mend.change.words == "split store `s` into 6 for the 6 parts that need it"
    )
    assert (each.change.cost, each.risks.blast) == (5, pytest.approx(1 / 6))
    assert each.risks.together == pytest.approx(both)


def test_a_loop_that_runs_away_is_damped_first():
    found = audit(
        made(
            "sources: {a_log: {fails: 0, shaped_by: {a: 3}}, b_log: {fails: 0}}\n"
            "models: {a: {reads: [a_log], fails: 0}, b: {reads: [b_log], fails: 0}}\nlimits: {blast: 1}"
        )
    )
    assert found.runs_away
    assert kinds(found)[0] == "firewall"
    assert found.mends[0].risks.loop == pytest.approx(1.5)
    holdout = next(mend for mend in found.mends if mend.change.kind == "holdout")
    assert holdout.risks.loop == pytest.approx(2.7)


def test_retrainings_at_midnight_are_staggered_first():
    models = ", ".join(f"m{i}: {{fails: 0, retrain: {{every: 1 day, busy: 1 h}}}}" for i in range(4))
    found = audit(made(f"models: {{{models}}}"))
    assert kinds(found)[0] == "stagger"
    assert (found.risks.retraining, found.mends[0].risks.retraining) == (1, 1 / 4)


def test_a_shared_brain_is_answered_by_a_brain_of_ones_own():
    found = audit(
        made(
            "brains: {b: {fails: 0.2}}\nmodels: {m: {brain: b, fails: 0}, n: {brain: b, fails: 0}}\ncosts: {fallback: 9}"
        )
    )
    first = found.mends[0]
    assert first.change.words == "give `m` a brain of its own instead of `b`"
    assert (found.risks.together, first.risks.together) == (pytest.approx(0.2), pytest.approx(0.04))
    assert first.change.after.part("m_brain").fails == 0.2


def test_a_single_model_needs_a_rule():
    found = audit(made("models: {m: {fails: 0.1}}"))
    assert kinds(found) == ["fallback"]
    assert (found.risks.blast, found.mends[0].risks.blast) == (1, 0)
    assert together(found.mends[0].change.after).models["m"] == pytest.approx(0.1 * 0.001)


def test_costs_decide_between_equals():
    cheap = audit(star(4, 0.05, 0.01, "costs: {split: 0.01}\n"))
    dear = audit(star(4, 0.05, 0.01, "costs: {split: 100}\n"))
    assert kinds(cheap)[0] == "split"
    assert kinds(dear)[0] == "fallback"


@pytest.mark.parametrize("seed", [1, 4])
def test_every_number_is_that_of_the_changed_architecture(seed):
    architecture = random_one(seed, models=3)
    found = audit(architecture)
    before = risks(architecture).score(architecture.limits)
    assert found.mends
    for mend in found.mends:
        after = risks(mend.change.after)
        assert mend.risks == after
        assert mend.better == pytest.approx(before - after.score(architecture.limits))
        assert mend.better > LEAST
        assert mend.per_cost == pytest.approx(mend.better / mend.change.cost)
    gains = [mend.per_cost for mend in found.mends]
    assert gains == sorted(gains, reverse=True)
    helps = {mend.change.words for mend in found.mends}
    for change in changes(architecture):
        assert (before - risks(change.after).score(architecture.limits) > LEAST) == (change.words in helps)


def test_the_plan_takes_the_best_and_looks_again():
    found = audit(load("shop"))
    assert found.plan[0] == found.mends[0]
    assert 1 <= len(found.plan) <= 3
    scores = [found.score, *(mend.score for mend in found.plan)]
    assert scores == sorted(scores, reverse=True)
    again = audit(found.plan[0].change.after)
    assert again.mends[0].change.words == found.plan[1].change.words
    assert again.mends[0].score == pytest.approx(found.plan[1].score)


def test_a_split_deals_out_traffic_and_keeps_everything_else():
    before = made(
        "sources: {d: {shaped_by: {a: 0.3}}}\nstores: {s: {from: [d], fails: 0.5}}\n"
        "models: {a: {reads: [s], traffic: 5}, b: {reads: [s], traffic: 3}, c: {reads: [s], traffic: 2}}"
    )
    after = split(before, "s", 2)
    reads = {link.target: link.source for link in after.links if link.how == "reads"}
    assert reads["b"] == reads["c"] != reads["a"]
    assert {link.source for link in after.links if link.how == "from"} == {"d"}
    assert {(part.name, part.fails) for part in after.of("store")} == {("s_1", 0.5), ("s_2", 0.5)}
    twice = split(after, "d", 2)
    assert {(link.source, link.target) for link in twice.links if link.how == "shaped_by"} == {
        ("a", "d_1"),
        ("a", "d_2"),
    }
    assert {link.source for link in twice.links if link.how == "from"} == {"d_1", "d_2"}
    assert risks(twice).loop == pytest.approx(0.3)  # a copy is shaped by whoever shaped the part


def test_a_staggered_timetable_meets_nowhere_if_it_fits():
    jobs = [("1 day", "2 h"), ("1 day", "3 h"), ("1 week", "6 h"), ("2 day", "30 min")]
    models = ", ".join(f"m{i}: {{retrain: {{every: {e}, busy: {b}}}}}" for i, (e, b) in enumerate(jobs))
    before, after = made(f"models: {{{models}}}"), staggered(made(f"models: {{{models}}}"))
    assert timetable(before).most == 4
    assert (timetable(after).most, timetable(after).share) == (1, 0)
    assert [part.rhythm.every for part in after.parts] == [part.rhythm.every for part in before.parts]


def test_no_more_changes_are_looked_at_than_said(monkeypatch):
    monkeypatch.setattr(mending, "MOST_CHANGES", 5)
    assert len(changes(load("shop"))) == 5


def test_the_same_file_gives_the_same_numbers():
    assert document(audit(load("shop"))) == document(audit(load("shop")))


def test_the_mended_shop_is_better_in_every_way():
    before, after = audit(load("shop")), audit(load("shop_mended"))
    assert before.alarming
    assert before.runs_away
    assert not after.alarming
    assert all(a < b for a, b in zip(after.risks, before.risks, strict=True))
    assert all(share < 1 for share in after.risks.shares(after.architecture.limits))


def test_the_document_is_plain_data():
    found = document(audit(load("shop")))
    assert json.loads(json.dumps(found, allow_nan=False))["score"] == found["score"]
    assert set(found["risks"]) == set(Risks._fields)
    assert found["score"] == pytest.approx(sum(one["value"] / one["limit"] for one in found["risks"].values()))
    assert found["single_points_of_failure"][0] == "clicks"
    assert found["together"]["as_wired"].keys() == {"any", "half", "all", "two"}
