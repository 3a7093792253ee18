"""Progress in a notebook, and nowhere else."""

import sys
from types import SimpleNamespace

import pytest

from simlab.studies.runner import Progress
from simlab.views.live import bar, in_html, in_words

HALF = Progress(32, 64, "isolated", 2.0, 1000)


def test_nothing_is_shown_outside_notebooks(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert bar("x") is None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert bar("x") is None


def test_half_way_and_at_the_end():
    assert in_words("x", HALF) == "x: 32 of 64 replications, 2.0 s, 2 s to go (isolated)"
    assert '<progress value="32" max="64"' in in_html("<x>", HALF)
    assert "&lt;x&gt;" in in_html("<x>", HALF)
    done = HALF._replace(done=64)
    assert in_words("x", done) == "x: 64 of 64 replications, 2.0 s"
    assert "<progress" not in in_html("x", done)


def test_one_display_that_is_updated_and_not_too_often(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda bundle, raw: shown.append(("update", bundle)))

    def display(bundle, raw, display_id):
        shown.append(("display", bundle))
        return handle

    class ZMQInteractiveShell:
        pass

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=ZMQInteractiveShell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    show = bar("run")
    for done in (0, 1, 2, 3, 64):
        show(HALF._replace(done=done))
    assert [how for how, _ in shown] == ["display", "update"]
    assert shown[-1][1]["text/plain"] == pytest.approx("run: 64 of 64 replications, 2.0 s")
    assert all(set(bundle) == {"text/plain", "text/html"} for _, bundle in shown)
