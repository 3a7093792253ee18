"""The 3 AM drill: what it is to play, and what its score says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.workshop.debrief import command, compose, verdict, write
from simlab.workshop.drill import VERBS, Drill, clock, played
from simlab.workshop.night import Deed, Night
from simlab.workshop.symptoms import ACTS, COSTS, PREDICTIONS, SYMPTOMS, USERS, Cause, Staging

# The cause under which the first of the playbook's lines that does anything is worse than doing nothing.
WORSE = {"predictions": "moved", "together": "reversed", "costs": "lost", "users": "push"}
LINES = "look\nnote is it <b>us</b>?\ngraph\nyesterday\nkill 0 2-3\nwait 1200\nrestore\nhuman\n"


def cause_of(staging: Staging, name: str) -> Cause:
    return next(cause for cause in staging.causes if cause.name == name)


def surely_above(difference: np.ndarray) -> bool:
    """Whether a mean lies above 0 by more than 4 standard errors."""
    return bool(difference.mean() > 4 * difference.std(ddof=1) / np.sqrt(len(difference)) > 0)


def test_each_symptom_is_staged_in_a_world_of_its_own_with_three_causes() -> None:
    assert len(SYMPTOMS) == len({one.scenario for one in SYMPTOMS}) == 4
    assert sum(len(one.lines) for one in SYMPTOMS) == 12
    for one in SYMPTOMS:
        assert len({cause.name for cause in one.causes}) == len(one.causes) >= 3
        assert set(one.on_all) == set(ACTS)
        assert one.first_act.verb in ACTS
        measures = Night(one, one.causes[0], 1, one.start).trial.measures
        assert {one.cost, one.alert, *one.shown} <= set(measures)
        assert {line.reading.measure for line in one.lines if line.reading} <= set(measures)


@pytest.mark.parametrize("staging", SYMPTOMS, ids=lambda one: one.key)
def test_seeds_meet_every_cause_and_nothing_tells_which(staging: Staging) -> None:
    drills = [Drill(seed, staging.key) for seed in range(40)]
    assert {drill.cause.name for drill in drills} == {cause.name for cause in staging.causes}
    assert {drill.night.begins for drill in drills} == {staging.start + i * staging.look for i in range(4)}
    assert {SYMPTOMS[seed % 4].key for seed in range(4)} == {Drill(seed).staging.key for seed in range(4)}


@pytest.mark.parametrize("staging", SYMPTOMS, ids=lambda one: one.key)
def test_the_playbooks_first_action_is_worse_than_nothing_under_one_cause(staging: Staging) -> None:
    night = Night(staging, cause_of(staging, WORSE[staging.key]), 3, staging.start)
    first = night.harm((night.earliest(staging.first_act.verb or ""),))
    assert surely_above(first - night.harm())


def test_the_players_night_is_the_first_of_all_nights() -> None:
    drill = played("human\n", 3, nights=2)
    alone, among = drill.night.own(drill.deeds), drill.night.played(tuple(drill.deeds))
    for name in drill.staging.shown:
        assert (alone.series[name][:, 0] == among.series[name][:, 0]).all()


def test_nothing_that_is_seen_comes_from_later() -> None:
    """Whoever acts later saw the same before; and what was seen is not what would have come without acting."""
    waits = Drill(3)
    before = [waits.look(), waits.yesterday(), waits.graph()]
    acts = Drill(3)
    assert [acts.look(), acts.yesterday(), acts.graph()] == before
    acts.kill()
    for drill in (acts, waits):
        drill.wait(drill.night.paged + 8 * drill.staging.look - drill.now)
    assert acts.now == waits.now
    assert acts.look() != waits.look()


def test_every_verb_costs_what_it_says() -> None:
    drill = Drill(3)
    for verb in ("look", "yesterday", "graph", *ACTS):
        began = drill.now
        drill.do(verb)
        assert drill.now - began == drill.staging.takes(verb)
    began = drill.now
    drill.note("takes no time")
    assert drill.now == began
    drill.wait(1e300)
    assert drill.now == drill.staging.horizon
    assert drill.over
    assert drill.look() == "the drill is over"
    assert [deed.at for deed in drill.deeds] == sorted(deed.at for deed in drill.deeds)


def test_an_action_that_would_come_too_late_is_none() -> None:
    drill = Drill(3)
    drill.wait(drill.staging.horizon - drill.now - drill.staging.look)
    assert "too late" in drill.human()
    assert drill.deeds == []


@pytest.mark.parametrize(("key", "seed"), [("predictions", 1), ("users", 1), ("users", 2), ("users", 3)])
def test_the_oracle_is_at_least_as_good_as_every_verb(key: str, seed: int) -> None:
    """Nothing scores 0 and the oracle's own action 1, exactly: they are the same runs."""
    drill = Drill(seed, key, nights=2)
    score = drill.score()
    assert score.you == score.nothing
    assert score.avoided in (None, 0.0)
    assert score.oracle == min(harm[0] for harm in drill.night.table.values())
    assert score.all_oracle == min(harm.mean() for harm in drill.night.table.values())
    if score.best != "nothing":
        best = played(f"{score.best}\n", seed, key, nights=2)
        assert best.score().avoided == 1.0


def test_a_cause_in_some_models_has_options_on_these_and_on_the_others() -> None:
    night = Night(USERS, cause_of(USERS, "push"), 3, USERS.start)
    assert {"kill 2", "kill 0-1 3", "kill"} <= set(night.options)
    mean = {name: harm.mean() for name, harm in night.table.items()}
    assert min(mean, key=lambda name: mean[name]) == "kill 2"  # three that are right serve better than a rule at random


def test_killed_gateways_give_up_what_gets_lost() -> None:
    """Algebra: with no second attempts a quarter of 60 requests a second is given up, a timeout of a second later."""
    night = Night(COSTS, cause_of(COSTS, "lost"), 3, COSTS.start)
    harm, deed = night.harm((night.earliest("kill"),)), night.earliest("kill")
    expected = 0.25 * 60 * (COSTS.horizon - deed.at)
    before = night.lost(night.played((deed,)))[night.row(deed.at)]
    error = 4 * harm.std(ddof=1) / np.sqrt(len(harm))
    assert abs((harm - before).mean() - expected) < error + 0.25 * 60 * 1.0


def test_killed_models_leave_agents_to_what_they_believe() -> None:
    """Algebra: acts of variance 1 about 0, held against a fundamental of 2 and a little weather, lose 1 + 4 + 0.2^2."""
    night = Night(PREDICTIONS, cause_of(PREDICTIONS, "moved"), 3, PREDICTIONS.start)
    deed = night.earliest("kill")
    lost = night.lost(night.played((deed,)))
    gone = lost[-1] - lost[night.row(deed.at)]
    rate = gone * (PREDICTIONS.horizon - night.paged) / (PREDICTIONS.horizon - deed.at)
    assert abs(rate.mean() - 5.04) < 4 * rate.std(ddof=1) / np.sqrt(len(rate))


def test_harm_begins_with_the_page_and_is_the_same_before_whatever_is_done() -> None:
    night = Night(USERS, USERS.causes[0], 3, USERS.start)
    lost = night.lost(night.played())
    assert (lost[: night.row(night.paged) + 1] == 0).all()
    deed = Deed("kill", night.paged + 20 * USERS.look)
    until = night.row(deed.at) + 1
    assert (night.lost(night.played((deed,)))[:until] == lost[:until]).all()


def test_what_is_taken_back_is_off_again() -> None:
    drill = played("kill\nwait 3000\nrestore\n", 3, nights=2)
    (deed,) = drill.deeds
    assert deed.until == drill.now
    killed = played("kill\n", 3, nights=2)
    assert drill.score().you != killed.score().you
    assert "nothing was on" in drill.restore()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("kil", "did you mean `kill`"),
        ("route rules", "did you mean `route-rules`"),
        ("look 3", "takes nothing after it"),
        ("kill 4", "models are numbered 0 to 3"),
        ("kill 0-999999999999", "models are numbered 0 to 3"),
        ("kill 3-1", "names none"),
        ("kill -1", "cannot read models"),
        ("kill two", "cannot read models"),
        ("wait", "cannot wait"),
        ("wait -3", "cannot wait"),
        ("wait nan", "cannot wait"),
        ("wait 5 s", "cannot wait"),
        ("", "unknown verb"),
    ],
)
def test_a_line_that_cannot_be_read_costs_nothing(line: str, says: str) -> None:
    drill = Drill(3)
    began = drill.now
    with pytest.raises(InputError, match=says):
        drill.do(line)
    assert drill.now == began
    assert drill.log == []


def test_all_problems_of_a_script_are_said_with_their_lines() -> None:
    with pytest.raises(InputError) as caught:
        played("look\n\n# a remark\nkil\nwait x\n", 3, where="mine.txt")
    told = str(caught.value).splitlines()
    assert told[0].startswith("mine.txt:4: unknown verb `kil`; did you mean `kill`?")
    assert told[1].startswith("mine.txt:5: cannot wait `x`")
    assert told[2] == "2 problems; nothing was played"


@pytest.mark.parametrize("seed", [-1, 1.5, True, "3", 2**64])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(InputError, match="seed must be"):
        Drill(seed)  # type: ignore[arg-type]


def test_an_unknown_symptom_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean `costs`"):
        Drill(3, "cost")


def test_the_debrief_says_what_else_could_have_been_done_and_again_the_same_bytes(tmp_path: Path) -> None:
    drill = played(LINES, 3, nights=2)
    page = write(drill, tmp_path / "new").read_text(encoding="utf-8")
    for told in (
        "Had you killed at t = ...",
        "(oracle)",
        "had nothing gone wrong",
        *(one.words for one in USERS.lines),
    ):
        assert told in page
    assert "is it &lt;b&gt;us&lt;/b&gt;?" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert command(drill) in page
    assert (tmp_path / "new/script.txt").read_text(encoding="utf-8") == drill.script == LINES
    again = played(LINES, 3, nights=2)
    assert again.log == drill.log
    assert compose(again) == page


def test_the_verdict_says_when_it_was_made_worse() -> None:
    """Seeds are looked for by what they are, never by what was found."""
    seed = next(seed for seed in range(40) if Drill(seed, "predictions").cause.name == "moved")
    drill = played("kill\n", seed, "predictions", nights=1)
    assert "You made it worse" in verdict(drill, drill.score())
    idle = Drill(3, nights=2)
    assert "as if nothing had been done" in verdict(idle, idle.score())


def test_a_notebook_shows_lines() -> None:
    assert repr(Drill(3).look()).startswith("[+10:00] dashboards\n")


def test_clocks_are_read_from_the_page_on() -> None:
    assert [clock(t) for t in (0, 65, 3600, 3725)] == ["[+0:00]", "[+1:05]", "[+1:00:00]", "[+1:02:05]"]


def test_verbs_are_those_of_the_playbook() -> None:
    wanted = {"look", "yesterday", "graph", "kill", "isolate", "route-rules", "constrain", "human", "note"}
    assert wanted <= set(VERBS)
