"""Names and places: what is no scenario, no run and no folder to write into, and the odd machines that people have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_input.door import GOOD, ROOT, apart, knock, refused, tree

METRICS = "t,p,y\n" + "".join(f"{i},{i % 7},{i % 5}\n" for i in range(40))
WATCH = ("watch", "m.csv", "--time", "t", "--predictions", "p", "--reality", "y")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f.yaml").write_text(GOOD)
    (tmp_path / "m.csv").write_text(METRICS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "nowhere").symlink_to("not_there")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../../x", "no file `../../x`"),
        ("/etc/x", "no file `/etc/x`"),
        ("../../x.yaml", "no file `../../x.yaml`"),
        ("CON", "no scenario is called `CON`"),
        ("a" * 300, f"no scenario is called `{'a' * 80}`"),
        ("a" * 300 + ".yaml", "no file `aaa"),
        (".", "`.` is a directory|name a file in it, e.g. `f.yaml`"),
        ("/dev/zero", "`/dev/zero` is not a regular file"),
        ("/proc/self/mem", "f"),
        ("not_here/x.yaml", "there is no folder `not_here`"),
        ("g.yaml", "did you mean `f.yaml`?"),
        ("nowhere", "no scenario is called `nowhere`"),
        ("", "`"),
        ("m.csv", "m.csv:1:1: a scenario is a mapping of keys"),
        ("\x1b[31mred", "no scenario is called `\ufffd[31mred`"),
        ("-x", "No such option"),
        ("os.system", "no scenario is called `os.system`"),
    ],
)
def test_what_is_no_scenario(folder, name, says):
    said = refused(folder, "validate", name)
    for part in says.split("|"):
        assert part in said


AXIS = "world.flash_crash.alike=0,1"


@pytest.mark.parametrize(
    ("command", "place"),
    [
        *((("run", "f.yaml"), place) for place in ("link", "nowhere", "f.yaml", "f.yaml/x", "a" * 300, "/proc/x")),
        *((("sweep", "f.yaml", AXIS), place) for place in ("link", "f.yaml")),
        *((("export", "{run}"), place) for place in ("link", "f.yaml")),
        (("audit", "shop"), "link"),
        (("audit", "shop"), "f.yaml"),
        (WATCH, "link"),
        (("compare", "{run}", "isolated", "shared"), "link"),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else given[:8],
)
def test_no_command_writes_through_a_link_or_over_a_file(folder, finished, command, place):
    option = "--prometheus" if command[0] == "export" else "--out"
    before = tree(folder)
    answer = knock(folder, *(part.format(run=finished) for part in command), option, place)
    assert answer.code == 4, answer
    said = answer.err.splitlines()[-1]
    assert said.startswith(place)
    assert "Traceback" not in answer.err
    assert tree(folder) == before
    if place in ("link", "nowhere"):
        assert said == f"{place}: a symbolic link; name the directory itself"


def test_nothing_is_written_through_a_link_that_waits_in_a_run(folder, finished):
    """Such as one in the place of the temporary file, of a page, of its figures."""
    (folder / "precious").write_text("mine")
    for name in ("comparison.html", ".simlab-comparison.html.tmp", "comparison.json"):
        (folder / "mine" / name).symlink_to("../precious")
    answer = knock(folder, "compare", str(finished), "isolated", "shared", "--out", "mine")
    assert answer.code == 0, answer.err
    assert (folder / "precious").read_text() == "mine"
    assert not (folder / "mine" / "comparison.html").is_symlink()
    (folder / "other").mkdir()
    (folder / "other" / "figures").symlink_to("../mine")
    before = tree(folder)
    answer = knock(folder, "compare", str(finished), "isolated", "shared", "--out", "other")
    assert (answer.code, tree(folder)) == (4, before)
    assert "other/figures: a symbolic link" in answer.err


def test_a_lock_that_is_a_link_is_not_followed(folder):
    (folder / "precious").write_text("mine")
    (folder / "mine" / ".lock").symlink_to("../precious")
    answer = knock(folder, "run", "f.yaml", "--jobs", "1", "--out", "mine")
    assert answer.code == 4
    assert (folder / "precious").read_text() == "mine"


@pytest.mark.parametrize("name", ["CON", "nul", "../x", "/etc/x", "a" * 300, "os", "", "class", "x y", "-"])
def test_what_no_world_of_ones_own_is_called(folder, name):
    assert "write e.g. `simlab new " in refused(folder, "new", name)


def test_a_new_world_goes_nowhere_odd(folder):
    for place in ("a" * 300, "f.yaml"):
        assert refused(folder, "new", "bakery", "--dir", place, code=4).endswith("nothing was written\n")


@pytest.mark.parametrize(
    "name",
    ["CON.yaml", "my run;rm -rf.yaml", "..yaml", "-.yaml", "a" * 250 + ".yaml", "\u732b.yaml", "%s{0}$HOME.yaml"],
)
def test_a_run_is_kept_in_the_results_whatever_its_file_is_called(folder, name, monkeypatch):
    from simlab.results.store import run_directory
    from simlab.scenario.load import load

    (folder / name).write_text(GOOD)
    found = load(folder / name)
    monkeypatch.chdir(folder)
    place = run_directory(found.name, "0" * 12)
    assert place.resolve().is_relative_to(folder.resolve() / "results")
    assert len(place.parts) == 3
    assert len(place.parts[1]) <= 80
    assert place.parts[1].lower() not in ("con", ".", "..")


def test_a_directory_that_is_read_only(folder, monkeypatch):
    def closed(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", closed)
    for command in (("run", "f.yaml"), ("audit", "shop")):
        answer = knock(folder, *command, "--out", "new")
        assert answer.code == 4
        assert "new: cannot be written (read-only, or not yours); choose another directory with --out" in answer.err


def test_without_home_display_locale_and_terminal(folder):
    """And with a HOME that is not there, a display that nobody has, and a TERM that nobody knows."""
    odd = {
        "HOME": "/nonexistent",
        "DISPLAY": ":99",
        "TERM": "odd",
        "LC_ALL": "xx_YY",
        "COLUMNS": "0",
        "MPLBACKEND": "TkAgg",
    }
    done = apart(folder, "audit", "shop", "--out", "page", **odd)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "page" / "architecture.svg").stat().st_size > 1_000


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("{simlab} list | head -n 1", 0, ""),
        ("{simlab} list >&-", 0, ""),
        ("{simlab} validate f.yaml >&- 2>&- <&-", 0, ""),
        pytest.param(
            "{simlab} list > /dev/full",
            4,
            "cannot write what was found: No space left on device\n",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device"),
        ),
    ],
)
def test_nobody_reads_what_is_told(folder, command, code, says):
    shell = command.format(simlab=f"{sys.executable} -m simlab")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, says)
