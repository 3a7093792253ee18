"""Golden results: what every shipped scenario gave when its numbers were last accepted.

    python -m tests.golden            compare a small run of each scenario with results/golden/<name>.json
    python -m tests.golden --accept   make today's numbers, verdict and main figure the expected ones, also in the README;
                                      of all scenarios, or of those that are named after it

Accept only a difference that you can explain, and say why in the commit.
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import simlab
from simlab.lab.cohort import play
from simlab.results.record import Record
from simlab.scenario.load import shipped, title, tree
from simlab.scenario.scenario import Scenario
from simlab.studies.score import of_all
from simlab.studies.statistics import mean
from simlab.views.facts import score
from simlab.views.pictures import unit_of
from simlab.views.scorecard import RULES
from simlab.views.verdict import claim_verdict
from simlab.views.words import number, percent, quantity, span

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "results" / "golden"
REPLICATIONS = 8
TICKS = 2_000  # the most that are played; longer scenarios are cut
TOLERANCE = 1e-6  # other processors round exp and log differently, and markets are not forgiving


@cache
def firsts() -> list[str]:
    """The first shipped scenario of each world, in the order of their names."""
    first: dict[str, str] = {}
    for name, path in shipped().items():
        first.setdefault(next(iter(tree(path).value["world"].value)), name)
    return list(first.values())


def small(name: str) -> dict[str, dict[str, float | None]]:
    """The numbers of a small run: the mean of every measure in every arm, and in the first one under every control.

    Of a factorial every third arm is played. Controls are played in the first scenario of a world alone.
    """
    scenario = simlab.load(name)
    cells = {arm.name: arm.trial for arm in scenario.arms[:: 1 if scenario.factorial is None else 3]}
    if name in firsts():
        cells |= {f"{control.name}:{arm.name}": arm.trial for control in scenario.controls for arm in control.arms[:1]}
    found = {}
    for cell, whole in cells.items():
        most = TICKS * whole.world.tick
        trial = replace(
            whole, horizon=min(whole.horizon, most), stride=min(whole.stride, most), warmup=min(whole.warmup, most)
        )
        outcome = play(trial, scenario.seed, range(REPLICATIONS))
        assert not outcome.failed, next(iter(outcome.failed.values()))
        means = {measure: mean(x).value for measure, x in outcome.measures.items()}
        found[cell] = {measure: value if math.isfinite(value) else None for measure, value in means.items()}
    return found


def differences(name: str) -> list[str]:
    """How a small run differs from the golden one, a line each."""
    golden = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    now = small(name)
    lines = [f"{name}: {cell} is only in one of them" for cell in sorted(golden.keys() ^ now.keys())]
    for cell in golden.keys() & now.keys():
        for measure in sorted(golden[cell].keys() | now[cell].keys()):
            was, is_now = golden[cell].get(measure), now[cell].get(measure)
            same = was == is_now or (
                was is not None and is_now is not None and math.isclose(was, is_now, rel_tol=TOLERANCE, abs_tol=1e-9)
            )
            if not same:
                lines.append(f"{name}: {cell} {measure}: {was} -> {is_now}")
    return lines


def accept(name: str) -> list[str]:
    """Write the golden files of a scenario: numbers of a small run, verdict and main figure of the run at its default size.

    Returns the lines of its scorecard.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(small(name), indent=1) + "\n", encoding="utf-8")
    with TemporaryDirectory() as folder:
        results = simlab.run(simlab.load(name), out=Path(folder) / name)
        told = "\n".join([results.verdict, *board(results.record, results.scenario)])
        (FOLDER / f"{name}.txt").write_text(told + "\n", encoding="utf-8")
        results.report(Path(folder) / "report")
        (FOLDER / f"{name}.svg").write_bytes((Path(folder) / "report" / "figures" / "main.svg").read_bytes())
    for row in results.summary["claims"]:
        if claim_verdict(row) in ("contradicted", "undecided"):
            print(f"{name}: {claim_verdict(row)}: {row['claim']}", flush=True)
    readme = ROOT / "README.md"
    readme.write_text(described(readme.read_text(encoding="utf-8"), name, results.verdict), encoding="utf-8")
    return scored(name, results.summary["scorecard"])


def board(record: Record, scenario: Scenario) -> list[str]:
    """The rows of a scoreboard as a table: published figures beside the model's; none where nothing is predicted."""
    rows = []
    for row in scenario.scoreboard:
        figure, mark = score(row, record)
        unit = unit_of(scenario, record, row.measure or "")
        said = percent(figure) if "%" in row.published and unit == "1" else quantity(figure, unit)
        rows.append(f"| {row.what} | {row.published} | {said} | {mark} | {row.source} |")
    if not any(row.mark in ("predicted", "checked") for row in scenario.scoreboard):
        return []
    return ["", "| figure | published | model | | source |", "|---|---|---|---|---|", *rows]


WALL = """# Gallery

Every shipped scenario: what it asks, the picture and the verdict of its run at default size, and, where figures were published, how
the model stands to them (only what is marked *hit* or *miss* was predicted). `simlab run NAME` plays it again; `make golden`
writes this page.
"""


def gallery() -> str:
    """The page of all golden pictures, verdicts and scoreboards."""
    parts = [WALL]
    for name, path in shipped().items():
        if not (FOLDER / f"{name}.txt").exists():
            continue
        verdict, _, table = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
        parts += [
            f"## {title(path)}",
            f"`simlab run {name}`",
            f"![{_bare(verdict)}]({name}.svg)",
            verdict,
            table.strip(),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """# How early would you have known?

Every shipped scenario at its default size, all arms and controls together; `simlab score NAME` plays it again, `make golden` writes
this table. *Warned*: of the replications that came to harm, the share in which the first alarm came before it, and the median time
between the two. *Alarm, no harm*: of those that never did, the share with an alarm. In brackets 95% intervals. Whoever cries
from the first second on has *harm after* for a lead and 100% in the last column.

| scenario | harm after | detector | rule | alarm above | warned | lead | alarm, no harm |
|---|---|---|---|---|---|---|---|
"""


def scored(name: str, card: list[dict[str, Any]] | None) -> list[str]:
    """The rows of a scenario in the table of scorecards."""
    lines = []
    for row in of_all(card or ()):
        if row["reads"]:
            told = [f"{percent(row[key])}{_interval(row[f'{key}_ci95'])}" for key in ("warned", "false")]
            cells = (number(row["limit"]), told[0], span(row["lead"]), told[1])
        else:
            cells = ("", "cannot tell", "", "")
        heads = (name, span(row["harm_at"]), row["detector"], RULES[row["rule"]])
        lines.append(f"| {' | '.join((*heads, *cells))} |")
    return lines


def enter(name: str, rows: list[str]) -> None:
    """Put a scenario's rows into the table of scorecards, in the place of those it has; scenarios that are gone lose theirs."""
    table = FOLDER / "scorecard.md"
    kept: dict[str, list[str]] = {}
    for line in table.read_text(encoding="utf-8").removeprefix(HEAD).splitlines() if table.exists() else ():
        kept.setdefault(line.split(" | ")[0].removeprefix("| "), []).append(line)
    kept[name] = rows
    lines = [line for each in shipped() for line in kept.get(each, ())]
    table.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def _interval(ci: list[float] | None) -> str:
    return "" if ci is None else f" ({percent(ci[0])} to {percent(ci[1])})"


def _bare(text: str) -> str:
    """Text that may stand between brackets."""
    return re.sub(r"([\[\]\\])", r"\\\1", text)


def described(text: str, name: str, verdict: str) -> str:
    """A text in which the golden picture `name`, if it is there, has the verdict as its alt text."""
    spoken = _bare(verdict)
    picture = re.compile(rf"!\[[^\n]*\]\((results/golden/{re.escape(name)}\.svg)\)")
    return picture.sub(lambda found: f"![{spoken}]({found[1]})", text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--accept"]:
        for scenario in sys.argv[2:] or shipped():
            enter(scenario, accept(scenario))
            print(f"accepted {FOLDER / scenario}.json, .txt and .svg", flush=True)
        (FOLDER / "gallery.md").write_text(gallery(), encoding="utf-8")
    else:
        found = [line for scenario in shipped() for line in differences(scenario)]
        print("\n".join(found) or "as expected")
        sys.exit(bool(found))
