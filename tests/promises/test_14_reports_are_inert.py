"""Promise 14: everything is escaped, a content-security policy lets nothing in, nothing is remote, paths are confined."""

from __future__ import annotations

import csv
import io
import re

import pytest

from tests.bad_input.door import GOOD, knock
from tests.views.parsed import Page, text_of

AWKWARD = r"""<script>alert(1)</script>"'&amp;`$\frac{$`{x}${y}%s"""
POLICY = "default-src 'none'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run all of whose free words are hostile, its pages, and everything else that was written."""
    place = tmp_path_factory.mktemp("inert")
    quoted = "'" + AWKWARD.replace("'", "''") + "'"
    text = GOOD.replace("title: A small run", f"title: {quoted}").replace(
        "story: Four traders and a minute.", f"story: {quoted}"
    )
    text = text.replace("isolated: {topology: isolated}", f"isolated: {{title: {quoted}, topology: isolated}}").replace(
        "1 min", "10 s"
    )
    text += f"claims:\n  - {{measure: drawdown, arm: isolated, above: 5, because: {quoted}}}\n"
    text += f"record:\n  - {{what: {quoted}, source: 'javascript:alert(1)'}}\n"
    (place / "f.yaml").write_text(text)
    answer = knock(place, "run", "f.yaml", "--jobs", "1")
    assert answer.code == 0, answer
    return place


def test_a_page_lets_nothing_in_and_runs_nothing(folder):
    pages = sorted(folder.rglob("*.html"))
    assert {page.name for page in pages} == {"report.html", "index.html"}
    for page in pages:
        text = page.read_text("utf-8")
        parsed = Page(text)
        assert not parsed.wrong or page.name == "index.html"  # which has pictures, whose tags stand alone
        metas = [attributes for tag, attributes in parsed.tags if tag == "meta"]
        (policy,) = [meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith(POLICY)
        assert "script-src" not in policy
        assert "unsafe-eval" not in policy
        assert text.index("Content-Security-Policy") < text.index("<style")
        assert not {"script", "iframe", "object", "embed", "form", "base", "link"} & {
            tag for tag, _ in parsed.tags if tag != "link"
        }
        for tag, attributes in parsed.tags:
            assert not [name for name in attributes if name.startswith("on")], tag
            for name in ("href", "src", "xlink:href"):
                target = attributes.get(name) or "#"
                assert not re.match(r"\s*([a-z]+:|//)", target, re.IGNORECASE) or target.startswith("data:,"), target
                assert ".." not in target
        assert not re.findall(r"url\((?!#)", text)
        assert AWKWARD in text_of(text)


def test_pictures_are_inert_too(folder):
    drawn = sorted(folder.rglob("*.svg"))
    assert drawn
    for path in drawn:
        text = path.read_text("utf-8")
        assert not re.search(r"<script|<foreignObject|\son\w+=|href=.(?!#)", text), path
        assert "\\frac" not in text or "alert(1)" in text  # mathtext would have taken the dollars away


def test_dollars_are_shown_and_not_typeset(folder):
    (page,) = folder.rglob("report.html")
    assert r"$\frac{$" in text_of(page.read_text("utf-8"))


def test_no_cell_is_a_formula(tmp_path):
    """Whatever a spreadsheet would take for one is quoted, in every CSV that is written."""
    from simlab.results.export import table_csv

    hostile = ("=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1")
    (header, *rows) = csv.reader(io.StringIO(table_csv(hostile, [hostile, [-1.5, None, 3, 0.1, "x", ""]]), newline=""))
    assert all(cell.startswith("'") for cell in [*header, *rows[0]])
    assert rows[-1] == ["-1.5", "", "3", "0.1", "x", ""]


def test_a_run_writes_only_where_it_says(folder):
    names = {path.relative_to(folder).parts[:2] for path in folder.rglob("*") if path.is_file()}
    assert names == {("f.yaml",), ("results", "f"), ("results", "index.html"), ("results", ".lock")}


def test_the_same_run_has_the_same_page(folder):
    (page,) = folder.rglob("report.html")
    before = page.read_bytes()
    page.unlink()
    knock(folder, "run", "f.yaml", "--jobs", "1")
    assert page.read_bytes() == before
