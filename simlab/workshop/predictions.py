"""Predictions, recorded before a run and scored after it.

book = Predictions("1")
book.predict("P(harm) shared", 0.6, 0.4, 0.8)
results = book.run(scenario, "P(harm) shared")
book.scores()

Every prediction has an interval that is meant to hold the answer eight times in ten. It is scored by the interval score (Gneiting &
Raftery 2007, JASA 102, eq. 43), the interval's width, and ten times the distance by which it missed; a chance also by
the Brier score (1950), the mean squared distance from what happened, 0 or 1. Both are best when low, and worst for who is sure and wrong.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from simlab.base.errors import InputError, StorageError
from simlab.results.disk import dumps, plain, storage, text, write
from simlab.scenario.scenario import Scenario
from simlab.studies.run import prepared
from simlab.studies.run import run as play
from simlab.workshop.question import EXAMPLES, answer, ask

if TYPE_CHECKING:
    import pandas as pd

    from simlab.views.results import Results

FILE = "predictions.json"
COVER = 0.8  # how often an interval is meant to hold the answer
COLUMNS = ("name", "question", "predicted", "low", "high", "found", "inside", "interval_score", "brier")
KEYS = {"name", "question", "predicted", "low", "high", "made", "found", "run", "answered"}


class PredictionError(InputError):
    """A run before its prediction, or a prediction after its run."""


@final
@dataclass(frozen=True)
class Predictions:
    """The predictions under one `name`, such as "1" or "1 modified", kept in a small file beside the notebook.

    The file holds those of all names. What has been answered is not predicted again, and a scenario that was changed is another
    question: give it another name.
    """

    name: str
    path: str | Path = FILE

    def predict(self, question: str, predicted: float, low: float, high: float) -> str:
        """Record a prediction, with an interval meant to hold the answer eight times in ten; says so.

        The question is one that `run` can answer, or any text, for what is counted by hand (`settle`). Until it is answered a
        prediction may be changed. Raises PredictionError afterwards, InputError for numbers that do not fit.
        """
        numbers = self._numbers(question, predicted, low, high)
        rows = read(self.path)
        old = self._find(rows, question)
        if old is not None and old["found"] is not None:
            if [old[key] for key in ("predicted", "low", "high")] != numbers:
                raise PredictionError(
                    f"`{question}` was answered, {old['found']:.3g}: what is said now is no prediction. Yours was "
                    f"{old['predicted']:g}, {old['low']:g} to {old['high']:g}; for a changed scenario begin e.g. "
                    f"`book = Predictions({self._again()!r})`"
                )
        else:
            if old is not None:
                rows.remove(old)
            made = dict(zip(("predicted", "low", "high"), numbers, strict=True))
            known = {"name": self.name, "question": question, **made, "made": _now()}
            _keep(self.path, [*rows, known | {"found": None, "run": None, "answered": None}])
        return f"{question}: {numbers[0]:g}, and from {numbers[1]:g} to {numbers[2]:g} eight times in ten"

    def run(
        self,
        scenario: Scenario,
        *questions: str,
        replications: int | None = None,
        seed: int | None = None,
        jobs: int = 1,
        out: str | Path | None = None,
    ) -> Results:
        """Play a scenario that these questions were predicted for, and keep the answers.

        `out` is the run's directory, by default `results/<scenario>/<hash>`: what was played is not played again. Raises PredictionError
        where one was not predicted, or was answered by another run; nothing is played then.
        """
        ready = prepared(scenario, replications, seed)
        which = _fingerprint(ready)
        asked = self._may_run(questions, which)
        record = play(ready, jobs=jobs, out=out)
        self._answered({question: answer(put, record) for question, put in asked.items()}, which)
        from simlab.views.results import Results

        return Results(record, ready)

    def settle(self, question: str, found: float) -> str:
        """Keep an answer that was counted by hand. Raises PredictionError where nothing was predicted."""
        self._open([question])
        self._answered({question: float(found)}, None)
        row = self._find(read(self.path), question)
        first = math.nan if row is None or row["found"] is None else row["found"]
        return f"{question}: {found:g}" + (f"; kept is the first answer, {first:g}" if first != found else "")

    def scores(self) -> pd.DataFrame:
        """The predictions of this name, a row each, with what was found and the scores; NaN where there is no answer yet."""
        return scores(self.path, self.name)

    def _numbers(self, question: str, *given: float) -> list[float]:
        """The three numbers, checked."""
        call = f'e.g. `book.predict("{question}", 0.6, 0.4, 0.8)`'
        if not question.strip():
            raise InputError(f"a prediction needs a question, such as {EXAMPLES}")
        for x in given:
            if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
                raise InputError(f"a prediction is three finite numbers, not {x!r}; {call}")
        predicted, low, high = (float(x) for x in given)
        if not low <= predicted <= high:
            raise InputError(f"{predicted:g} must lie between low and high, not {low:g} and {high:g}; {call}")
        put = ask(question)
        if put is not None and put.chance and not 0 <= low <= high <= 1:
            raise InputError(f"`{question}` is a chance from 0 to 1, not {low:g} to {high:g}; {call}")
        return [predicted, low, high]

    def _may_run(self, questions: Sequence[str], which: str) -> dict[str, Any]:
        """The questions as they are put. Raises where the run would come before its prediction."""
        if not questions:
            raise PredictionError(f"name what was predicted, e.g. `book.run(scenario, {self._example()!r})`")
        rows = self._open(questions)
        for question in questions:
            row = self._find(rows, question)
            if row is not None and row["run"] not in (None, which):
                raise PredictionError(
                    f"`{question}` was answered by another run, and this scenario is not the one it was predicted for; begin e.g. "
                    f"`book = Predictions({self._again()!r})`, then predict, then run"
                )
        asked = {question: ask(question) for question in questions}
        for question, put in asked.items():
            if put is None:
                raise InputError(f"no run answers `{question}`; ask e.g. {EXAMPLES}, or `book.settle({question!r}, 3)`")
        return asked

    def _open(self, questions: Sequence[str]) -> list[dict[str, Any]]:
        """All rows. Raises PredictionError where one of the questions was not predicted."""
        rows = read(self.path)
        missing = [question for question in questions if self._find(rows, question) is None]
        if missing:
            calls = "\n".join(f"    book.predict({question!r}, 0.5, 0.2, 0.8)" for question in missing)
            raise PredictionError(f"predict first, and run then; with your own numbers, write\n{calls}")
        return rows

    def _answered(self, found: dict[str, float], which: str | None) -> None:
        """Keep answers, the first that was found."""
        rows = read(self.path)
        for question, value in found.items():
            row = self._find(rows, question)
            if row is not None and row["found"] is None and math.isfinite(value):
                row.update(found=value, run=which, answered=_now())
        _keep(self.path, rows)

    def _find(self, rows: list[dict[str, Any]], question: str) -> dict[str, Any] | None:
        return next((row for row in rows if (row["name"], row["question"]) == (self.name, question)), None)

    def _again(self) -> str:
        return f"{self.name} again"

    def _example(self) -> str:
        mine = [row["question"] for row in read(self.path) if row["name"] == self.name]
        return mine[0] if mine else "P(harm) shared"


def scores(path: str | Path = FILE, name: str | None = None) -> pd.DataFrame:
    """All predictions in a file, or those of one name, a row each, with their scores."""
    rows = [row for row in read(path) if name in (None, row["name"])]
    return _whole()([_scored(row) for row in rows], columns=list(COLUMNS))


@cache
def _whole() -> type[pd.DataFrame]:
    """A table that `print` shows with all its columns, however narrow the terminal; made when needed, as pandas is loaded late."""
    import pandas as pd

    @final
    class Scores(pd.DataFrame):
        """Scores, in three digits where they are printed."""

        def __repr__(self) -> str:
            return self.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3g}")

    return Scores


def summary(path: str | Path = FILE) -> str:
    """How well a file's intervals were calibrated, in words."""
    from scipy.special import bdtr

    table = scores(path)
    known = table[table["found"].notna()]
    n, held = len(known), int(known["inside"].astype(float).sum())
    if n == 0:
        return "no prediction has been answered yet"
    said = f"{held} of {n} intervals held the answer; intervals of 80% hold it about {COVER * n:.0f} times"
    chance = float(bdtr(held, n, COVER))
    told = f". So few, or fewer, come by chance {chance:.0%} of the time" if held < COVER * n else ""
    if told and chance < 0.05:
        told += ": the intervals were too narrow. That is usual, and worth knowing before an incident"
    brier = known["brier"].dropna()
    return said + told + (f". The mean Brier score of {len(brier)} chances is {brier.mean():.2f}" if len(brier) else "")


def interval_score(low: float, high: float, found: float, cover: float = COVER) -> float:
    """The width of an interval, and 2 / (1 - cover) times the distance by which it missed."""
    return high - low + 2 / (1 - cover) * (max(low - found, 0.0) + max(found - high, 0.0))


def brier_score(predicted: float, share: float) -> float:
    """The mean squared distance of a predicted chance from what happened, 1 in a `share` of the replications and else 0."""
    return share * (1 - predicted) ** 2 + (1 - share) * predicted**2


def read(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a file, none where there is no file. Raises StorageError for what is no such file."""
    path = Path(path)
    with storage(path):
        if not path.exists():
            return []
        content = path.read_bytes()
    try:
        document = json.loads(content)
        rows = list(document["predictions"])
        whole = document["schema"] == 1 and all(row.keys() == KEYS for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise StorageError(f"{path}: not a file of predictions; move it away, and begin a new one")
    return rows


def _keep(path: str | Path, rows: list[dict[str, Any]]) -> None:
    write(Path(path), text(dumps({"schema": 1, "predictions": rows})))


def _scored(row: dict[str, Any]) -> dict[str, Any]:
    low, high, found, put = row["low"], row["high"], row["found"], ask(row["question"])
    shown: dict[str, Any] = {key: row[key] for key in COLUMNS if key in row}
    if found is None:
        return shown | {"found": math.nan, "inside": None, "interval_score": math.nan, "brier": math.nan}
    chance = put is not None and put.chance and row["run"] is not None
    return shown | {
        "inside": low <= found <= high,
        "interval_score": interval_score(low, high, found),
        "brier": brier_score(row["predicted"], found) if chance else math.nan,
    }


def _fingerprint(scenario: Scenario) -> str:
    """What is played, in sixteen letters."""
    return hashlib.sha256(dumps(plain(scenario.resolved)).encode()).hexdigest()[:16]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
