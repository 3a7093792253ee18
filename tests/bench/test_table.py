"""The table of speeds: an aim that is met and one that is missed are told apart, in a terminal, in the README and as JSON."""

from __future__ import annotations

import json

import pytest

from simlab.lab import streams
from tests.bench import __main__ as bench
from tests.bench import studies, table, worlds
from tests.bench.rivals import left_out


@pytest.mark.parametrize(
    ("value", "target", "says"),
    [
        (6.1, "at most 7", "met"),
        (7.004, "at most 7", "MISSED"),
        (2082.0, "at least 2,000", "met"),
        (1.8451, "at least 1.85", "MISSED"),
        (149.6, "at least 150", "MISSED"),
        (0.951, "1 within .05", "met"),
        (1.0549, "1 within .05", "MISSED"),
        (4.89, "", ""),
    ],
)
def test_an_aim_is_met_or_missed(value, target, says):
    assert table.met(value, target) == says


def test_every_aim_of_the_table_is_judged():
    found = json.loads(table.NUMBERS.read_text(encoding="utf-8"))
    unjudged = {target for _, value, target in table.rows(found) if target and not table.met(value, target)}
    assert not unjudged
    assert table.plain(found).count("MISSED") == table.text(found).count("| MISSED |")


def test_runs_elsewhere_are_timed_and_leave_the_same_bytes(monkeypatch):
    monkeypatch.setattr(studies, "HORIZON", "30 s")
    monkeypatch.setattr(studies, "WHO", {name: who for name, who in studies.WHO.items() if who[0] == "local"})
    found = studies.measure(1, replications=4)
    assert list(found) == ["1 process", "2 processes"]
    assert found["1 process"]["one process / this"] == 1
    assert found["2 processes"]["seconds to start"] > 0


def test_a_rival_that_is_not_installed_is_told_once(capsys):
    left_out.cache_clear()
    for _ in range(3):
        left_out("Ciw", "No module named 'ciw'")
    left_out("Mesa", "No module named 'mesa'")
    assert (
        capsys.readouterr().err == "Ciw is left out: No module named 'ciw'\nMesa is left out: No module named 'mesa'\n"
    )
    left_out.cache_clear()


def test_the_head_of_a_table_says_what_is_divided_by_what():
    assert set(bench.DIVIDED) < {*bench.PARTS, "worlds"}
    assert "time of the row / the time of the kernel" in bench.heading("queues")
    assert "the time of 1 process / the time of the row" in bench.heading("studies")
    assert bench.heading("growth") == "\n== growth"


def test_every_kind_of_number_has_a_plain_draw():
    """Else the table would not see it among the random numbers of a world."""
    assert set(worlds.KINDS) == set(streams._KINDS)
