"""The page over all runs: what is shown, and what must never be."""

import json
import re
import shutil
from html import unescape
from urllib.parse import unquote

import pytest

import simlab
from simlab.base.errors import StorageError
from simlab.results.disk import seal, unseal
from simlab.views.index import write

YAML = """\
schema: 1
title: "<script>alert(1)</script> & co"
story: A small run.
world: {flash_crash: {traders: 4}}
brain: {ridge: {}}
run: {replications: 2, horizon: 1 min}
harm: {measure: drawdown, above: 0.03}
arms: {isolated: {topology: isolated}, shared: {topology: shared}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
claims:
  - {measure: drawdown, stat: mean, arm: isolated, above: 0.5, because: nothing}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "mine.yaml").write_text(YAML)
    results = simlab.run(simlab.load(folder / "mine.yaml"), jobs=1, out=folder / "run")
    results.report(folder / "run")
    return results


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made.path, tmp_path / "results" / "mine" / "one")
    return tmp_path / "results"


def rows(page):
    return re.findall(r"<li>.*?</li>", page, re.DOTALL)


def timed(run, finished):
    (run / "timings.json").write_text(json.dumps({"finished": finished}))


def test_a_row_holds_title_verdict_claims_figure_and_link(made, folder):
    page = write(folder).read_text("utf-8")
    (row,) = rows(page)
    assert '<a href="mine/one/report.html">&lt;script&gt;alert(1)&lt;/script&gt; &amp; co</a>' in row
    assert made.verdict in unescape(row)
    assert "Compare the controls:" in row
    assert "? 1 undecided" in row
    assert 'src="mine/one/figures/main.svg"' in row
    assert (folder / "mine/one/figures/main.svg").is_file()
    assert "mine, 2 replications, seed 1" in row


def test_runs_nothing_and_asks_nothing_of_the_network(folder):
    page = write(folder).read_text("utf-8")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "//" not in page
    assert not re.search(r"\son\w+=", page)


def test_the_latest_comes_first_and_the_same_folder_gives_the_same_bytes(folder):
    for name, when in (("two", "2030-01-02T00:00:00Z"), ("three", "2030-01-01T00:00:00Z")):
        shutil.copytree(folder / "mine/one", folder / "mine" / name)
        timed(folder / "mine" / name, when)
    timed(folder / "mine/one", "2029-01-01T00:00:00Z")
    before = write(folder).read_bytes()
    found = [re.search(r'href="mine/(\w+)/', row)[1] for row in rows(before.decode())]
    assert found == ["two", "three", "one"]
    assert write(folder).read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_links_that_lead_elsewhere_are_not_followed(made, folder, tmp_path):
    shutil.copytree(made.path, tmp_path / "elsewhere" / "secret")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "mine" / "too").symlink_to(tmp_path / "elsewhere" / "secret")
    shutil.rmtree(folder / "mine/one/figures")
    (folder / "mine/one/figures").symlink_to(tmp_path / "elsewhere/secret/figures")
    (folder / "mine/one/report.html").unlink()
    (folder / "mine/one/report.html").symlink_to(tmp_path / "elsewhere/secret/report.html")
    (row,) = rows(write(folder).read_text("utf-8"))
    assert "href" not in row
    assert "<img" not in row


def test_an_odd_name_stays_a_path(folder):
    odd = 'javascript:alert("1")&#x3c;'
    (folder / "mine").rename(folder / odd)
    page = write(folder).read_text("utf-8")
    assert 'href="javascript%3Aalert%28%221%22%29%26%23x3c%3B/one/report.html"' in page


def test_what_cannot_be_read_says_why(folder):
    for name in ("damaged", "older", "unfinished"):
        shutil.copytree(folder / "mine/one", folder / name)
    (folder / "damaged/summary.json").write_text("{}")
    (folder / "older/manifest.json").write_text("{}")
    (folder / "unfinished/manifest.json").unlink()
    said = unescape(" ".join(rows(write(folder).read_text("utf-8"))))
    assert "Cannot be read: " in said
    assert "summary.json is missing or damaged" in said
    assert "manifest.json: damaged, or not written by simlab" in said
    assert "unfinished" not in said


def test_a_page_of_another_origin_stays(folder, tmp_path):
    (folder / "index.html").write_text("mine")
    with pytest.raises(StorageError, match="not written by simlab"):
        write(folder)
    assert (folder / "index.html").read_text() == "mine"
    (folder / "index.html").unlink()
    (folder / "index.html").symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match="not written by simlab"):
        write(folder)
    assert not (tmp_path / "target").exists()


def test_other_folders_are_shown_too_and_remembered(made, folder, tmp_path):
    shutil.copytree(made.path, tmp_path / "out")  # what `run --out` made: a run itself
    shutil.copytree(made.path, tmp_path / "other & more" / "mine" / "two")
    page = write(folder, also=[tmp_path / "out", tmp_path / "other & more", folder])
    found = sorted(unescape(re.search(r'href="([^"]*)"', row)[1]) for row in rows(page.read_text("utf-8")))
    assert found == ["../other%20%26%20more/mine/two/report.html", "../out/report.html", "mine/one/report.html"]
    assert all((folder / unquote(one)).is_file() for one in found)
    before = page.read_bytes()
    assert write(folder).read_bytes() == before
    shutil.rmtree(tmp_path / "out")
    assert len(rows(write(folder).read_text("utf-8"))) == 2
    with pytest.raises(StorageError, match="no such directory"):
        write(folder, also=[tmp_path / "out"])


@pytest.mark.parametrize("said", ["[", "{}", "[1, null]", "[&quot;no/such&quot;]", "[&quot;\x00&quot;]"])
def test_a_page_that_remembers_nonsense_remembers_nothing(folder, said):
    page = write(folder)
    text = page.read_text("utf-8")
    page.write_text(text.replace('content="[]"', f'content="{said}"'), "utf-8")
    assert write(folder).read_text("utf-8") == text


def test_a_run_that_needs_a_plugin_keeps_its_title_and_says_so(folder):
    run = folder / "mine/one"
    manifest = unseal(run / "manifest.json")
    manifest["document"]["plugins"] = {"mine": "mine.Mine"}
    (run / "manifest.json").write_text(seal(manifest))
    (row,) = rows(write(folder).read_text("utf-8"))
    assert "alert(1)" in row
    assert "needs mine.Mine, no part of simlab; give `--plugin mine.py`" in unescape(row)


def test_a_sweep_has_a_row_of_its_own_and_its_points_have_none(made, folder):
    where = folder / "mine" / "swept"
    found = simlab.sweep(made.scenario, {"world.flash_crash.limit": [20, 40]}, jobs=1, out=where)
    found.report(where)
    timed(folder / "mine/one", "2019-01-01T00:00:00Z")
    (when,) = json.loads((where / "timings.json").read_text()).values()
    page = write(folder).read_text("utf-8")
    assert "<h1>simlab: 1 run and 1 sweep</h1>" in page
    swept, run = rows(page)  # the latest first
    assert 'href="mine/swept/report.html"' in swept
    assert found.verdict in unescape(swept)
    assert f"mine, 2 points of 2 replications, seed 1 · {when} · mine/swept" in unescape(swept)
    assert 'src="mine/swept/figures/sweep.svg"' in swept
    assert 'href="mine/one/report.html"' in run
    assert write(folder / "mine", also=[where]).read_text("utf-8").count('href="swept/report.html"') == 1
    with pytest.raises(StorageError, match="one run or sweep"):
        write(where)


def test_a_sweep_that_cannot_be_read_says_why(made, folder):
    where = folder / "swept"
    simlab.sweep(made.scenario, {"world.flash_crash.limit": [20, 40]}, jobs=1, out=where)
    whole = unseal(where / "sweep.json")
    (where / "sweep.json").write_text(seal(whole | {"rows": [{"arms": {}}]}))
    assert "Cannot be read: not a sweep that simlab wrote." in write(folder).read_text("utf-8")
    (where / "sweep.json").write_text("{}")
    assert "sweep.json: damaged, or not written by simlab" in write(folder).read_text("utf-8")
    (where / "sweep.json").write_text(seal(whole | {"title": "odd \ud800"}))
    assert "odd ?" in write(folder).read_text("utf-8")
    (where / "sweep.json").write_text(seal(whole))
    (where / "timings.json").write_text("[" * 100_000)  # nobody knows when, and that is all
    assert "2 points of 2 replications, seed 1 · swept<" in write(folder).read_text("utf-8")
    (where / "design.json").rename(where / "lost.json")
    assert len(rows(write(folder).read_text("utf-8"))) == 2
    (where / "lost.json").rename(where / "design.json")
    (where / "sweep.json").unlink()  # as when it was interrupted
    assert "swept" not in write(folder).read_text("utf-8")


def test_where_there_is_nothing_to_list(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "No finished runs yet" in write(tmp_path / "empty").read_text("utf-8")
    with pytest.raises(StorageError, match="no such directory"):
        write(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="one run"):
        write(folder / "mine/one")
