"""Titles at a glance: what `simlab list` shows of the shipped files is what the reader reads in them, and costs little."""

import subprocess
import sys
from pathlib import Path

import pytest

from simlab.scenario import load
from simlab.scenario.shipped import shipped

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["", "architectures"])
def test_a_glance_at_a_title_sees_what_the_reader_reads(kind, monkeypatch):
    read = {path: load.tree(path).value["title"].value for path in shipped(kind).values()}
    monkeypatch.setattr(load, "tree", None)  # nothing else looks
    assert {path: load.title(path) for path in read} == read
    assert read


@pytest.mark.parametrize(
    "text",
    [
        "title: Of a C# and b:c\nschema: 1\n",
        "title: one two   \nschema: 1\n",
        "title: one two # three\nschema: 1\n",
        "title: one two: three\nschema: 1\n",
        "title: one\n  two\nschema: 1\n",
        "title: one two\n\n  three\nschema: 1\n",
        "title: null\nschema: 1\n",
        "title: 1e-3\nschema: 1\n",
        "title: 'one two'\nschema: 1\n",
        'title: "one \\u0042"\nschema: 1\n',
        "title: >\n  one two\nschema: 1\n",
        "title: one two\ntitle: three four\n",
        "title: one two",
        "title: one\u200b two\nschema: 1\n",
        "story: >\n  title: one two\nschema: 1\n",
        "- title: one two\n",
        "title: [one two\nschema: 1\n",
        "schema: 1\n",
        "",
    ],
)
def test_a_title_of_any_other_form_is_left_to_the_reader(text, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(text, "utf-8")
    try:
        found = load.tree(path).value
        entry = found.get("title") if isinstance(found, dict) else None
        says = str(entry.value) if entry else "(no title)"
    except load.ScenarioError as error:
        says = f"(cannot be read: {error.problems[0].message})"
    assert load.title(path) == says


def test_a_list_imports_nothing_heavy():
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "simlab", "list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(told.stdout.splitlines()) == len(shipped())
    imported = {line.split("|")[-1].strip().split(".")[0] for line in told.stderr.splitlines()}
    assert imported.isdisjoint({"numpy", "scipy", "ruamel", "pydantic", "rich"})


def test_reading_a_scenario_waits_for_no_special_functions():
    """They take as long to import as everything else that `simlab validate` needs."""
    code = "import sys; from simlab.scenario.load import load; load('flash_crash'); sys.exit('scipy.special' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
