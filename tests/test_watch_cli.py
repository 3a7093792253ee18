"""`simlab watch` as a user meets it: what is printed, the JSON, the page and the exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from simlab.__main__ import main
from simlab.base.errors import StorageError
from simlab.results.times import date_of
from simlab.studies.watching import watch_file
from simlab.views.watching import compose, told, write
from tests.studies.test_watching import correlated, quiet
from tests.views.parsed import Page

HOW = ("--time", "t", "--predictions", "p*", "--reality", "y", "--detectors", "model_correlation,prediction_cascade")
AWKWARD = '<script>alert("1")</script> $\\frac{$ & 市场'


def watch(*args, cwd=None):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}  # no HOME, no display, no locale
    command = [sys.executable, "-m", "simlab", "watch", *args]
    return subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def here(monkeypatch, capsys):
    """The command in this process, which saves its imports: exit code, stdout and stderr."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["simlab", "watch", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("metrics")
    quiet(1).to_csv(path / "quiet.csv", index=False)
    correlated(1).to_csv(path / "alike.csv", index=False)
    correlated(1).to_parquet(path / "alike.parquet")
    (path / "broken.csv").write_text("t,p0,y\n1,2,3\n2,oops,3\n")
    return path


def test_no_alarm_is_0_and_an_empty_list(here, folder):
    code, out, err = here(folder / "quiet.csv", *HOW)
    assert (code, err) == (0, "")
    assert "No alarm; 1 detector could tell, and stayed below the threshold by the statistical rule." in " ".join(
        out.split()
    )
    assert "could not tell: nobody said which model reads which: give --reads." in " ".join(out.split())
    code, out, err = here(folder / "quiet.csv", *HOW, "--json")
    assert (code, out) == (0, "[]\n")
    assert "By the statistical rule" in err


def test_an_alarm_is_1_and_an_object_with_four_keys(folder):
    """In a process of its own: the streams and the code that a pipeline sees."""
    done = watch("alike.csv", *HOW, "--json", cwd=folder)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found
    assert all(list(alarm) == ["detector", "time", "value", "threshold"] for alarm in found)
    assert found[0]["detector"] == "model_correlation"
    assert found[0]["value"] > found[0]["threshold"]
    assert done.stdout.count("\n") == 1
    assert "1 of 2 detectors alarmed by the statistical rule; model correlation at" in " ".join(done.stderr.split())
    assert "Look for what the models share" in done.stderr
    assert "400 instants, 1 min apart in the median, read as 400 scrapes of 1 row" in done.stderr


def test_parquet_says_the_same(here, folder):
    one, other = (here(folder / name, *HOW, "--json") for name in ("alike.csv", "alike.parquet"))
    assert one[:2] == other[:2]


def test_the_rule_decides_which_alarms_count(here, folder):
    popular = "--set", "model_correlation.of=decisions", "--rule"
    counted = {
        rule: json.loads(here(folder / "alike.csv", *HOW, "--json", *popular, rule)[1])
        for rule in ("record", "seed", "both")
    }
    assert {alarm["threshold"] for alarm in counted["seed"]} <= {0.8}
    assert len(counted["both"]) == len(counted["record"]) + len(counted["seed"])
    assert all(list(alarm) == ["detector", "time", "value", "threshold", "rule"] for alarm in counted["both"])
    code, out, _ = here(folder / "alike.csv", *HOW, "--rule", "seed", "--set", "model_correlation.least=1000")
    assert code == 0
    assert "By the statistical rule, which does not count here" in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("broken.csv", "--time", "t", "--predictions", "p0", "--reality", "y"), "broken.csv:3: p0: `oops` is not a number"),
        (("broken.csv", "--time", "t", "--predictions", "p1", "--reality", "y"), "no column `p1` (--predictions); (columns: t, p0, y)"),
        (("missing.csv", "--time", "t", "--predictions", "p0", "--reality", "y"), "missing.csv: no such file"),
        (("quiet.csv", "--time", "t", "--predictions", "p0"), "Missing option '--reality'"),
        (("quiet.csv", *HOW, "--every", "5"), "`5` has no unit"),
        (("quiet.csv", *HOW, "--rule", "seeds"), "--rule"),
        (("quiet.csv", *HOW, "--detectors", "model_corelation"), "did you mean `model_correlation`?"),
    ],
)  # fmt: skip
def test_bad_input_is_2_and_writes_nothing(here, folder, monkeypatch, args, says):
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir())
    code, out, err = here(*args, "--out", "out", "--json")
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_bad_input_is_told_quickly(folder):
    """Processor seconds, as the machine may be busy: 0.3 for a missing column and 0.7 for a bad cell, which takes pandas."""
    import resource

    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    for column, most in (("p1", 1.0), ("p0", 2.0)):
        before = spent()
        done = watch("broken.csv", "--time", "t", "--predictions", column, "--reality", "y", cwd=folder)
        assert done.returncode == 2
        assert spent() - before < most


def test_help_tells_the_treatment(here):
    code, out, _ = here("--help")
    assert code == 0
    for word in (
        "NaN",
        "infinities",
        "gaps",
        "zones",
        "--sort",
        "--average",
        "cut short",
        "Exit codes: 0 no alarm; 1 an alarm",
    ):
        assert word in out


def test_a_page_and_its_figures(here, folder, tmp_path):
    code, out, _ = here(folder / "alike.csv", *HOW, "--out", tmp_path / "out")
    assert code == 1
    assert f"report: {tmp_path / 'out' / 'watch.html'}" in out
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"watch.html", "figures/watch.svg", "figures/watch_narrow.svg"}
    before = {name: (tmp_path / "out" / name).read_bytes() for name in written}
    here(folder / "alike.csv", *HOW, "--out", tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in written} == before
    page = before["watch.html"].decode()
    assert unescape(re.search(r"<pre>(.*?)</pre>", page)[1]).startswith(
        f"simlab watch {folder / 'alike.csv'} --time t --predictions 'p*'"
    )


def test_what_cannot_be_written_is_4(here, folder, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, _, err = here(folder / "quiet.csv", *HOW, "--out", tmp_path / "file")
    assert code == 4
    assert "a file, and a directory is wanted here" in err
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="a symbolic link"):
        write(
            watch_file(folder / "quiet.csv", time="t", predictions="p*", reality="y", detectors="prediction_cascade"),
            tmp_path / "out",
            "simlab watch",
        )
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not list((tmp_path / "out").glob("*.html"))


@pytest.fixture(scope="module")
def awkward(tmp_path_factory):
    """A recording whose file, columns and times are hostile; its page and its figures."""
    path = tmp_path_factory.mktemp("odd") / "<b>&.csv"
    table = correlated(1).rename(
        columns={"p0": AWKWARD, "p1": "\x1b[31mred", "y": "$\\frac{$", "f1": "=cmd|' /C calc'!A0"}
    )
    table.to_csv(path, index=False)
    how = {"time": "t", "predictions": '<script>*,*red,"p2,p3"', "reality": "$\\frac{$", "features": "=cmd*"}
    watching = watch_file(path, **how | {"predictions": "<script>*,*red,p2,p3"}, reads=("p3=p2",))
    return watching, *compose(watching, f"simlab watch {path}")


def test_every_text_is_shown_as_text(awkward):
    watching, page, drawn = awkward
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    assert not {"script", "b", "iframe", "object", "form", "img"} & {tag for tag, _ in parsed.tags}
    assert "<script" not in page + "".join(one.file() for one in drawn)
    assert "&lt;b&gt;&amp;.csv" in page
    said = " ".join(f"{section.heading} {section.text} {section.rows}" for section in told(watching))
    assert "\x1b" not in page + said


def test_the_page_asks_nothing_of_anyone_and_runs_nothing(awkward):
    _, page, _ = awkward
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    parsed = Page(page)
    assert any(tag == "meta" and a.get("content", "").startswith(policy) for tag, a in parsed.tags)
    assert "//" not in page
    for tag, a in parsed.tags:
        assert not [name for name in a if name.startswith("on")]
        assert a.get("href", "#").startswith(("#", "data:,")), tag
        assert "src" not in a
    assert not re.findall(r"url\((?!#)", page)


def test_the_page_says_what_was_found(awkward):
    watching, page, drawn = awkward
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Alarms",
        "What to do",
        "What was done to the data",
        "What a reading is",
        "Watch it again",
    ]
    assert page.index('class="verdict"') < page.index("<svg") < page.index("<h2>")
    assert [one.name for one in drawn] == ["watch", "watch_narrow"]
    (first, *_) = watching.alarms
    for told_ in (page, drawn[0].alt):
        assert str(first.time) in told_
    assert "sum(model_dependencies) &gt; 3" in page


@pytest.mark.parametrize(
    ("per", "first", "date"),
    [
        (1, 1_700_000_000, "2023-11-14T22:13:20Z"),
        (1000, 1_700_000_000_123, "2023-11-14T22:13:20.123000Z"),
        (10**9, 1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
        (1, 0, ""),
        (1, 86_400, ""),
    ],
)
def test_epochs_are_shown_as_dates_too(tmp_path, per, first, date):
    """1,700,000,000 s after 1970 is 2023-11-14, 22:13:20 in UTC; a clock that begins at 0 is no epoch."""
    table = correlated(1)
    table["t"] = first + per * table["t"].astype("int64")
    table.to_csv(tmp_path / "m.csv", index=False)
    watching = watch_file(tmp_path / "m.csv", time="t", predictions="p*", reality="y", detectors="model_correlation")
    alarm = watching.alarms[0]
    said = " ".join(f"{section.text} {section.rows}" for section in told(watching))
    assert date_of(first) == date
    assert watching.plain()[0]["time"] == alarm.time  # JSON has it as the file does
    later = date_of(alarm.time)
    assert bool(later) == bool(date)
    shown = f"at {alarm.time} ({later})" if later else f"at {alarm.time} ("
    assert shown in said
    assert (f"{alarm.time} ({later})" if later else str(alarm.time)) in compose(watching, "simlab watch")[0]


def test_the_chance_of_a_false_alarm_is_that_of_this_file(folder):
    """1 - (1 - 1/10,000)^(k - 60) for drift after its reference, and for the passive spiral at most 0.0005 a scrape from the 20th on."""
    found = watch_file(folder / "quiet.csv", time="t", predictions="p*", reality="y", features="f*")
    k = len(found.sights[0].times)
    (drift,) = (note for note in found.notes if note.startswith("drift_acceleration:"))
    assert f"in the {k - 60:,} scrapes of this file after the reference the chance of a false alarm is" in drift
    assert float(drift.rpartition(" ")[2].rstrip("%")) == pytest.approx(100 * (1 - 0.9999 ** (k - 60)), rel=0.06)
    assert "which 2 features share" in drift
    (spiral,) = (note for note in found.notes if note.startswith("feedback_spiral:"))
    assert float(spiral.rpartition(" ")[2].rstrip("%")) == pytest.approx(min(100 * 0.0005 * (k - 20), 100), rel=0.06)
