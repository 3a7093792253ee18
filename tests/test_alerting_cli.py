"""`simlab export`, `replay` and `alerts backtest` as a user meets them; and once a real server that fires a run's alerts live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection

import pytest

import simlab
from simlab.__main__ import main
from simlab.results.openmetrics import histories, instant
from simlab.studies.prometheus import serving
from simlab.views.exporter import OPEN, PLAIN, Exporter, replay
from simlab.views.prometheus import FILES
from tests.alerting import INSTANTS, made, needs_prometheus

RULES = "groups: [{name: own, rules: [{alert: Over, expr: simlab_feedback_spiral > 1}]}]\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def here(monkeypatch, capsys):
    """The command in this process, which saves its imports: exit code, stdout and stderr."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["simlab", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return call


def asked(port, path="/metrics", accept=""):
    link = HTTPConnection("127.0.0.1", port, timeout=10)
    link.request("GET", path, headers={"Accept": accept})
    answer = link.getresponse()
    found = answer.status, answer.getheader("Content-Type"), answer.read().decode()
    link.close()
    return found


def test_an_export_is_seven_files_and_the_same_bytes_again(here, run, tmp_path):
    folder = tmp_path / "export"
    code, out, err = here("export", run, "--prometheus", folder, "--replications", 1)
    assert (code, err) == (0, "")
    assert "4 histories, replications 0 to 0" in out
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert here("export", run, "--prometheus", folder, "--replications", 1)[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "from 2024-01-01T00:00:00Z on" in " ".join(before["README.txt"].decode().split())
    assert max(map(len, before["four_horsemen.rules.yml"].decode().splitlines())) < 400


def test_another_start_and_step_move_the_samples(here, run, tmp_path):
    folder = tmp_path / "export"
    how = (
        "--start",
        "2025-06-01T12:00:00+02:00",
        "--step",
        "1 min",
        "--replications",
        1,
        "--controls",
        "--every-measure",
        "--runbook",
        "https://runbooks.example/ml",
    )
    code, out, _ = here("export", run, "--prometheus", folder, *how)
    assert code == 0
    assert "which stand for 5 simulated seconds" in " ".join(out.split())
    assert (
        'runbook_url: "https://runbooks.example/ml#feedbackspiral"' in (folder / "four_horsemen.rules.yml").read_text()
    )
    text = (folder / "samples.openmetrics.txt").read_text()
    first = 'simlab_loss_dollars{scenario="flash_crash",arm="shared",control="feedback_off",replication="0"} 1.5e+06 '
    assert f"{first}1748772000\n{first}1748772060\n" in text


def test_a_directory_that_is_not_ours_is_left_alone(here, run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = here("export", run, "--prometheus", tmp_path)
    assert code == 4
    assert "holds files that are no export of simlab (mine.txt); choose an empty directory" in err
    (tmp_path / "mine.txt").rename(tmp_path / "README.txt")
    assert here("export", run, "--prometheus", tmp_path)[0] == 4
    assert here("export", run, "--prometheus", tmp_path / "README.txt")[0] == 4
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert here("export", run, "--prometheus", tmp_path / "link")[0] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.txt", "link"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("export", "{none}", "--prometheus", "{out}"), 4, "not a run directory"),
        (("export", "{run}"), 2, "Missing option '--prometheus'"),
        (("export", "{run}", "--prometheus", "{out}", "--step", "5"), 2, "has no unit"),
        (("export", "{run}", "--prometheus", "{out}", "--start", "now"), 2, "expected a date with its zone"),
        (("export", "{run}", "--prometheus", "{out}", "--replications", "0"), 2, "0 is not in the range"),
        (("replay", "{run}", "--arm", "shred"), 2, "unknown arm `shred`; did you mean `shared`?"),
        (("replay", "{run}", "--control", "no_stresor"), 2, "did you mean `no_stressor`?"),
        (("replay", "{run}", "--replication", "2"), 2, "this run has 2, 0 to 1"),
        (("replay", "{run}", "--listen", "9464"), 2, "write e.g. 127.0.0.1:9464"),
        (("replay", "{run}", "--listen", "256.0.0.1:1"), 2, "cannot be listened on"),
        (("alerts", "backtest", "{rules}"), 2, "Missing argument 'RUN'"),
    ],
)
def test_what_cannot_be_meant_is_refused(here, run, tmp_path, args, code, says):
    given = {"none": tmp_path / "none", "run": run, "out": tmp_path / "out", "rules": tmp_path / "r.yml"}
    found, out, err = here(*(arg.format(**given) for arg in args))
    assert (found, out) == (code, "")
    assert says in err
    assert not (tmp_path / "out").exists()


@needs_prometheus
def test_a_backtest_in_words_and_as_json(here, run, tmp_path):
    rules = tmp_path / "r.yml"
    rules.write_text(RULES)
    code, out, err = here("alerts", "backtest", rules, run)
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert "24 histories: replications 0 to 1 of the 2 that were played" in said
    assert "a precision of 12%, and misses nothing" in said  # 3 of 24 came to harm
    assert "Over 4 50% 33% 50 s 1" in said
    assert "rest on 2 replications, and fewer than 30 give none" in said
    rules.write_text(RULES.replace("}]}", "}, {alert: Deaf, expr: simlab_prediction_cascade > 1}]}"))
    code, out, err = here("alerts", "backtest", rules, run)
    said = " ".join(out.split())
    assert (code, err) == (0, "")
    assert "Deaf 0 no sample" in said
    assert "Deaf: no sample of simlab_prediction_cascade in these histories" in said
    rules.write_text(RULES)
    code, out, err = here("alerts", "backtest", rules, run, "--json", "--replications", 1)
    found = json.loads(out)
    assert (code, err, found["histories"], found["alerts"][0]["pages"]) == (0, "", 12, 3)
    assert found["alerts"][0]["precision_ci95"] is None
    rules.write_text(RULES.replace("> 1", "> > 1"))
    code, out, err = here("alerts", "backtest", rules, run)
    assert (code, out) == (2, "")
    assert "r.yml:1:75: Over: parse error: unexpected <op:>>" in err
    assert "simlab-" not in err  # the copy that was checked
    rules.write_text(RULES.replace("spiral >", "spirral >"))
    code, out, err = here("alerts", "backtest", rules, run, "--json")
    assert (code, out) == (2, "")
    assert "r.yml:1:50: Over: `simlab_feedback_spirral` is no metric of this run" in err
    assert "did you mean `simlab_feedback_spiral`?" in err
    assert "1 problem; nothing was run" in err


def test_without_prometheus_a_backtest_is_2(run, tmp_path):
    """In a process of its own, whose PATH holds nothing."""
    command = [sys.executable, "-m", "simlab", "alerts", "backtest", "r.yml", str(run)]
    bare = {"PATH": str(tmp_path), "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "promtool and prometheus: not found on the PATH" in done.stderr
    assert "apt-get install prometheus" in done.stderr


def test_an_exporter_speaks_both_formats_and_knows_when_it_was_asked():
    new, old = (
        "# TYPE simlab_run info\n# HELP simlab_run a\n",
        "# TYPE simlab_run_info gauge\n# HELP simlab_run_info a\n",
    )
    with Exporter("127.0.0.1", 0) as exporter:
        exporter.show(new)
        assert not exporter.scraped.is_set()
        assert asked(exporter.port, accept="application/openmetrics-text") == (200, OPEN, new)
        assert exporter.scraped.is_set()
        assert asked(exporter.port) == (200, PLAIN, old)
        assert asked(exporter.port, "/")[0] == 404


def test_the_command_serves_the_run_and_ends_with_it(run):
    command = [
        sys.executable,
        "-m",
        "simlab",
        "replay",
        str(run),
        "--every",
        "20 ms",
        "--listen",
        "127.0.0.1:0",
        "--arm",
        "isolated",
    ]
    bare = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    with subprocess.Popen(command, env=bare, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert "1 of flash_crash, an instant every 20 ms, 0.78 s in all; waits for the first scrape" in first
            status, _, text = asked(int(first.split("/")[2].rpartition(":")[2]))
            assert status == 200
            assert 'simlab_feedback_spiral{scenario="flash_crash",arm="isolated",replication="0"} 0.5\n' in text
            assert process.wait(20) == 0
            assert f"instant {INSTANTS - 1} of {INSTANTS - 1}" in process.stderr.read()
        finally:
            process.kill()


@needs_prometheus
def test_a_real_server_fires_the_alerts_live(run, tmp_path):
    """The replication that is over the threshold from its thirtieth instant to its end, and the one that never is."""
    results = simlab.open(run)
    told = [one for one in histories(results.record, 2, controls=False) if one.replication == 1][:1] + [
        one for one in histories(results.record, 2, controls=False) if (one.arm, one.replication) == ("shared", 1)
    ]
    (tmp_path / "data").mkdir()
    rules = tmp_path / "r.yml"
    rules.write_text(RULES)
    fast = "{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}"
    with Exporter("127.0.0.1", 0) as exporter:
        target = (
            f"scrape_configs: [{{job_name: simlab, static_configs: [{{targets: ['127.0.0.1:{exporter.port}']}}]}}]\n"
        )
        with serving(tmp_path, rules, f"global: {fast}\n{target}") as server:
            playing = threading.Thread(
                target=replay, args=(results.record, told, exporter, 0.05, lambda at, second: None)
            )
            playing.start()
            until, alerts = time.monotonic() + 30, []
            while not alerts and time.monotonic() < until:
                alerts = [one for one in server.get("/api/v1/alerts")["alerts"] if one["state"] == "firing"]
                time.sleep(0.1)
            playing.join()
    assert [(one["labels"]["arm"], one["labels"]["replication"]) for one in alerts] == [("shared", "1")]
    assert alerts[0]["labels"]["alertname"] == "Over"
    assert instant(results.record, told, 39).count("simlab_feedback_spiral{") == 2
