"""The command line as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

YAML = """\
schema: 1
title: "[red]Inert[/red] <script>"
story: A small run.
world: {flash_crash: {traders: 4}}
brain: {ridge: {}}
run: {replications: 2, horizon: 1 min}
harm: {measure: drawdown, above: 0.03}
arms: {isolated: {topology: isolated}, shared: {topology: shared}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
"""


def simlab(*args, cwd=None, env=None, **more):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **(env or {})}  # no HOME, no display, no locale
    command = [sys.executable, *more.pop("flags", ()), "-m", "simlab", *args]
    return subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, timeout=120, **more)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.yaml").write_text(YAML)
    return tmp_path


def test_help_is_quick_and_imports_nothing_heavy():
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = simlab("--help", flags=["-X", "importtime"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "..." not in done.stdout.replace("[ARGS]...", "")  # what a command is for fits into its line
    assert "click" in imported
    heavy = {"numpy", "simpy", "scipy", "pandas", "xarray", "pydantic", "ruamel", "rich", "matplotlib", "networkx"}
    assert imported.isdisjoint(heavy | {"tempfile", "statistics", "asyncio", "multiprocessing", "concurrent"})
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3
    )  # 0.07 s here; tracing and slow machines


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["vaildate", "x"], "did you mean `validate`?"),
        (["run", "x", "--sed", "3"], "--seed"),
        (["run"], "SCENARIO"),
        (["run", "x", "--jobs", "0"], "--jobs"),
        (["run", "x", "--seed", "abc"], "--seed"),
        (["validate", "no_such"], "no scenario is called `no_such`"),
        (["validate", "../../x.yaml"], "no file `../../x.yaml`"),
        (["run", "mine.yaml", "--set", "run.sead=3"], "did you mean `seed`?"),
        (["run", "mine.yaml", "--set", "run"], "expected path=value"),
        (["run", "mine.yaml", "--replications", "0"], "must be at least 1, not 0"),
        (["run", "mine.yaml", "--set", "world.os.system={}"], "unknown world"),
        (["trace", "mine.yaml", "--arm", "shred", "--replication", "0"], "did you mean `shared`?"),
        (["trace", "mine.yaml", "--arm", "shared", "--replication", "0", "--ticks", "x"], "`100:120`"),
    ],
)
def test_a_mistake_is_told_with_its_remedy_and_exit_2(folder, args, says):
    done = simlab(*args, cwd=folder)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == ["mine.yaml"]


def test_nothing_is_run_unless_all_scenarios_are_valid(folder):
    (folder / "bad.yaml").write_text(YAML.replace("horizon", "horzon"))
    done = simlab("run", "mine.yaml", "bad.yaml", cwd=folder)
    assert done.returncode == 2
    assert "bad.yaml:6:24: run.horzon: unknown key" in done.stderr
    assert done.stderr.endswith("1 problem; nothing was run\n")
    assert not (folder / "results").exists()


def test_validate_and_describe(folder):
    assert simlab("validate", "mine.yaml", cwd=folder).stdout == "mine: valid; 2 arms, 2 controls, 0 claims\n"
    told = simlab("describe", "mine.yaml", cwd=folder).stdout
    assert told.startswith("[red]Inert[/red] <script>\n")
    assert "traders" in told


def test_list_and_schema_print():
    assert simlab("list").returncode == 0
    assert json.loads(simlab("schema").stdout)["title"] == "simlab scenario"


def test_a_closed_pipe_ends_quietly():
    command = f"{sys.executable} -m simlab schema"
    done = subprocess.run(
        ["sh", "-c", f"{command} | head -n 1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_run_prints_one_object_a_scenario_on_stdout_and_words_on_stderr(folder):
    (folder / "other.yaml").write_text(YAML)
    done = simlab("run", "mine.yaml", "other.yaml", "--json", "--jobs", "1", "--out", "out", "--seed", "4", cwd=folder)
    assert done.returncode == 0, done.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [found["scenario"] for found in objects] == ["mine", "other"]
    assert objects[0]["replications"] == 2
    assert "report: " in done.stderr
    page = (folder / "out" / "mine" / "report.html").read_text("utf-8")
    assert page.index("Told as in mine.yaml; in this run run.seed is 4, not 1.") < page.index("too few for an interval")
    assert (folder / "out" / "other" / "manifest.json").is_file()


def test_runs_in_the_results_folder_have_an_index(folder):
    done = simlab("run", "mine.yaml", "--jobs", "1", cwd=folder)
    assert done.stdout.endswith("index: results/index.html\n")
    page = (folder / "results" / "index.html").read_text("utf-8")
    assert page.count("<li>") == 1
    (folder / "results" / "index.html").unlink()
    assert simlab("index", cwd=folder).stdout == "index: results/index.html\n"
    assert (folder / "results" / "index.html").read_text("utf-8") == page
    (folder / "results" / "index.html").write_text("mine")
    again = simlab("run", "mine.yaml", "--jobs", "1", cwd=folder)
    assert again.returncode == 0
    assert "index: not written (results/index.html: not written by simlab" in again.stdout
    assert simlab("index", cwd=folder).returncode == 4


def test_quiet_is_quiet_and_the_seed_counts(folder):
    done = simlab("run", "mine.yaml", "--quiet", "--jobs", "1", "--seed", "5", "--out", "out", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((folder / "out" / "summary.json").read_text())["seed"] == 5


def test_trace_shows_the_ticks_asked_for(folder):
    done = simlab("trace", "mine.yaml", "--arm", "shared", "--replication", "1", "--ticks", "3:4", "--json", cwd=folder)
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert {step["tick"] for step in steps} == {3, 4}
    assert {"observe", "predict", "act", "react"} <= {step["stage"] for step in steps}
