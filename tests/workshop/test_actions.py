"""The playbook's twelve lines, scored."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.studies.statistics import Estimate
from simlab.workshop.actions import LETTER, line_of, sections, sentences, study, to_the_letter, verdict_of
from simlab.workshop.night import Deed, Night
from simlab.workshop.symptoms import PREDICTIONS, SYMPTOMS, USERS


def test_every_line_is_scored_under_every_cause() -> None:
    rows = study(32, 3, [USERS])
    assert [row.words for row in rows] == [*(line.words for line in USERS.lines), LETTER] * 3
    found = {words: said for _, words, said in sentences(rows)}
    assert found["Reintroduce human oversight"] == "Helps with gamed; harms with push and sign"
    assert "it tells causes apart" in found["Models optimizing for models"]
    first, table = sections(rows, 32)
    assert len(first.rows) == 4
    assert table.rows == tuple(line_of(row) for row in rows)


def test_to_the_letter_is_the_lines_one_after_the_other() -> None:
    """Two looks to find out, four for people to come: on all models from six looks after the page."""
    night = Night(USERS, USERS.causes[0], 3, USERS.start)
    by_hand = night.harm((Deed("human", night.paged + 6 * USERS.look),))
    assert (to_the_letter(night) == by_hand).all()


def test_what_is_conditional_is_done_where_its_condition_is_met() -> None:
    night = Night(PREDICTIONS, PREDICTIONS.causes[1], 3, PREDICTIONS.start)
    at = night.paged + (2 + 2 + 1) * PREDICTIONS.look
    killed, spared = night.harm((Deed("kill", at),)), night.harm()
    letter = to_the_letter(night)
    assert ((letter == killed) | (letter == spared)).all()
    assert (letter == killed).any()


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-0.5, -0.2, "helps"),
        (0.2, 3.0, "harms"),
        (-0.09, 0.1, "changes little"),
        (-0.3, 0.05, "open"),
        (np.nan, np.nan, "open"),
    ],
)
def test_a_verdict_needs_a_tenth_of_the_harm(low: float, high: float, says: str) -> None:
    assert verdict_of(Estimate((low + high) / 2, low, high, 64)) == says


@pytest.mark.nightly
def test_each_playbook_helps_under_one_cause_and_its_first_action_harms_under_another() -> None:
    rows = study()
    scored = {(row.symptom, row.words) for row in rows if row.effect.n >= 64}
    assert scored >= {(one.symptom, line.words) for one in SYMPTOMS for line in one.lines}
    for staging in SYMPTOMS:
        mine = [row for row in rows if row.symptom == staging.symptom and row.does]
        assert "helps" in {row.verdict for row in mine if row.words == LETTER}
        assert "harms" in {row.verdict for row in mine if row.words == staging.first_act.words}
