"""A package that offers its classes by entry point: built, installed, found by name, run; and what is wrong with one is told."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simlab.__main__ import main
from simlab.results.fingerprint import fingerprint
from simlab.scenario.plugin import how_to_give, plugin, registry_of

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parent / "fashion"


def python(*args: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, args)]
    env = os.environ | {"PYTHONPATH": str(ROOT)} | more
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages that holds the example and nothing else."""
    place = tmp_path_factory.mktemp("fashion")
    done = python("-m", "hatchling", "build", "--target", "wheel", "--directory", place, cwd=PACKAGE)
    assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    pip = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps", "--no-index")
    done = python(*pip, "--target", place / "site-packages", wheel, cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "site-packages"


def door(site: Path, *args: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), str(site)])
    return python("-m", "simlab", *args, cwd=cwd, PYTHONPATH=paths, **more)


def test_all_four_kinds_are_found_by_name_and_run_in_workers(site: Path, tmp_path: Path) -> None:
    """The limit of worn = taste + sway x stock is taste / (1 - sway) = 2; half of what is said makes it 1 / (1 - 1/4)."""
    shutil.copy(PACKAGE / "fads.yaml", tmp_path)
    command = ("run", "fads.yaml", "--plugin", "fashion", "--jobs", "2", "--json", "--out", "out")
    done = door(site, *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    worn = {arm: told["worn"]["mean"] for arm, told in json.loads(done.stdout)["arms"].items()}
    assert worn["shared"] == pytest.approx(2.0, abs=0.15)
    assert worn["modest"] == pytest.approx(4 / 3, abs=0.15)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text("utf-8"))
    assert manifest["document"]["plugins"] == {
        "echo": "simlab_fashion.brain.Echo",
        "extremes": "simlab_fashion.detector.Extremes",
        "fads": "simlab_fashion.world.Fads",
        "tone_down": "simlab_fashion.hand.ToneDown",
    }
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "simlab run fads.yaml --plugin fashion" in page  # the command that plays it again


def test_nothing_is_imported_without_the_flag(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site / "simlab_fashion", tmp_path / "simlab_fashion")
    (tmp_path / "simlab_fashion/__init__.py").write_text("open('imported', 'w').close()\n", "utf-8")
    done = door(tmp_path, "validate", PACKAGE / "fads.yaml", cwd=tmp_path, PYTHONSAFEPATH="1")
    assert done.returncode == 2
    assert "unknown world `fads`" in done.stderr
    assert "needs `--plugin`" in done.stderr
    assert not (tmp_path / "imported").exists()


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example as if it were installed here; what is imported of it does not stay."""
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if name.startswith("simlab_"):
            del sys.modules[name]


def test_a_class_may_be_offered_alone_and_is_asked_for_by_its_name(installed: Path) -> None:
    found = plugin("fashion-brain")
    assert [one.__name__ for one in found.classes] == ["Echo"]
    assert how_to_give("simlab_fashion.world.Fads") == "`--plugin fashion`"
    assert how_to_give("mine.world.Fads") == "`--plugin mine/world.py`, with its path,"


def test_an_upgrade_is_another_run(installed: Path) -> None:
    """What is installed counts by name in a fingerprint, but not the package that a plugin itself comes from."""

    def named(change: Callable[[str], str]) -> str:
        brain.write_text(change(text), "utf-8")
        for name in [name for name in sys.modules if name.startswith("simlab_fashion")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return fingerprint(registry_of((plugin("fashion"),)).own)

    brain = installed / "simlab_fashion/brain.py"
    text = brain.read_text("utf-8")
    first = named(lambda text: text)
    assert named(lambda text: text.replace("1 - self.patience", "1.5 - self.patience")) != first
    assert named(lambda text: text + "# a comment\n") == first
    named(lambda text: text)


OFFERS = {
    "gone = simlab_gone": ("gone", "gone: no such module `simlab_gone`"),
    "below = simlab_fashion.gone": ("below", "below: no such module `simlab_fashion.gone`"),
    "lost = simlab_fashion:Lost": ("lost", "lost: simlab_fashion has no `Lost`"),
    "number = simlab_fashion.world:np": ("number", "`simlab_fashion.world:np` is no class derived from World, Brain"),
    "empty = json": ("empty", "empty: holds no class derived from World, Brain, Intervention, Detector"),
    "base = simlab:World": ("base", "base: World lacks `fallback`"),
    "clash = simlab_clash": ("clash", "clash: `ridge` is the name of another brain"),
    "broken = simlab_broken": ("broken", "broken: cannot be imported: ZeroDivisionError: division by zero"),
    "typo = simlab_typo": ("typo", "simlab_typo.py, line 1: invalid syntax"),
    "quits = simlab_quits": ("quits", "quits: cannot be imported: SystemExit: 0"),
    "needy = simlab_needy": ("needy", "needy: cannot be imported: No module named 'simlab_needed'"),
    "fashion = simlab_other": ("fashion", "fashion: offered by other (simlab_other) and simlab-fashion"),
    "": ("fashon", "no such module `fashon`; did you mean `fashion`?"),
}
MODULES = {
    "clash": "from simlab_fashion.brain import *\n@dataclass(frozen=True)\nclass Ridge(Echo): pass",
    "broken": "1 / 0",
    "typo": "def f(:",
    "quits": "import sys; sys.exit(0)",
    "needy": "import simlab_needed",
}


@pytest.mark.parametrize("offer", OFFERS)
def test_what_is_wrong_with_an_offer_is_told_and_ends_with_5(
    offer: str, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: a dozen new ones would take as many seconds."""
    about = tmp_path / "other-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", "utf-8")
    (about / "entry_points.txt").write_text(f"[simlab.plugins]\n{offer}\n", "utf-8")
    for name, text in MODULES.items():
        (tmp_path / f"simlab_{name}.py").write_text(text, "utf-8")
    sys.path.insert(0, str(tmp_path))
    given, says = OFFERS[offer]
    monkeypatch.setattr(sys, "argv", ["simlab", "validate", str(PACKAGE / "fads.yaml"), "--plugin", given])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert ended.value.code == 5
