"""`simlab new`: what it writes passes its own tests, and it overwrites nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simlab._door.creating import create
from simlab.base.errors import InputError, StorageError

ROOT = Path(__file__).parents[1]
FILES = ["README.md", "corner_shops.py", "corner_shops.yaml", "pytest.ini", "test_corner_shops.py"]


def python(*args, cwd):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def simlab(*args, cwd):
    return python("-m", "simlab", *args, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("new")
    done = simlab("new", "corner_shops", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "simlab run corner_shops.yaml --plugin corner_shops.py" in done.stdout
    return place / "corner_shops"


def test_its_own_tests_pass(folder):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", ".", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


def test_it_plays_in_workers_and_an_opened_run_asks_for_its_plugin(folder):
    command = ("corner_shops.yaml", "--plugin", "corner_shops.py", "--replications", "4")
    done = simlab("run", *command, "--jobs", "2", "--out", "out", "--set", "run.horizon=20 day", cwd=folder)
    assert done.returncode in (0, 1), done.stderr  # so few days hold no claim
    page = (folder / "out" / "report.html").read_text("utf-8")
    assert "--plugin corner_shops.py" in page  # the command that reproduces it
    done = simlab("compare", "out", "out", cwd=folder)
    assert done.returncode == 2
    assert "give `--plugin corner_shops.py`, with its path, or in Python `using=[CornerShops]`" in done.stderr
    done = simlab("export", "out", "--prometheus", "metrics", "--plugin", "corner_shops.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = simlab("validate", "corner_shops.yaml", "--plugin", "corner_shop.py", cwd=folder)
    assert done.returncode == 5
    assert "did you mean `corner_shops.py`?" in done.stderr


def test_without_the_plugin_nothing_is_imported(folder):
    done = simlab("validate", "corner_shops.yaml", cwd=folder)
    assert done.returncode == 2
    assert "unknown world `corner_shops`" in done.stderr
    assert "--plugin" in done.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Corner-Shops", "simlab new corner_shops"),
        ("policing", "one of simlab's worlds; write e.g. `simlab new my_policing`"),
        ("ridge", "one of simlab's brains"),
        ("cascade_seams", "one of simlab's scenarios"),
        ("queue", "would hide yours; write e.g. `simlab new my_queue`"),
        ("class", "simlab new my_class"),
        ("9lives", "simlab new lives"),
        ("", "simlab new my_world"),
        ("../up", "simlab new up"),
        ("x" * 41, f"simlab new {'x' * 40}`"),
    ],
)
def test_a_name_that_cannot_be_used_is_told_with_one_that_can(tmp_path, name, says):
    with pytest.raises(InputError) as caught:
        create(name, tmp_path)
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_nothing_left_half_done(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="is there already"):
        create("mine", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="nothing was written"):
        create("mine", tmp_path / "file")

    def full(*args, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(StorageError, match="No space left on device; nothing was written"):
        create("other", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]
