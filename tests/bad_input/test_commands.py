"""The commands that read something else than a scenario, each with what people really hand them, and what they are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simlab.studies import executors
from tests.bad_input.door import GOOD, knock, refused, tree
from tests.promises.family import needs_dask

WATCH = ("--time", "t", "--predictions", "p", "--reality", "y")
HEAD, ROWS = "t,p,y\n", "".join(f"{i},{i % 7},{i % 5}\n" for i in range(40))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f.yaml").write_text(GOOD)
    (tmp_path / "void").mkdir()
    return tmp_path


def wrote(folder: Path, name: str, content: str | bytes) -> str:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def told(said: str, says: str) -> None:
    for part in says.split("|"):
        assert part in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "m.csv: empty; expected a header and rows"),
        (HEAD, "m.csv: a header and no rows"),
        (HEAD + "0,1,2\n", "m.csv: only one instant; a detector compares instants"),
        (HEAD + "0,1,2\n1,many,3\n", "m.csv:3: p: `many` is not a number"),
        (HEAD + "0,1,2\n1,=1+1,3\n", "m.csv:3: p: `=1+1` is not a number"),
        (HEAD + "0,1,2\n=cmd|'/C calc'!A0,1,3\n", "m.csv:3: t: cannot read `=cmd"),
        (HEAD + "0,1,2\n1,1,3\n1,1,1\n", "m.csv:4: t: 1 stands twice|--average"),
        (HEAD + "0,1,2\n2,1,3\n1,1,1\n", "m.csv:4: t: time goes back, from 2 to 1|--sort"),
        (HEAD + "0,1,2\nnan,1,3\n", "m.csv:3: t: no time; write seconds"),
        (HEAD + "0,1,2\n,1,3\n", "m.csv:3: t: no time; write seconds"),
        (HEAD + "0,1,2\ninf,1,3\n", "m.csv:3: t: `inf` is not a time"),
        (HEAD + "0,1,2\nsoon,1,3\n", "m.csv:3: t: cannot read `soon` as a time"),
        (HEAD + "0,1,2\n1,1,3,4\n", "m.csv:3: 4 cells in a table of 3 columns"),
        (HEAD + "0,,2\n1,,3\n", "m.csv: p: no cell holds a number"),
        (HEAD + "2024-01-01T00:00:00Z,1,2\n2024-01-01T00:01:00,1,3\n", "m.csv:3: t: |has no zone"),
        ("t,prediction,y\n" + ROWS, "m.csv:1: no column `p` (--predictions)|columns: t, prediction, y"),
        ("t,pp,y\n" + ROWS, "m.csv:1: no column `p` (--predictions); did you mean `pp`?"),
        (HEAD + "0,1,2\n1,\0,3\n", "m.csv:3: a NUL character"),
        (HEAD.encode() + b"0,1,2\n1,\xff,3\n", "m.csv:3: not UTF-8 (the byte 0xff)"),
        ((HEAD + ROWS).encode("utf-16"), "m.csv: in UTF-16; save it as UTF-8"),
        (b"PK\x03\x04", "m.csv: a spreadsheet or a zip archive"),
        (b"\x1f\x8b\x08\x00", "m.csv: compressed; unpack it first"),
        ("x" * 10_000_000, "m.csv:1: a header of more than 1,048,576 bytes"),
        (HEAD + "0," + "9" * 10_000_000 + ",2\n1,2,3\n", "m.csv:2: p: `999|...` is not a number"),
    ],
    ids=lambda given: repr(given)[:24],
)
def test_metrics_that_cannot_be_watched(folder, content, says):
    told(refused(folder, "watch", wrote(folder, "m.csv", content), *WATCH, "--out", "page"), says)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--every", "-1 s"), "--every: a time cannot be negative; write e.g. `1 s`"),
        (("--every", "0 s"), "--every: expected a time above 0"),
        (("--every", "5"), "--every: `5` has no unit; write e.g. `5 s`"),
        (("--reads", "p"), "--reads p: expected MODEL=UPSTREAM"),
        (("--reads", "p=p"), "--reads p=p: a model that reads itself"),
        (("--set", "feedback_spiral.windw=3"), "unknown parameter `windw`; did you mean `window`?"),
        (("--set", "feedback_spiral.window=nan"), "expected a whole number"),
        (("--predictions", "q*"), "no column `q*` (--predictions)"),
        (("--reality", "t"), "column `t` is named twice: --time and --reality"),
    ],
)
def test_options_of_watch_that_cannot_be_meant(folder, more, says):
    wrote(folder, "m.csv", HEAD + ROWS)
    told(refused(folder, "watch", "m.csv", *WATCH, *more), says)


def test_a_mark_of_utf_8_is_read_past(folder):
    answer = knock(folder, "watch", wrote(folder, "m.csv", "\ufeff" + HEAD + ROWS), *WATCH)
    assert answer.code in (0, 1), answer.err


HOUSES = """\
schema: 1
title: House prices
story: Ten firms and a record of how many sellers ask them.
world: {house_pricing: {}}
brain: {ridge: {}}
run: {replications: 2, horizon: 20 week, seed: 7}
trace: {reach: {file: FILE, time: t, unit: UNIT, gap: 1 week}}
arms: {isolated: {topology: isolated}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
"""
WEEK = 604_800


def record(change: dict[int, tuple[object, object]] | None = None, *, without: int = -1) -> pd.DataFrame:
    """30 weeks of a record, with rows replaced and one left out."""
    rows: list[tuple[object, object]] = [(i * WEEK, 0.01 * (i % 9)) for i in range(30)]
    for at, row in (change or {}).items():
        rows[at] = row
    return pd.DataFrame([row for i, row in enumerate(rows) if i != without], columns=["t", "reach"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("table", "unit", "place", "says"),
    [
        (record(without=7), "'1'", 8, "t: a gap of 1.2096e+06 s before it, and at most 604,800 s are read"),
        (record({7: (5 * WEEK, 0.1)}), "'1'", 8, "t: time goes back, from 3628800 to 3024000; sort the file\n"),
        (record({7: (6 * WEEK, 0.1)}), "'1'", 8, "t: 3628800 stands twice (rows that repeat a time: 1); keep one row an instant\n"),
        (record({7: (7 * WEEK, -0.1)}), "'1'", 8, "must be at least 0, not -0.1"),
        (record({7: (7 * WEEK, np.nan)}), "'1'", 8, "reach: no number, and nothing is filled in"),
        (record(), "1/week", 0, "trace.reach.unit: `1/week` is not the unit of reach|give it in 1"),
        (record()[:0], "'1'", 0, "no rows"),
        (record().astype(str).replace("0.03", "=0.03"), "'1'", 4, "reach: `=0.03` is not a number"),
    ],
    ids=["gap", "unsorted", "repeated", "negative", "unknown", "unit", "empty", "formula"],
)  # fmt: skip
def test_records_of_houses_that_cannot_be_followed(folder, kind, table, unit, place, says):
    file = f"reach.{kind}"
    if kind == "csv":
        table.to_csv(folder / file, index=False)
    else:
        table.to_parquet(folder / file)
    wrote(folder, "h.yaml", HOUSES.replace("FILE", file).replace("UNIT", unit))
    said = refused(folder, "validate", "h.yaml")
    told(said, says)
    assert said.startswith("h.yaml:7:")
    if place:
        assert (f"{file}:{place + 1}: " if kind == "csv" else f"{file}: row {place}: ") in said


def test_a_sound_record_of_houses_is_followed(folder):
    record().to_csv(folder / "reach.csv", index=False)
    wrote(folder, "h.yaml", HOUSES.replace("FILE", "reach.csv").replace("UNIT", "'1'"))
    assert knock(folder, "validate", "h.yaml").code == 0


SHOP = "schema: 1\ntitle: x\n"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (SHOP + "models: {a: {raeds: []}}", "3:14", "models.a.raeds: unknown key|did you mean `reads`?"),
        (SHOP + "models: {a: {reads: [b]}, b: {reads: [a]}}", "3:22", "`a` -> `b` -> `a` is a circle within one instant"),
        (SHOP + "models: {a: {reads: [a]}}", "3:22", "`a` depends on itself"),
        (SHOP + "models:\n  a: {}\n  a: {}", "5:3", "duplicate key `a`, on lines 4 and 5"),
        (SHOP + "models: {a: {replicas: 1000000000}}", "3:14", "models.a.replicas: unknown key"),
        (SHOP + "compute: {c: {slots: 1000000000}}\nmodels: {a: {runs_on: [c]}}", "3:22", "must be at most 1000000"),
        (SHOP + "models: {" + ", ".join(f"m{i}: {{}}" for i in range(1000)) + "}", "1:1", "1000 parts; at most 400 are audited"),
        (SHOP + "models: {a: {traffic: .nan}}", "3:23", "`.nan` is not a finite number"),
        (GOOD, "4:1", "world: unknown key"),
        ("", "1:1", "the file is empty"),
        (b"\x7fELF\xff", "1:5", "byte 0xff is not valid UTF-8"),
    ],
    ids=lambda given: repr(given)[:24],
)  # fmt: skip
def test_architectures_that_are_not_audited(folder, text, place, says):
    said = refused(folder, "audit", wrote(folder, "a.yaml", text), "--out", "page")
    told(said, says)
    assert f"a.yaml:{place}: " in said


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("look\nkil\n", "s.txt:2: unknown verb `kil`; did you mean `kill`?|1 problem; nothing was played"),
        (b"\x7fELF\x00\xff\xfe", "cannot read `s.txt`: it is not UTF-8 text"),
        ("", "s.txt: no verb in it; write one a line, e.g. `look`"),
        ("# a remark\n\n", "s.txt: no verb in it"),
        ("look\n\x1b[31mkill\n", "s.txt:2: |characters that cannot be seen"),
        ("wait nan s\nwait -1 s\n", "s.txt:1: cannot wait `nan s`|s.txt:2: cannot wait `-1 s`|2 problems"),
        ("kill 99\n", "s.txt:1: models are numbered 0 to 63, so `99` names none"),
        ("x" * 100_000, "`s.txt` is larger than 64,000 bytes"),
    ],
    ids=lambda given: repr(given)[:24],
)
def test_scripts_that_are_not_played(folder, script, says):
    wrote(folder, "s.txt", script)
    told(refused(folder, "drill", "--seed", "1", "--script", "s.txt", "--out", "page"), says)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--script", "none.txt"), "cannot read `none.txt`: No such file"),
        (("--script", "void"), "cannot read `void`: Is a directory"),
        (("--script", "/dev/zero"), "larger than 64,000 bytes"),
        (("--seed", "-1"), "-1 is not in the range"),
        (("--seed", str(2**200)), "seed must be a whole number from 0 to 2^64 - 1"),
        (("--think", "nan"), "'--think': nan is not a finite number"),
        (("--think", "inf"), "'--think': inf is not a finite number"),
        (("--symptom", "cost"), "did you mean `costs`?"),
    ],
)
def test_options_of_a_drill_that_cannot_be_meant(folder, more, says):
    wrote(folder, "s.txt", "done\n")
    told(refused(folder, "drill", "--script", "s.txt", *more), says)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("gone.py", None, "no file `gone.py`"),
        ("bad.py", "def f(:\n", "bad.py: line 1: invalid syntax"),
        ("nul.py", b"\0\xff", "nul.py: source code string cannot contain null bytes\n"),
        ("leaves.py", "import sys\nsys.exit(0)\n", "leaves.py: cannot be imported: SystemExit: 0"),
        ("throws.py", "raise GeneratorExit\n", "throws.py: cannot be imported: GeneratorExit"),
        ("deep.py", "def f(): f()\nf()\n", "deep.py: cannot be imported: RecursionError"),
        ("bare.py", "x = 1\n", "bare.py: holds no class derived from World, Brain, Intervention, Detector"),
        ("no.such.module", None, "no such module `no`"),
        ("/dev/zero", None, "`/dev/zero` is neither a file, a module nor installed"),
    ],
    ids=lambda given: str(given)[:24],
)
def test_plugins_that_are_none(folder, monkeypatch, name, text, says):
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    if text is not None:
        wrote(folder, name, text)
    told(refused(folder, "run", "f.yaml", "--plugin", name, "--out", "out", code=5), says)


@pytest.mark.parametrize(
    ("option", "given", "says"),
    [
        *(
            ("--shard", given, f"cannot read `{given}` as a shard; write e.g. `2/8`")
            for given in ("0/3", "5/3", "x/y", "1/0", "-1/3", "1", "1/3/5", "1/1000000000", "", "\u0663/\u0663")
        ),
        ("--executor", "foo", "unknown executor `foo`; known: dask, dask:ADDRESS, local"),
        ("--executor", "Local", "did you mean `local`?"),
        ("--executor", "dask:", "unknown executor `dask:`; did you mean `dask`?"),
        ("--jobs", "0", "0 is not in the range"),
        ("--jobs", "99999999999999999999", "is not in the range"),
        ("--until", "harm<=nan", "cannot read `harm<=nan` as something to wait for"),
    ],
)
def test_plans_that_are_none(folder, option, given, says):
    told(refused(folder, "run", "f.yaml", option, given, "--out", "out"), says)


@needs_dask
@pytest.mark.parametrize(
    "command", ["run f.yaml", "run f.yaml --shard 1/2", "sweep f.yaml world.flash_crash.limit=70,80", "study shop.yaml"]
)
def test_a_scheduler_that_is_not_there(folder, monkeypatch, command):
    """What starts one is said, and nothing stays of the directories that were made."""
    monkeypatch.setattr(executors, "PATIENCE", 0.2)
    wrote(
        folder, "shop.yaml", GOOD + "studies: {a: {title: a, because: a, sweep: {world.flash_crash.limit: [70, 80]}}}\n"
    )
    said = refused(folder, *command.split(), "--executor", "dask:tcp://127.0.0.1:9", "--out", "new/one", most=5.0)
    told(said, "executor `dask:tcp://127.0.0.1:9`: no scheduler answers there (|start one with `dask scheduler`")
    told(said, "workers with `dask worker tcp://127.0.0.1:9`, or leave `--executor` out\n")


LONG = "a" * 300


@pytest.mark.parametrize(
    ("command", "place", "code", "says"),
    [
        ("merge", "void", 2, "void: no shards are there; `simlab run SCENARIO --shard 1/8` plays one"),
        ("merge", "{run}", 2, "no shards are there"),
        ("merge", "f.yaml", 2, "f.yaml: no shards are there"),
        ("merge", LONG, 4, "File name too long"),
        ("merge", "\x1b[31mred", 2, "\ufffd[31mred: no shards are there"),
        ("verify", "void", 4, "void: neither a run nor a sweep"),
        ("verify", "nowhere", 4, "nowhere: no such directory"),
        ("verify", "f.yaml", 4, "f.yaml: not a directory"),
        ("verify", LONG, 4, "File name too long"),
        ("verify", "\x1b[31mred", 4, "\ufffd[31mred: no such directory"),
    ],
)
def test_what_is_neither_merged_nor_sound(folder, finished, command, place, code, says):
    before = tree(finished)
    told(refused(folder, command, place.format(run=finished), code=code), says)
    assert tree(finished) == before
