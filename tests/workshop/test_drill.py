"""The 3 AM drill: what it is to play, and what its score says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.workshop import Drill, debrief, write_debrief
from simlab.workshop import drill as engine
from simlab.workshop.debrief import Killed, ahead, command, compose, told_of
from simlab.workshop.drill import VERBS, Score, _helps, clock, played, span
from simlab.workshop.night import Deed, Night
from simlab.workshop.symptoms import ACTS, COSTS, PREDICTIONS, SYMPTOMS, USERS, Cause, Staging
from simlab.workshop.verdict import headline, questions, reckoned, verdict

# The cause under which the first of the playbook's lines that does anything is worse than doing nothing.
WORSE = {"predictions": "moved", "together": "reversed", "costs": "lost", "users": "push"}
LINES = "look\nnote is it <b>us</b>?\ngraph\nyesterday\nkill 0 2-3\nwait 1200\nrestore\nhuman\n"


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock, in whose first entry the time stands still."""
    now = [0.0]
    monkeypatch.setattr(engine.time, "monotonic", lambda: now[0])
    return now


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
    pages = {drill.page.replace(f"(seed {drill.seed})", "").partition("The night ends")[0] for drill in drills}
    assert len(pages) == 1
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
    score, table = drill.score(), drill.night.table
    assert score.you == score.nothing
    assert score.avoided in (None, 0.0)
    assert score.oracle == min(harm.mean() for harm in table.values())
    assert score.own_least == min(harm[0] for harm in table.values()) == table[score.own_best][0]
    if score.best != "nothing":
        best = played(f"{score.best}\n", seed, key, nights=2)
        assert best.score().avoided == 1.0


def test_a_lucky_night_is_not_praised_for_its_luck() -> None:
    """What is best on the own night alone is named as that, and scored by its mean like everything else."""
    found = (Drill(seed, "users", nights=4) for seed in range(40))
    drill, score = next((one, score) for one in found if (score := one.score()).own_best != score.best)
    assert score.own_least < score.own_oracle
    lucky = played("" if score.own_best == "nothing" else f"{score.own_best}\n", drill.seed, "users", nights=4)
    worth = lucky.score()
    assert worth.own_you == score.own_least
    assert worth.avoided is None or worth.avoided < 1
    row = reckoned(drill, score)[-1]
    assert row.name.startswith("best on your night alone: ")
    assert row.mean > score.oracle


def test_what_luck_alone_may_have_spared_is_no_yardstick(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 nights in which an action spares 1 for sure, or 1 give or take 10."""
    spread = np.random.Generator(np.random.PCG64(1)).normal(size=32)
    spread = (spread - spread.mean()) / spread.std()
    for size, avoided in ((0.1, 0.0), (10.0, None)):
        drill = Drill(3)
        monkeypatch.setattr(drill.night, "harm", lambda deeds=(): np.full(32, 5.0))
        vars(drill.night)["table"] = {"nothing": np.full(32, 5.0), "kill": 4.0 + size * spread}
        assert drill.score().best == "kill"
        assert drill.score().avoided == avoided


def test_harm_is_what_the_trouble_costs() -> None:
    """Without any trouble there is no harm, whatever its luck; and harm is a difference on the same random numbers."""
    night = Night(USERS, USERS.causes[0], 3, USERS.start, 2)
    calm = Night(USERS, USERS.causes[0]._replace(shocks=()), 3, USERS.start, 2)
    assert (calm.harm() == 0).all()
    lost = night.lost(night.played())[-1] - night.lost(calm.played())[-1]
    assert (night.harm() == lost).all()


def test_a_cause_in_some_models_has_options_on_these_and_on_the_others() -> None:
    night = Night(USERS, cause_of(USERS, "push"), 3, USERS.start)
    assert {"kill 2", "kill 0-1 3", "kill"} <= set(night.options)
    mean = {name: harm.mean() for name, harm in night.table.items()}
    assert min(mean, key=lambda name: mean[name]) == "kill 2"  # three that are right serve better than a rule at random


def test_killed_gateways_give_up_what_gets_lost() -> None:
    """Algebra: with no second attempts a quarter of 60 requests a second is given up, a timeout of a second later."""
    night = Night(COSTS, cause_of(COSTS, "lost"), 3, COSTS.start)
    deed = night.earliest("kill")
    lost = night.lost(night.played((deed,)))
    expected = 0.25 * 60 * (COSTS.horizon - deed.at)
    error = 4 * lost[-1].std(ddof=1) / np.sqrt(lost.shape[1])
    assert abs((lost[-1] - lost[night.row(deed.at)]).mean() - expected) < error + 0.25 * 60 * 1.0


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
        ("wait 5 parsecs", "cannot wait"),
        ("wait 0 s", "cannot wait"),
        ("note \x1b[2J", "cannot be seen"),
        ("note " + "x" * 1000, "write at most 1000"),
        ("help me", "takes nothing after it"),
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
    page = write_debrief(drill, tmp_path / "new").read_text(encoding="utf-8")
    for told in (
        f"{headline(drill, drill.score())}.",
        "Had you killed at t = ...",
        "oracle",
        "best on your night",
        *(one.words for one in USERS.lines),
        *(one.asks for one in questions(drill, drill.score())),
        f"Harm in {USERS.unit}",
    ):
        assert told in page
    assert "is it &lt;b&gt;us&lt;/b&gt;?" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert command(drill) in page
    script = (tmp_path / "new/script.txt").read_text(encoding="utf-8")
    assert script == f"# {command(drill)}\n{LINES}"
    again = played(script, 3, nights=2)
    assert again.log == drill.log
    assert compose(again) == page


def test_a_debrief_never_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debrief, "compose", lambda drill: f"<p>{drill.seed}</p>")
    one, other, third = Drill(3, nights=1), Drill(3, nights=1), Drill(7, nights=1)
    other.note("the same night, other lines")
    first = write_debrief(one, tmp_path / "d")
    kept = first.read_bytes()
    assert write_debrief(other, tmp_path / "d") == tmp_path / "d-2" / "debrief.html"
    assert write_debrief(one, tmp_path / "d") == first  # the very same, so nothing is lost
    assert write_debrief(third, tmp_path / "d") == tmp_path / "d-3" / "debrief.html"
    assert write_debrief(other, tmp_path / "d") == tmp_path / "d-2" / "debrief.html"
    assert first.read_bytes() == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "d-2", "d-3"]


def scored(**known: object) -> Score:
    """A score whose nothing is 10 and whose oracle, kill, is 2, but for what is given."""
    usual = {"nothing": 10.0, "you": 6.0, "oracle": 2.0, "best": "kill", "avoided": 0.5, "worse": 0.25, "clear": True}
    own = {"own_nothing": 11.0, "own_you": 5.0, "own_oracle": 3.0, "own_best": "kill", "own_least": 3.0}
    return Score(**{**usual, **own, **known})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("deeds", "known", "says"),
    [
        (True, {}, "You avoided 50% of the harm that could be avoided"),
        (True, {"you": 12.0, "avoided": -0.25}, "You made it worse: what you did raised the harm by 20%"),
        (True, {"you": 10.0, "avoided": 0.0}, "What you did changed nothing"),
        (True, {"clear": False, "avoided": -0.01}, "What you did made no clear difference over 1 night"),
        (
            True,
            {"clear": False, "avoided": None},
            "No action is sure to help, and what you did made no clear difference",
        ),
        (False, {"you": 10.0, "avoided": 0.0}, "Nothing was done; kill at once would have spared 80% of the harm"),
        (False, {"you": 10.0, "avoided": None}, "Nothing was done, and no action is sure to help"),
        (True, {"avoided": None}, "No action is sure to help, and what you did lowered the harm by 40%"),
        (True, {"you": 10.0, "avoided": None}, "No action is sure to help, and what you did changed nothing"),
    ],
)
def test_the_headline_is_one_short_sentence(deeds: bool, known: dict[str, object], says: str) -> None:
    drill = Drill(3, nights=1)
    if deeds:
        drill.kill()
    assert headline(drill, scored(**known)) == says
    assert len(says) < 80


def test_the_verdict_of_a_terminal_has_units_and_fits() -> None:
    drill = played("human\n", 3, nights=2)
    told = verdict(drill, drill.score()).splitlines()
    assert told[2].startswith(f"  harm, {USERS.unit}")
    assert "mean of 2 nights" in told[2]
    assert max(map(len, told)) <= 80


def kills(*harms: float) -> list[Killed]:
    return [Killed(60.0 * i, np.array([harm])) for i, harm in enumerate(harms)]


@pytest.mark.parametrize(
    ("harms", "says"),
    [
        (
            (2, 4, 7, 10),
            "A kill at [+0:00] spares 80% of the harm; until [+1:00] it spares at least half as much, "
            "from [+3:00] on nothing.",
        ),
        ((2, 3, 4), "A kill at [+0:00] spares 80% of the harm; until [+2:00] it spares at least half as much."),
        ((15, 14, 12), "A kill at [+0:00] adds 50% of the harm; nor would any later one have helped."),
        ((10, 8), "A kill at [+0:00] changes hardly anything."),
    ],
)
def test_what_a_kill_is_worth_is_said_in_a_sentence(harms: tuple[float, ...], says: str) -> None:
    drill = Drill(3, nights=1)
    assert told_of(kills(*harms), scored(), drill) == f"{says} You never killed them all."
    drill.kill()
    assert told_of(kills(*harms), scored(), drill) == f"{says} You killed at [+10:00]."


def test_there_is_as_much_to_talk_about_as_there_was_to_play() -> None:
    """A look is 15 s of thinking; so the 33 looks of this night, from the page to its end, are eight minutes."""
    drill = played("note a store?\nwait 1e9\n", 3, nights=1)
    looks = (USERS.horizon - drill.night.paged) / USERS.look
    each = list(questions(drill, drill.score()))
    assert sum(one.minutes for one in each) == round(looks * 15 / 60)
    assert "[+0:00] a store?" in each[0].material


def test_the_verdict_says_when_it_was_made_worse() -> None:
    """Seeds are looked for by what they are, never by what was found."""
    seed = next(seed for seed in range(40) if Drill(seed, "predictions").cause.name == "moved")
    drill = played("kill\n", seed, "predictions", nights=1)
    score = drill.score()
    assert ("You made it worse" in headline(drill, score)) == (score.avoided is not None)
    assert score.you > score.nothing
    assert score.avoided is None or "made it worse" in compose(drill)


def test_what_is_played_ahead_is_what_a_debrief_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debrief, "PAUSE", 0.0)
    drill = Drill(3, nights=1)
    ahead(drill)
    known = set(drill.night._played)
    drill.done()
    compose(drill)
    assert set(drill.night._played) == known


def test_a_notebook_plays_the_same_night_as_a_script() -> None:
    cell = Drill(3, nights=1)
    assert repr(cell).startswith("03:00  USERS COMPLAINING")
    assert repr(cell.look()).startswith("[+10:00] dashboards\n")
    cell.kill(0, 2, 3)
    cell.note("odd")
    cell.wait(1200)
    cell.restore()
    cell.done()
    assert cell.log == played("look\nkill 0 2 3\nnote odd\nwait 1200\nrestore\ndone\n", 3, nights=1).log


def test_the_night_goes_on_while_one_thinks(wall: list[float]) -> None:
    drill = Drill(3, nights=1)
    began = drill.now
    wall[0] += 40.0  # two looks, and ten seconds that are kept
    assert "20 min of the night went by while you thought" in drill.note("hm")
    assert drill.now == began + 2 * USERS.look
    wall[0] += 5.0
    assert drill.idle()
    assert drill.script == "wait 1200\nnote hm\nwait 600\n"
    with pytest.raises(InputError):
        drill.do("kil")
    assert not drill.idle()
    wall[0] += 1e6
    told = drill.kill()
    assert "`kill` comes too late: the night is over" in told
    assert drill.over
    assert drill.deeds == []
    still = Drill(3, nights=1, think=0.0)
    wall[0] += 1e6
    assert still.look().startswith("[+10:00]")
    with pytest.raises(InputError, match="think"):
        Drill(3, think=-1.0)


def test_a_wait_that_is_cut_says_to_what_and_why() -> None:
    drill = Drill(2, nights=1)
    assert drill.wait(0.2) == "[+0:00] waited 0.5 s, not 0.2 s: the clock goes by 0.5 s"
    assert drill.do("wait 2 min") == "[+2:00] waited 2 min"
    left = span(drill.staging.horizon - drill.now)
    assert f"waited {left}, not 1 h 23 min 20 s: the night ends here" in drill.do("wait 5000")
    assert drill.over


@pytest.mark.parametrize("staging", SYMPTOMS, ids=lambda one: one.key)
def test_help_lists_every_verb_with_what_it_takes_and_fits(staging: Staging) -> None:
    drill = Drill(3, staging.key)
    told = drill.help()
    assert told == drill.do("?")
    assert drill.now == drill.night.paged
    assert drill.log == []
    lines = told.splitlines()
    for verb in VERBS:
        (line,) = [line for line in lines if line.split()[:1] == [verb]]
        assert not staging.takes(verb) or f" {span(staging.takes(verb))}  " in line
    assert max(map(len, [*lines, *drill.page.splitlines()])) <= 80
    if staging in (PREDICTIONS, USERS):  # the others take longer, and show no longer lines
        for sight in (drill.look, drill.yesterday, drill.graph):
            assert max(map(len, sight().splitlines())) <= 80


def test_lines_after_the_end_are_kept_apart_with_their_numbers() -> None:
    drill = played("kill\ndone\n\nhuman\n", 3, where="mine.txt", nights=1)
    assert drill.left == ["mine.txt:4: human"]
    assert drill.script == "kill\ndone\n"


def test_clocks_are_read_from_the_page_on() -> None:
    assert [clock(t) for t in (0, 65, 3600, 3725)] == ["[+0:00]", "[+1:05]", "[+1:00:00]", "[+1:02:05]"]


def test_spans_are_read_as_one_says_them() -> None:
    told = ["0 s", "0.5 s", "45 s", "2 min", "1 min 39.5 s", "5 h 30 min", "for ever"]
    assert [span(t) for t in (0, 0.5, 45, 120, 99.5, 19800, float("inf"))] == told


def test_verbs_are_those_of_the_playbook() -> None:
    wanted = {"look", "yesterday", "graph", "kill", "isolate", "route-rules", "constrain", "human", "note"}
    assert wanted <= set(VERBS)


def test_rare_nights_do_not_hide_what_helps_nor_luck_what_does_not() -> None:
    """A mean of two humps has a wide interval at 32 nights, and yet nearly all nights are better; noise around 0 is neither."""
    rng = np.random.Generator(np.random.PCG64(1))
    before = np.where(np.arange(32) < 24, 12_000.0 + rng.normal(size=32), 50.0)
    assert _helps(before, np.where(before > 100, 10.0, 60.0))
    noise = rng.normal(size=32)
    assert not _helps(before + 0.001 * noise, before)
    assert not _helps(before, before + 0.001 * noise)
    assert not _helps(before, before)
