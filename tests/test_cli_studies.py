"""`simlab sweep` and `simlab study` as a user meets them."""

import json
from html import unescape

import pytest
from click.testing import CliRunner

from simlab import load
from simlab.__main__ import cli
from simlab.base.errors import StorageError
from simlab.scenario.problems import ScenarioError
from simlab.studies import plan
from tests.studies.market import YAML
from tests.test_cli import simlab

STUDIES = """\
studies:
  limits:
    title: How much a trader may hold
    because: half and twice what was fitted
    sweep: {world.flash_crash.limit: [70, 280]}
    arms: [isolated, shared]
    replications: 30
  latency:
    because: from at once to the end
    sweep: {arms.*.interventions.0.kill_switch.latency.median: "0 s:10 s:2"}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.yaml").write_text(YAML + STUDIES)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["sweep", "mine.yaml"], "PATH=VALUES"),
        (["sweep", "mine.yaml", "world.flash_crash.limit"], "expected path=values"),
        (["sweep", "mine.yaml", "world.flash_crash.limt=1,2"], "did you mean `limit`?"),
        (["sweep", "mine.yaml", "world.flash_crash.limit=1,-2"], "must be at least 0, not -2"),
        (["sweep", "mine.yaml", "world.flash_crash.limit=1:2", "--design", "lhs"], "how many points `lhs` draws"),
        (["sweep", "mine.yaml", "world.flash_crash.limit=1,2", "--arms", "isolated,shred"], "did you mean `shared`?"),
        (["sweep", "mine.yaml", "world.flash_crash.limit=1,2", "--measure", "los"], "did you mean `loss`?"),
        (["sweep", "mine.yaml", "world.flash_crash.limit=1,2", "--stat", "meen"], "did you mean `mean`?"),
        (["sweep", "mine.yaml", "run.seed=1,2"], "cannot vary from point to point"),
        (["study", "mine.yaml", "--only", "limts"], "did you mean `limits`?"),
        (["study", "policing.yaml"], "no file `policing.yaml`"),
    ],
)
def test_a_mistake_is_told_with_its_remedy_and_exit_2(folder, args, says):
    done = simlab(*args, cwd=folder)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == ["mine.yaml"]


OTHER_HAND = ("--set", "arms.killed.interventions=[{throttle: {at: 2 s}}]")


def test_a_study_that_other_values_leave_nothing_to_vary_keeps_nobody_from_a_run(folder, monkeypatch):
    """`run` says so and plays; whoever asks for that study, or for everything that is wrong, is refused; another one is not."""

    def no(*_: object, **__: object) -> None:
        raise StorageError("as far as this")

    monkeypatch.chdir(folder)
    monkeypatch.setattr("simlab.studies.run.run", no)
    ran = CliRunner().invoke(cli, ["run", "mine.yaml", *OTHER_HAND], standalone_mode=False)
    assert ran.output.startswith("the study `latency` cannot be played with these values: ")
    assert ran.output.endswith("as far as this\n")
    for command in (("validate", "mine.yaml"), ("study", "mine.yaml"), ("study", "mine.yaml", "--only", "latency")):
        refused = CliRunner().invoke(cli, [*command, *OTHER_HAND], standalone_mode=False)
        assert isinstance(refused.exception, ScenarioError), command
        assert "mine.yaml:" in str(refused.exception)
    assert [
        study.name for study in load("mine.yaml", arms__killed__interventions=[{"throttle": {"at": "2 s"}}]).studies
    ] == ["limits"]
    (folder / "mine.yaml").write_text((YAML + STUDIES).replace("interventions.0", "interventions.7"))
    with pytest.raises(ScenarioError, match="interventions"):  # what is wrong in the file itself is wrong for everybody
        load("mine.yaml")


def test_sweep_prints_its_verdict_and_leaves_a_page(folder):
    axes = ["world.flash_crash.limit=70,280", "arms.shared.topology=shared,isolated"]
    done = simlab("sweep", "mine.yaml", *axes, "--arms", "isolated,shared", "--jobs", "1", "--seed", "5", cwd=folder)
    assert done.returncode == 0, done.stderr
    (place,) = (folder / "results" / "mine").iterdir()
    assert place.name.startswith("sweep-")
    verdict, report, index = done.stdout.splitlines()
    assert report == f"report: results/mine/{place.name}/report.html"
    assert index == "index: results/index.html"
    assert f'href="mine/{place.name}/report.html"' in (folder / index.removeprefix("index: ")).read_text("utf-8")
    page = (place / "report.html").read_text("utf-8")
    command = "simlab sweep mine.yaml world.flash_crash.limit=70,280 arms.shared.topology=shared,isolated --arms isolated,shared"
    assert f"{command} --replications 32 --seed 5" in page
    assert verdict.partition(";")[0] in unescape(page)
    assert (place / "sweep.csv").read_text().startswith("point,limit,topology,arm,n,")
    assert simlab("index", "results/mine", cwd=folder).returncode == 0
    alone = (folder / "results" / "mine" / "index.html").read_text("utf-8")
    assert alone.count("<li>") == 1  # of the sweep; its points have none


def test_a_study_s_dry_run_tells_of_the_run_and_of_each_study_and_writes_nothing(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(plan, "SECONDS", 0.02)
    done = CliRunner().invoke(cli, ["study", "mine.yaml", "--dry-run", "--json", "--jobs", "1"], standalone_mode=False)
    assert (done.exception, done.return_value) == (None, 0)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("study") for one in found] == [None, "limits", "latency"]
    assert [(one["points"], one["replications"]) for one in found] == [(1, 32), (2, 30), (2, 32)]
    all_, drills = done.stderr.splitlines()[-1].removeprefix("mine, in all: about ").split("; ")
    seconds, of_memory, of_disk = all_.split(", ")
    assert float(seconds.removesuffix(" s")) == pytest.approx(sum(one["seconds"] for one in found), rel=0.06)
    assert of_memory == f"{plan.size(max(one['memory'] for one in found))} of memory"
    assert of_disk == f"{plan.size(sum(one['disk'] for one in found))} of disk"
    assert drills == "its readiness drills, which are held too, are not counted"
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]


def test_study_plays_the_run_and_its_studies_and_adds_them_to_the_report(folder):
    done = simlab("study", "mine.yaml", "--jobs", "1", "--out", "out", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["studies"]) == ["limits", "latency"]
    assert found["studies"]["limits"]["replications"] == 30
    assert found["studies"]["latency"]["replications"] == 32
    assert [row["values"] for row in found["studies"]["latency"]["rows"]] == [["0 s"], ["10 s"]]
    assert "limits: " in done.stderr
    assert found["readiness"]["of"] == 7
    assert "readiness of isolated: " in done.stderr
    page = (folder / "out" / "report.html").read_text("utf-8")
    assert "Study: How much a trader may hold" in page
    assert "half and twice what was fitted" in page
    assert "Is it ready?" in page
    own = (folder / "out" / "studies" / "limits" / "report.html").read_text("utf-8")
    assert "simlab study mine.yaml --replications 32 --seed 3 --only limits" in own
    again = simlab("run", "mine.yaml", "--jobs", "1", "--out", "out", cwd=folder)
    assert again.returncode == 0
    assert (folder / "out" / "report.html").read_text("utf-8") == page  # found done, with its studies
    less = simlab("study", "mine.yaml", "--only", "limits", "--out", "out", "--quiet", cwd=folder)
    assert (less.returncode, less.stdout, less.stderr) == (0, "", "")
