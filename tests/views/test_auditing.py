"""The audit in words, tables, picture and page."""

import json
import os
import re
from dataclasses import replace

import pytest

from simlab.scenario.architecture import load
from simlab.studies.audit import audit
from simlab.views.audit_page import compose, write
from simlab.views.auditing import chance, report, sections, verdict
from simlab.views.blueprint import blueprints, in_words
from simlab.views.ink import style
from simlab.views.words import MINUS
from tests.studies.architectures import made, star
from tests.views.parsed import Page, text_of
from tests.views.test_browser import CHROMIUM, REQUIRED, measured
from tests.views.test_report import AWKWARD

HEADINGS = [
    "Five risks against their limits",
    "What to do first",
    "Changes, one at a time",
    "Blast radius",
    "Chains and loops",
    "Failing on the same day",
    "Chance of failing, one by one",
    "Retraining",
    "What was assumed",
]


@pytest.fixture(scope="module")
def shop():
    return audit(load("shop"))


@pytest.fixture(scope="module")
def mended():
    return audit(load("shop_mended"))


def test_the_verdict_names_the_worst_and_what_to_do(shop, mended):
    said = verdict(shop)
    assert said.startswith("Losing source “clicks” alone takes all 5 models, and 6 more parts would take over half;")
    assert "errors grow with every turn of a feedback loop (gain 1.68)" in said
    assert said.endswith("Do first: give “ranking” a plain rule to fall back on.")
    calm = verdict(mended)
    assert calm.startswith("No part alone takes more than half of the traffic or of the consumers;")
    assert "Do first" not in calm


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: {a: }", "Losing model “a” alone takes the only model."),
        ("models: {a: , b: {traffic: 2}}", "Losing model “b” alone takes 1 of 2 models, 67% of the traffic;"),
        ("models: {a: , b: , c: }\nconsumers: {p: {uses: [a]}}", "Losing model “a” alone takes every consumer;"),
        ("models: {a: , b: }\nconsumers: {p: {uses: [a], weight: 3}, q: {uses: [b]}}", "takes 75% of the consumers;"),
    ],
)
def test_the_verdict_of_small_architectures(text, says):
    assert says in verdict(audit(made(text)))


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0, "0%"), (0.5, "50%"), (0.012, "1.2%"), (0.00021, "0.021%"), (4.2e-9, f"4.2e{MINUS}09"), (1, "100%")],
)
def test_small_chances_are_not_swept_under_the_carpet(p, shown):
    assert chance(p) == shown


def test_every_row_has_its_columns(shop, mended):
    for found in (shop, mended, audit(star(20, 0.1, 0.1)), audit(made("models: {a: }"))):
        for section in sections(found):
            assert all(len(row) == len(section.columns) for row in section.rows), section.heading


def test_the_report_begins_with_the_verdict_and_has_every_section(shop):
    first, *rest = report(shop)
    assert (first.heading, first.text) == ("A web shop on one feature store", verdict(shop))
    assert [section.heading for section in rest] == HEADINGS
    assumed = rest[-1].text
    assert "Of 12 failure probabilities 10 are defaults" in assumed
    assert "13 of 17 gains are defaults" in assumed


def test_the_tables_say_the_numbers_of_the_study(shop):
    found = {section.heading: section for section in sections(shop)}
    radius = {row[0]: row for row in found["Blast radius"].rows}
    assert radius["features"][1:] == ("store", "5 of 5", "", "100%", "100%", "2%", "✗ single point")
    assert radius["catalogue"][6] == "1%*"
    together = {row[0]: row[1:] for row in found["Failing on the same day"].rows}
    assert together["all 5"][0] == chance(shop.together.wired.all)
    assert together["at least half"][1] == chance(shop.together.owned.half)
    trainers = next(row for row in found["Retraining"].rows if row[0] == "trainers")
    assert trainers[5].startswith("✗ 2: too few")
    assert found["Chains and loops"].rows[0][:2] == ("clicks → ranking → clicks", "0.45")


def test_drawn_numbers_carry_their_error(monkeypatch):
    monkeypatch.setattr("simlab.studies.together.MOST_EXACT", 0)
    found = next(
        section for section in sections(audit(star(3, 0.1, 0.2))) if section.heading == "Failing on the same day"
    )
    assert "Drawn: 65,536 states" in found.text
    assert "seed 1" in found.text
    assert " ± " in found.rows[0][1]


def test_the_picture_says_its_numbers_to_those_who_do_not_see_it(shop, mended):
    alt = in_words(shop)
    assert alt.startswith(
        "The architecture from left to right: 3 sources, 1 store, 1 shared brain, 2 clusters, 5 models and 3 consumers."
    )
    assert "Single points of failure: clicks (takes all 5 models), orders (takes all 5 models)" in alt
    assert "ranking shapes clicks with gain 0.9" in alt
    assert "No single point of failure." in in_words(mended)


def test_the_picture_marks_the_single_points(shop, mended):
    with style():
        for found, marked in ((shop, len(shop.single_points)), (mended, 0)):
            for one in blueprints(found):
                assert len(re.findall(r">✗</text>", one.svg)) == marked
                assert "ranking" in one.svg
                assert one.inline().count("aria-label") == 1
        wide, narrow = blueprints(shop)
    assert (wide.width, narrow.width) == (1180, 343)
    assert "ranking changes clicks: gain 0.9" in wide.svg


def test_large_architectures_are_drawn_in_part():
    with style():
        wide, narrow = blueprints(audit(star(30, 0.1, 0.1)))
    assert "30 models, 8 drawn" in wide.svg
    assert "30 models, 4 drawn" in narrow.svg


def test_the_page_is_whole_in_order_and_inert(shop):
    page, drawn = compose(shop)
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    assert re.findall(r"<h2>(.*?)</h2>", page) == HEADINGS
    first = [page.index(f'class="{mark}"') for mark in ("lead", "verdict", "chips")]
    first += [page.index(mark) for mark in ("<svg", "<h2>")]
    assert first == sorted(first)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert any(tag == "meta" and a.get("content", "").startswith(policy) for tag, a in parsed.tags)
    assert "//" not in page
    assert not {"script", "iframe", "object", "embed", "form", "base", "img"} & {tag for tag, _ in parsed.tags}
    assert [a["aria-label"] for tag, a in parsed.tags if tag == "svg"] == [in_words(shop)] * 2
    said = text_of(page)
    assert "✗ 7 single points of failure" in said
    assert "✗ loop gain 1.68" in said
    assert "✗ 4 of 5 risks over their limits" in said
    assert drawn.file().startswith("<svg ")


def test_every_text_is_shown_as_text():
    odd = made("story: '<b>bold</b> & more'\nmodels: {a: }")
    page, drawn = compose(audit(replace(odd, title=AWKWARD)))
    assert "<script" not in page + drawn.file()
    assert "<b>bold" not in page
    assert AWKWARD in text_of(page)


def test_writes_page_numbers_and_picture_and_the_same_bytes_again(shop, tmp_path):
    page = write(shop, tmp_path / "out")
    assert page == tmp_path / "out" / "audit.html"
    names = {"audit.html", "audit.json", "architecture.svg"}
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names}
    assert json.loads(before["audit.json"])["alarming"] is True
    write(shop, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.skipif(CHROMIUM is None and not os.environ.get(REQUIRED), reason="no chromium here (apt install chromium)")
def test_the_point_is_seen_first_and_nothing_scrolls_sideways(shop, tmp_path):
    page = write(shop, tmp_path / "out")
    for width in (1280, 375):
        seen, console = measured(page, tmp_path, width)
        assert not console
        assert seen["scroll"] <= width
        assert 0 < seen["verdict"] < seen["chips"] < seen["figure"]
        assert seen["figure"] <= 900 or width == 375
