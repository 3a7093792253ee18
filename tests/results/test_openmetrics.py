"""A run as OpenMetrics text: names, units, what is unknown, and what the real importer makes of it."""

from __future__ import annotations

import re
import subprocess

import pytest

from simlab.base.errors import InputError
from simlab.results.openmetrics import (
    Clock,
    clock_of,
    epoch,
    escaped,
    families,
    histories,
    instant,
    labelled,
    older,
    openmetrics,
)
from simlab.results.record import Record
from tests.alerting import made, needs_prometheus


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return Record.open(made(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def text(record):
    return "".join(openmetrics(record, histories(record, 2, controls=False), clock_of(record)))


def test_names_end_in_base_units_and_values_follow(record, text):
    """Prometheus' conventions: ratios for percentages, no prefixes: 1.5 M$ are 1,500,000 dollars."""
    named = {measure: family.name for measure, family in families(record).items()}
    assert named["price"] == "simlab_price_ratio"
    assert named["drawdown"] == "simlab_drawdown"
    assert named["volume"] == "simlab_volume_per_second"
    assert "# UNIT simlab_loss_dollars dollars\n" in text
    assert 'simlab_loss_dollars{scenario="flash_crash",arm="isolated",replication="0"} 1.5e+06 1704067200\n' in text
    assert 'simlab_price_ratio{scenario="flash_crash",arm="isolated",replication="0"} 0.0025 1704067200\n' in text


def test_what_was_never_known_is_left_out_and_what_became_unknown_is_nan(text):
    assert "simlab_prediction_cascade{" not in text
    own = re.findall(r'^simlab_drift_acceleration\{.*arm="shared",replication="1"\} (\S+) (\d+)$', text, re.MULTILINE)
    assert own[0] == ("0.25", "1704067300")  # the twentieth instant, 100 s in
    assert [value for value, _ in own].count("NaN") == 2
    assert len(own) == 20


def test_a_family_stands_together_and_its_times_go_forward(text):
    """OpenMetrics: samples of a family are not interleaved, those of a series are in the order of time."""
    families_, last, seen = [], "", {}
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            families_.append(line.split()[2])
        if not line.startswith("#"):
            series, _, at = line.rsplit(" ", 2)
            assert series.startswith(families_[-1])
            assert series == last or series not in seen
            assert float(at) > seen.get(series, 0.0)
            seen[series], last = float(at), series
    assert len(families_) == len(set(families_))
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1


def test_harm_and_events_are_counted_from_the_instant_on_at_which_they_came(text):
    harmed = re.findall(r'^simlab_run_harmed\{.*arm="isolated",replication="0"\} (\S+) \d+$', text, re.MULTILINE)
    assert harmed == ["0.0"] * 20 + ["1.0"] * 20
    shocks = re.findall(
        r'^simlab_run_events_total\{.*arm="isolated",replication="0",kind="shock".*\} (\S+) \d+$', text, re.MULTILINE
    )
    assert shocks == ["0.0"] * 12 + ["1.0"] * 28


def test_a_control_is_a_label(record):
    one = histories(record, 1, controls=True)[-1]
    assert one.labels == {"scenario": "flash_crash", "arm": "shared", "control": "no_stressor", "replication": "0"}
    assert len(histories(record, 2, controls=True)) == 2 * 12


def test_an_instant_has_no_times_and_the_older_format_no_info(record):
    told = histories(record, 1, controls=False)[:1]
    shown = instant(record, told, 12, {"simlab_feedback_spiral", "simlab_run_events_total", "simlab_run_info"})
    assert 'simlab_feedback_spiral{scenario="flash_crash",arm="isolated",replication="0"} 2.0\n' in shown
    assert "# TYPE simlab_run info\n" in shown
    assert "# TYPE simlab_run_events counter\n" in shown
    old = older(shown)
    assert "# TYPE simlab_run_info gauge\n" in old
    assert "# TYPE simlab_run_events_total counter\n" in old
    assert "# TYPE simlab_drift_acceleration gauge" not in instant(record, told, 12)


def test_labels_are_escaped():
    assert escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    assert labelled("x", {"a": 'q"', "none": ""}) == 'x{a="q\\""}'


def test_clocks(record):
    """As the run goes where Prometheus can follow, else as near as can be; 5 s a stride here."""
    assert clock_of(record) == Clock(1_704_067_200.0, 0.0, 1.0, 5.0)
    assert clock_of(record, step="1 min") == Clock(1_704_067_200.0, 0.0, 12.0, 60.0)
    assert epoch("1970-01-02T00:00:00Z") == 86_400.0
    for odd in ("yesterday", "2024-01-01T00:00:00", "1900-01-01T00:00:00Z"):
        with pytest.raises(InputError, match="expected a date with its zone"):
            epoch(odd)
    for odd in ("0 s", "-1 s", "5"):
        with pytest.raises(InputError):
            clock_of(record, step=odd)


@needs_prometheus
def test_the_real_importer_takes_it(text, tmp_path):
    (tmp_path / "samples.txt").write_text(text)
    how = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "samples.txt", "data"]
    done = subprocess.run(how, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "data" / "wal").mkdir()  # without which nothing is dumped
    dumped = subprocess.run(
        ["promtool", "tsdb", "dump", "data"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(dumped.stdout.splitlines()) == len(samples)


@needs_prometheus
def test_the_real_linter_finds_nothing(record):
    """`promtool check metrics` reads the older format."""
    shown = older(instant(record, histories(record, 2, controls=True), 35))
    done = subprocess.run(["promtool", "check", "metrics"], input=shown, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
