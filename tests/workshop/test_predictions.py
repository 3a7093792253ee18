"""Predictions come before runs, are kept whole, and are scored by the published rules."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from simlab.base.errors import InputError, StorageError
from simlab.scenario.load import load
from simlab.workshop.predictions import (
    COLUMNS,
    PredictionError,
    Predictions,
    brier_score,
    interval_score,
    read,
    scores,
    summary,
)
from simlab.workshop.question import Question, ask

MEAN = "mean given_up isolated"
CALM = {"feedback_off": {"vanishes": []}, "no_stressor": {"vanishes": []}}


def small(**overrides):
    arms = {name: {"topology": name, "shocks": []} for name in ("isolated", "shared")}
    bare = {"arms": arms, "controls": CALM, "claims": [], "scoreboard": [], "studies": {}, "detectors": {}}
    return load("hiring", bare | {"run.replications": 8, "run.horizon": "40 week", **overrides})


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where runs are kept
    return Predictions("1", tmp_path / "predictions.json")


def test_a_run_before_its_prediction_is_refused_with_the_call_that_is_missing(book, tmp_path):
    with pytest.raises(PredictionError, match="predict first") as caught:
        book.run(small(), MEAN, out=tmp_path / "run")
    assert f"book.predict('{MEAN}', 0.5, 0.2, 0.8)" in str(caught.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(PredictionError, match="name what was predicted"):
        book.run(small())


def test_a_run_answers_what_was_predicted(book):
    questions = [MEAN, "P(harm) shared", "P(given_up > 0.5) shared", "mean given_up shared minus isolated"]
    for question in questions:
        book.predict(question, 0.5, 0.25, 0.75)
    results = book.run(small(), *questions)
    found = dict(zip(book.scores()["question"], book.scores()["found"], strict=True))
    given_up = results.measures["given_up"]
    assert found[MEAN] == pytest.approx(float(given_up.sel(arm="isolated").mean()))
    assert found["P(given_up > 0.5) shared"] == pytest.approx(float((given_up.sel(arm="shared") > 0.5).mean()))
    assert found["mean given_up shared minus isolated"] == pytest.approx(
        float(given_up.sel(arm="shared").mean() - given_up.sel(arm="isolated").mean())
    )
    assert found["P(harm) shared"] == results.summary["harm"]["arms"]["shared"]["share"]


def test_scores_are_printed_whole(book):
    book.predict("a rather long question about what an arm will do", 0.5, 0.25, 0.75)
    shown = str(book.scores())
    assert "..." not in shown
    assert shown.splitlines()[0].split() == list(COLUMNS)
    assert "0.25" in shown.splitlines()[1]


def test_a_prediction_may_be_changed_until_it_is_answered_and_not_after(book):
    book.predict(MEAN, 0.9, 0.8, 1.0)
    book.predict(MEAN, 0.4, 0.2, 0.6)
    book.run(small(), MEAN)
    assert [row["predicted"] for row in read(book.path)] == [0.4]
    book.predict(MEAN, 0.4, 0.2, 0.6)  # a notebook that is run again says the same again
    with pytest.raises(PredictionError, match=r"was answered, .*Predictions\('1 again'\)"):
        book.predict(MEAN, 0.3, 0.2, 0.6)


def test_another_run_needs_another_prediction(book):
    book.predict(MEAN, 0.4, 0.2, 0.6)
    book.run(small(), MEAN)
    book.run(small(), MEAN)
    for other in (small(**{"world.hiring.good": 0.9}), small(**{"run.seed": 3})):
        with pytest.raises(PredictionError, match="answered by another run"):
            book.run(other, MEAN)
    with pytest.raises(PredictionError, match="answered by another run"):
        book.run(small(), MEAN, replications=9)


def test_names_keep_their_predictions_apart_in_one_file(book):
    book.predict(MEAN, 0.4, 0.2, 0.6)
    other = Predictions("2", book.path)
    other.predict(MEAN, 0.5, 0.2, 0.6)
    assert len(scores(book.path)) == 2
    assert list(other.scores()["predicted"]) == [0.5]


def test_what_is_counted_by_hand_is_predicted_too(book):
    with pytest.raises(PredictionError, match="predict first"):
        book.settle("looks passed", 3)
    book.predict("looks passed", 4, 2, 6)
    assert book.settle("looks passed", 3) == "looks passed: 3"
    assert book.settle("looks passed", 8) == "looks passed: 8; kept is the first answer, 3"
    with pytest.raises(InputError, match="no run answers `looks passed`"):
        book.run(small(), "looks passed")


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((0.5, 0.6, 0.8), "must lie between"),
        ((0.5, 0.8, 0.2), "must lie between"),
        ((0.5, 0.2, 1.2), "chance from 0 to 1"),
        ((math.nan, 0.2, 0.8), "finite"),
        (("half", 0.2, 0.8), "finite"),
        ((True, 0, 1), "finite"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_with_the_call(book, numbers, says):
    with pytest.raises(InputError, match=says) as caught:
        book.predict("P(harm) shared", *numbers)
    assert 'book.predict("P(harm) shared", 0.6, 0.4, 0.8)' in str(caught.value)
    assert not book.path.exists()


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("mean given_up isolatd", "did you mean `isolated`"),
        ("mean given_upp isolated", "did you mean `given_up`"),
        ("mean given_up isolated under no_stresor", "did you mean `no_stressor`"),
    ],
)
def test_a_name_that_the_run_does_not_know(book, question, says):
    book.predict(question, 0.5, 0.2, 0.8)
    with pytest.raises(InputError, match=says):
        book.run(small(), question)


def test_questions_are_read_as_they_are_written():
    assert ask("P(harm) shared") == Question("harm", "harm", "shared")
    assert ask("P(drawdown > 3e-2) a minus b under c") == Question("exceeds", "drawdown", "a", 0.03, "b", "c")
    assert ask("p95 loss a") == Question("p95", "loss", "a")
    for text in ("heads", "P(loss) a", "P(loss > x) a", "mean loss", "mean loss a minus", "best loss a"):
        assert ask(text) is None, text


def test_the_interval_score_is_that_of_gneiting_and_raftery():
    """JASA 102 (2007), eq. 43 at alpha 0.2; its mean is least for the 10% and 90% quantiles (a proper score)."""
    assert interval_score(0.2, 0.6, 0.5) == pytest.approx(0.4)
    assert interval_score(0.2, 0.6, 0.1) == pytest.approx(0.4 + 10 * 0.1)
    assert interval_score(0.2, 0.6, 0.9) == pytest.approx(0.4 + 10 * 0.3)
    x = np.linspace(0.0005, 0.9995, 1000)  # uniform: the quantiles are 0.1 and 0.9
    mean = {low: np.mean([interval_score(low, 1 - low, one) for one in x]) for low in (0.0, 0.05, 0.1, 0.15, 0.3)}
    assert min(mean, key=mean.__getitem__) == 0.1


def test_the_brier_score_is_least_for_the_true_chance():
    """p = f scores f (1 - f), and any other p is worse by (p - f)^2 (Brier 1950)."""
    assert brier_score(0.3, 0.3) == pytest.approx(0.21)
    assert brier_score(0.8, 0.3) == pytest.approx(0.21 + 0.25)
    assert (brier_score(1, 1), brier_score(0, 1)) == (0, 1)


def test_the_summary_says_when_intervals_were_too_narrow(book):
    assert summary(book.path) == "no prediction has been answered yet"
    for i in range(10):
        book.predict(f"thing {i}", 1, 0, 2)
        book.settle(f"thing {i}", 1 if i < 4 else 9)
    said = summary(book.path)
    assert said.startswith("4 of 10 intervals held the answer; intervals of 80% hold it about 8 times")
    assert "1% of the time: the intervals were too narrow" in said  # binomial, P(X <= 4) = 0.0064


def test_a_write_that_fails_leaves_the_old_file_whole(book, monkeypatch):
    book.predict("a thing", 1, 0, 2)
    before = book.path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        book.predict("another thing", 1, 0, 2)
    assert book.path.read_bytes() == before
    assert [path.name for path in book.path.parent.iterdir()] == [book.path.name]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": 1, "predictions": [{}]}', '{"schema": 2, "predictions": []}']
)
def test_a_file_of_something_else_is_not_overwritten(book, content):
    book.path.write_text(content, "utf-8")
    with pytest.raises(StorageError, match="not a file of predictions"):
        book.predict("a thing", 1, 0, 2)
    assert book.path.read_text("utf-8") == content


def test_the_file_is_plain_json(book):
    book.predict(MEAN, 0.4, 0.2, 0.6)
    (row,) = json.loads(book.path.read_text("utf-8"))["predictions"]
    assert (row["name"], row["question"], row["found"]) == ("1", MEAN, None)
