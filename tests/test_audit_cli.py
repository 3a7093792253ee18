"""`simlab audit` as a user meets it."""

import json

import pytest

from tests.test_cli import simlab

STAR = "schema: 1\ntitle: A star\nstores: {s: }\nmodels: {a: {reads: [s]}, b: {reads: [s]}, c: {reads: [s]}}\n"
APART = "schema: 1\ntitle: Apart\nmodels: {a: , b: , c: }\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "star.yaml").write_text(STAR)
    (tmp_path / "apart.yaml").write_text(APART)
    (tmp_path / "bad.yaml").write_text(STAR.replace("reads: [s]", "reads: [t]", 1).replace("title", "titel"))
    return tmp_path


def test_a_report_in_words(folder):
    done = simlab("audit", "star.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A star\nLosing store “s” alone takes all 3 models;")
    assert "Five risks against their limits" in done.stdout
    assert [path.name for path in folder.iterdir() if path.suffix != ".yaml"] == []


def test_json_is_one_object_and_all_else_is_on_stderr(folder):
    done = simlab("audit", "star.yaml", "--json", "--out", "out", cwd=folder)
    found = json.loads(done.stdout)
    assert found["single_points_of_failure"] == ["s"]
    assert done.stderr == "report: out/audit.html\n"
    assert json.loads((folder / "out" / "audit.json").read_text()) == found
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["architecture.svg", "audit.html", "audit.json"]


@pytest.mark.parametrize(("name", "code"), [("star.yaml", 1), ("apart.yaml", 0), ("shop", 1), ("shop_mended", 0)])
def test_strict_says_no_by_its_exit_code(folder, name, code):
    assert simlab("audit", name, "--strict", cwd=folder).returncode == code


def test_a_mistake_is_told_with_its_place_and_nothing_is_written(folder):
    done = simlab("audit", "bad.yaml", "--out", "out", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "bad.yaml:2:1: titel: unknown key" in done.stderr
    assert "bad.yaml:4:22: models.a.reads.0: unknown source, store or model `t`" in done.stderr
    assert done.stderr.endswith("2 problems; nothing was run\n")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "says"), [("none.yaml", "no file `none.yaml`"), ("shopp", "did you mean `shop`?"), (".", "is a directory")]
)
def test_what_is_no_architecture(folder, name, says):
    done = simlab("audit", name, cwd=folder)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_place_that_cannot_be_written_is_a_storage_error(folder):
    done = simlab("audit", "star.yaml", "--out", "star.yaml", cwd=folder)
    assert done.returncode == 4
    assert "star.yaml" in done.stderr
    assert "Traceback" not in done.stderr
