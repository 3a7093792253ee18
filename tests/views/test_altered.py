"""A report does not let a story stand for a run that was played with other values."""

from dataclasses import replace

import simlab
from simlab.scenario.build import rebuild
from simlab.views.altered import FEW, altered


def test_a_run_as_shipped_is_told_as_it_is():
    assert altered(simlab.load("policing")) == ""


def test_other_values_are_named_with_those_that_the_story_is_about():
    said = altered(simlab.load("policing", world__policing__busy_rate=3.0, run__seed=7))
    assert said == ("Told as shipped; in this run world.policing.busy_rate is 3, not 3.68511; run.seed is 7, not 2018.")


def test_of_many_values_the_rest_is_counted():
    names = ("precincts", "busy_rate", "quiet_rate")
    world = {f"world__policing__{name}": value for name, value in zip(names, (7, 3.0, 2.9), strict=True)}
    run = {"run__seed": 7, "run__replications": 3, "run__horizon": "20 day", "run__allow_diverged": 9}
    assert f"; and {len(world | run) - FEW} more." in altered(simlab.load("policing", **world, **run))


def test_a_file_of_ones_own_is_held_against_itself(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(simlab.scenario.load.find("policing").read_text())
    assert altered(simlab.load(mine)) == ""
    assert altered(simlab.load(mine, run__seed=7)).startswith("Told as in mine.yaml; in this run run.seed is 7")
    gone = simlab.load(mine, run__seed=7)
    mine.unlink()
    assert altered(gone) == ""


def test_another_story_is_no_shipped_one():
    assert altered(replace(simlab.load("policing", run__seed=7), story="Mine.")) == ""


def test_claims_over_a_study_need_none_of_it_where_it_is_left_out():
    """A stored document has no studies; a run of such a scenario is opened, and told, all the same."""
    whole = simlab.load("ddos", run__seed=7)
    stored = {key: value for key, value in whole.resolved.items() if key != "studies"}
    assert any(claim.over for claim in rebuild(stored, "ddos").claims)
    assert altered(rebuild(stored, "ddos")).startswith("Told as shipped; in this run run.seed is 7, not ")
