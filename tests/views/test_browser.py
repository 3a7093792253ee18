"""The page in a real browser: what is seen first, no sideways scroll, no error, no request."""

import json
import os
import re
import shutil
import subprocess
import sys
from html import escape, unescape
from pathlib import Path

import pytest

from simlab.views.report import write
from tests.views import fixture

ROOT = Path(__file__).parents[2]
REQUIRED = "SIMLAB_REQUIRE_BROWSER"  # set in CI, where nobody would read that a test was skipped
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--enable-logging=stderr", "--virtual-time-budget=3000"),
]
MEASURE = """<script>addEventListener("load", () => {
  const inside = document.querySelector("iframe").contentDocument;
  const boxes = (at) => [...inside.querySelectorAll(at)].map((e) => e.getBoundingClientRect()).filter((b) => b.height);
  const end = (at) => Math.max(0, ...boxes(at).map((b) => b.bottom));
  document.querySelector("pre").textContent = JSON.stringify({
    scroll: inside.documentElement.scrollWidth,
    verdict: end(".verdict"),
    controls: end(".controls"),
    chips: end(".chips"),
    figure: end("main > figure.wide svg, main > figure.narrow svg"),
    ink: inside.defaultView.getComputedStyle(inside.body).color,
  });
});</script>"""


def browse(page, profile, *more):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *more, page.as_uri()]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=True, env={**os.environ, "HOME": str(profile)}
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def measured(report, tmp_path, width, *more):
    """What the page measures in a frame of this width (a window itself cannot be as narrow as a telephone)."""
    frame = (
        f'<iframe width="{width}" height="900" style="border:0" srcdoc="{escape(report.read_text("utf-8"))}"></iframe>'
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!doctype html><meta charset=utf-8><body style='margin:0'><pre></pre>{frame}{MEASURE}", "utf-8")
    out, console = browse(outer, tmp_path / "profile", f"--window-size={max(width, 500)},900", "--dump-dom", *more)
    return json.loads(unescape(re.search(r"<pre>(\{.*?\})</pre>", out)[1])), console


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    if CHROMIUM is None:
        missing = "no chromium here (apt install chromium)"
        pytest.fail(f"{missing}, and {REQUIRED} is set") if os.environ.get(REQUIRED) else pytest.skip(missing)
    made = fixture.scenario()
    return write(fixture.record(made), made, tmp_path_factory.mktemp("run"))


def test_the_point_is_seen_first(report, tmp_path):
    seen, console = measured(report, tmp_path, 1280)
    assert not console
    assert 0 < seen["verdict"] < seen["controls"] < seen["chips"] < seen["figure"] <= 900
    assert seen["scroll"] <= 1280


def test_no_sideways_scroll_on_a_telephone(report, tmp_path):
    seen, console = measured(report, tmp_path, 375)
    assert not console
    assert seen["scroll"] <= 375
    assert seen["figure"] > seen["chips"] > 0


def test_in_print_no_table_is_cut_off(report, tmp_path):
    """A4 leaves some 720 px between its margins; the rules for print are put on the screen."""
    page = report.read_text("utf-8")
    assert page.count("@media print") == 2
    printed = tmp_path / "printed.html"
    printed.write_text(page.replace("@media print", "@media screen"), "utf-8")
    seen, _ = measured(printed, tmp_path, 720)
    assert seen["scroll"] <= 720
    pdf = tmp_path / "report.pdf"
    browse(report, tmp_path / "profile", f"--print-to-pdf={pdf}")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_dark_mode_turns_the_ink_light(report, tmp_path):
    light, _ = measured(report, tmp_path, 1280)
    dark, _ = measured(report, tmp_path, 1280, "--blink-settings=preferredColorScheme=0")
    assert sum(map(int, re.findall(r"\d+", dark["ink"]))) > 600 > 200 > sum(map(int, re.findall(r"\d+", light["ink"])))


@pytest.mark.parametrize(("required", "code", "says"), [("", 0, "1 skipped"), ("1", 1, f"and {REQUIRED} is set")])
def test_without_a_browser_it_is_skipped_but_fails_in_ci(tmp_path, required, code, says):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(Path(__file__)), "-k", "seen_first"]
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), REQUIRED: required}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == code, done.stdout
    assert says in done.stdout
    assert f"export {REQUIRED}=1" in (ROOT / ".ci/run").read_text("utf-8").splitlines()
