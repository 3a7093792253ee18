"""`simlab compare` and `simlab run --until` as a user meets them."""

import json

import pytest

from simlab import load
from simlab import run as play
from tests.test_cli import YAML, simlab


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.yaml").write_text(YAML.replace("replications: 2", "replications: 30"))
    return tmp_path


def test_two_arms_and_then_two_runs(folder):
    arms = simlab("compare", "mine.yaml", "isolated", "shared", "--jobs", "1", "--json", "--out", "page", cwd=folder)
    assert arms.returncode == 0, arms.stderr
    found = json.loads(arms.stdout)
    assert (found["seed"], found["replications"], found["pairs"][0]["b"]) == (1, 30, "shared")
    assert (folder / "page" / "comparison.html").is_file()
    (run,) = (path for path in (folder / "results" / "mine").iterdir() if path.is_dir())
    assert (run / "report.html").is_file()
    again = simlab("compare", str(run), "isolated", "shared", "--json", cwd=folder)
    assert json.loads(again.stdout)["pairs"] == found["pairs"]

    limit, seed = {"world__flash_crash__limit": 100}, {"run__seed": 5}
    for name, changed in (("b", limit), ("c", seed)):
        play(load(folder / "mine.yaml", **changed), jobs=1, out=folder / name)
    both = simlab("compare", str(run), "b", "--arm", "shared", cwd=folder)
    assert both.returncode == 0
    assert "world.flash_crash.limit: 47 -> 100" in both.stdout
    assert "“shared”: B against A" in both.stdout
    apart = simlab("compare", str(run), "c", cwd=folder)
    assert apart.returncode == 2
    assert "not paired" in apart.stderr
    assert "seed: 1 -> 5" in apart.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["compare", "mine.yaml", "isolated", "shred"], 2, "unknown arm `shred`; did you mean `shared`?"),
        (["compare", "mine.yaml", "shared", "shared"], 2, "compared with itself"),
        (["compare", "mine.yaml"], 2, "name a scenario and two of its arms, or two run directories"),
        (["compare", "mine.yaml", "isolated", "shared", "--arm", "shared"], 2, "two run directories (and there --arm)"),
        (["compare", "a", "b"], 4, "not a run directory"),
        (["compare", "mine", "isolated", "shared"], 2, "`mine` is neither a scenario nor the directory of a run"),
        (["compare", "results/mine", "isolated", "shared"], 2, "`results/mine` is neither a scenario nor"),
        (["compare", ".", "isolated", "shared"], 4, ".: not a run directory"),
        (["compare", "a", "b", "--seed", "3"], 2, "are for a scenario"),
        (["run", "mine.yaml", "--until", "harm<0.1"], 2, "cannot read `harm<0.1`"),
    ],
)
def test_a_mistake_is_told_before_anything_is_played(folder, args, code, says):
    done = simlab(*args, cwd=folder)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["mine.yaml"]


def test_until_an_interval_is_narrow(folder):
    done = simlab("run", "mine.yaml", "--until", "harm<=0.04", "--jobs", "1", "--json", "--out", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["replications"] == found["until"]["replications"] > 30
    assert found["until"]["reached"] <= 0.04
    assert f"stopped at {found['replications']} replications: P(harm) ±" in done.stderr
    assert play(load(folder / "mine.yaml", run__until="harm<=0.04"), out=folder / "out").summary == {
        key: value for key, value in found.items() if key != "run"
    }  # found done there
