import re
from dataclasses import replace

import numpy as np
import pytest

from simlab.base.errors import StorageError
from simlab.scenario.scenario import Vanish
from simlab.views import pictures, sections
from simlab.views.report import compose, write
from tests.views import fixture
from tests.views.parsed import Page, text_of

AWKWARD = '<script>alert("1")</script> $\\frac{$ & 市场'
SECTIONS = [
    "What is simulated",
    "Who shares what, and how alike they answer",
    "Claims",
    "Controls: what must vanish",
    "When things happen",
    "Retelling and record",
    "Scoreboard: the model against published figures",
    "Differences between arms",
    "How outcomes are spread",
    "Numbers",
    "Parameters",
    "Run it again",
]


@pytest.fixture(scope="module")
def made():
    return fixture.scenario()


@pytest.fixture(scope="module")
def page(made):
    return compose(fixture.record(made), made)[0]


def test_is_whole_and_in_order(page):
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    first = [page.index(f'class="{mark}"') for mark in ("lead", "verdict", "controls", "chips")]
    first += [page.index(mark) for mark in ("<svg", "<h2>")]
    assert first == sorted(first)


def test_asks_nothing_of_anyone_and_runs_nothing(page):
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    parsed = Page(page)
    assert any(tag == "meta" and a.get("content", "").startswith(policy) for tag, a in parsed.tags)
    assert "http:" not in page.replace('http-equiv="', "")
    assert "https:" not in page
    assert "//" not in page.replace("https://", "")
    assert not {"script", "iframe", "object", "embed", "form", "base", "img"} & {tag for tag, _ in parsed.tags}
    for tag, a in parsed.tags:
        assert not [name for name in a if name.startswith("on")]
        assert a.get("href", "#").startswith(("#", "data:,")), tag
        assert "src" not in a
    assert not re.findall(r"url\((?!#)", page)
    assert "@import" not in page


def test_every_text_is_shown_as_text(made):
    arms = tuple(arm._replace(title=f"{AWKWARD} {i}") for i, arm in enumerate(made.arms))
    odd = replace(
        made,
        title=AWKWARD,
        story=AWKWARD,
        arms=arms,
        controls=(made.controls[0]._replace(title=AWKWARD),),
        claims=tuple(claim._replace(because=AWKWARD) for claim in made.claims),
        record=({AWKWARD: AWKWARD},),
        scoreboard=(made.scoreboard[0]._replace(what=AWKWARD, published=AWKWARD, source=AWKWARD),),
        path=f"/tmp/{AWKWARD}.yaml",
    )
    page, drawn = compose(fixture.record(odd), odd)
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "<script" not in page + "".join(d.file() for d in drawn)
    assert AWKWARD in text_of(page)


def test_the_caption_says_what_the_headline_is(page):
    assert "Drawdown (largest fall of the price from its highest point) over time in each arm: " in page


def test_the_same_bytes_again(made, page):
    assert compose(fixture.record(made), made)[0] == page


def test_writes_page_and_figures(made, tmp_path):
    out = write(fixture.record(made), made, tmp_path / "run", "simlab run market --set world.market.impact=0.1")
    assert out == tmp_path / "run" / "report.html"
    names = {p.name for p in (tmp_path / "run" / "figures").iterdir()}
    assert {
        "main.svg",
        "main_narrow.svg",
        "difference_harm.svg",
        "distribution_drawdown.svg",
        "wiring_isolated.svg",
        "alike_isolated.svg",
        "events.svg",
        "events_narrow.svg",
    } <= names
    assert all(name.endswith(".svg") for name in names)
    assert "simlab run market --set world.market.impact=0.1" in out.read_text("utf-8")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*.*")}
    write(fixture.record(made), made, tmp_path / "run", "simlab run market --set world.market.impact=0.1")
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*.*")} == before


def test_figures_stay_in_the_run_directory(made, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="a symbolic link"):
        write(fixture.record(made), made, tmp_path / "run")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_file_in_the_way_is_a_storage_error(made, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(StorageError):
        write(fixture.record(made), made, tmp_path / "run")


def test_says_how_the_claims_and_the_scoreboard_came_out(page):
    said = text_of(page)
    assert "✓ 1 claim holds" in said
    assert "✓ 1 popular claim refuted" in said
    assert "1 of 2 predicted figures hit." in said
    assert "✗ 1 of 2 published figures missed" in said
    assert "2 of 4 parameters are chosen" in said
    assert said.count("popular claim") == 2  # the count at the top, and the row
    assert "simlab run market --replications 256 --seed 2010" in said
    assert "Blast radius 64 of 64" in said
    assert "Largest fall of the price from its highest point" in said


def test_every_picture_is_described_by_its_numbers(page, made):
    described = [a["aria-label"] for tag, a in Page(page).tags if tag == "svg"]
    assert len(described) >= 10
    assert all(re.search(r"\d", text) for text in described)
    record = fixture.record(made)
    share = record.summary["harm"]["arms"]["feature_store"]["share"]
    assert f"shared feature store: {100 * share:.0f}%" in described[0]


def test_says_what_the_controls_say_below_the_verdict(page):
    said = "with “feedback off”, P(drawdown > 3%) is 0% in every arm, but loss does not vanish."
    assert f"Compare the controls: {said}" in text_of(page)


def test_an_interval_that_must_vanish_stands_beside_what_it_is_held_against(made):
    control = made.controls[0]
    for within, told in ((0.0, "exactly 0"), (0.25, "±0.25")):
        asked = replace(made, controls=(control._replace(vanishes=(Vanish("loss", within),)),))
        found = sections.controls(fixture.record(asked), asked)
        assert re.search(rf"to within</th>.*<td>loss</td><td>{told}</td>", found.text, re.DOTALL)


def test_counts_the_first_replications_singly(made):
    """The marks below each share are the harm of replications 0 to 19, the same luck in every arm."""
    whole, torn = fixture.record(made, n=64), fixture.record(made, n=64, bad=50)
    for arm in made.arms:
        crossed = (whole.cells[arm.name].series["drawdown"][:, :20].max(axis=0) > fixture.EDGE).tolist()
        assert pictures.came_to_harm(whole.cells[arm.name]) == tuple(crossed)
        lost = [True if hit else None for hit in crossed[14:]]  # harm that came before a divergence is harm
        assert pictures.came_to_harm(torn.cells[arm.name]) == (*crossed[:14], *lost)


def test_what_is_between_backticks_is_code(made):
    odd = replace(made, story="Try `--set a=<b>`. Then `this")
    assert "<code>" not in compose(fixture.record(odd), odd)[0]
    even = replace(made, story="Try `--set a=<b>`. Then this.")
    assert "<code>--set a=&lt;b&gt;</code>" in compose(fixture.record(even), even)[0]


def test_few_replications_and_lost_ones_are_said(made):
    said = text_of(compose(fixture.record(made, n=12, bad=2), made)[0])
    assert "Fewer than 30 replications: too few for an interval." in said
    assert "8 replications diverged" in said
    assert "isolated: 2 diverged" in said
    assert "8 diverged" in said


def test_a_run_in_which_everything_was_lost_still_has_a_page(made):
    record = fixture.record(made, n=40, bad=40)
    failed = {
        arm: cell._replace(failed={0: "Traceback\nZeroDivisionError: <b>0</b>"}) for arm, cell in record.cells.items()
    }
    said = text_of(compose(replace(record, cells=failed), made)[0])
    assert "isolated, replication 0: ZeroDivisionError: <b>0</b>" in said
    assert "\N{EN DASH}" in said
    assert "nan" not in re.findall(r"\w+", said)


def test_one_arm_without_harm_controls_or_claims():
    alone = replace(fixture.scenario(("isolated",)), harm=None, controls=(), record=(), scoreboard=())
    page, _ = compose(fixture.record(alone), alone)
    assert "nothing to compare it with" in page
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert not {"Differences between arms", "Claims", "Controls: what must vanish"} & set(headings)
    assert "no claims were tested" in page


def test_a_dozen_arms_of_one_model_fit():
    base = fixture.scenario(("isolated",))
    arms = tuple(
        base.arms[0]._replace(name=f"arm{i}", title=f"a rather long title of arm number {i}") for i in range(12)
    )
    many = replace(base, arms=arms, controls=(), scoreboard=())
    record = fixture.record(many, scales={arm.name: 0.01 * (i + 1) for i, arm in enumerate(arms)})
    page, drawn = compose(record, many)
    assert "No difference" not in text_of(page)
    assert len(drawn) >= 12
    assert np.isfinite([d.width for d in drawn]).all()
