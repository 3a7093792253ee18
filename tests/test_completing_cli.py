"""Completion in a shell: what is offered, how fast, and that the scripts are read by their shells."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simlab.scenario.load import load, shipped
from simlab.scenario.shipped import named_under

ROOT = Path(__file__).parents[1]
HEAVY = {"numpy", "simpy", "scipy", "pandas", "ruamel", "rich", "matplotlib", "networkx", "importlib.metadata"}


def offered(*words, flags=(), cwd=None):
    """What bash is offered for the last of these words, and what was imported for it."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "_SIMLAB_COMPLETE": "bash_complete"}
    env |= {"COMP_WORDS": " ".join(("simlab", *words)), "COMP_CWORD": str(len(words))}
    command = [sys.executable, *flags, "-m", "simlab"]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def test_a_scenario_is_completed_and_nothing_heavy_is_imported():
    assert offered("run", "flash_cr") == (["plain,flash_crash", "plain,flash_crash_seams"], "")
    told = offered("run", "flash_cr", flags=["-X", "importtime"])[1]
    imported = {line.split("|")[-1].strip() for line in told.splitlines()}
    assert imported.isdisjoint(HEAVY)
    assert "simlab.scenario.shipped" in imported


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trace", "flash_crash", "--arm", "is"], ["plain,isolated"]),
        (["trace", "flash_crash", "--control", ""], ["plain,feedback_off", "plain,no_stressor"]),
        (["compare", "flash_crash", "isolated", "shared_"], ["plain,shared_brain"]),
        (["study", "flash_crash", "--only", "ph"], ["plain,phase"]),
        (["audit", "shop_"], ["plain,shop_mended"]),
        (["comple"], ["plain,completion"]),
        (["run", "mine/"], ["file,mine/"]),
        (["readiness", "mine.yaml", "--arm", ""], ["plain,a", "plain,b_2"]),
        (["readiness", "no_such", "--arm", ""], []),
    ],
)
def test_what_is_offered(words, says, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "title: x\narms: {a: {topology: {wiring: isolated}}, b_2: {topology: shared}}\n"
    )
    assert offered(*words, cwd=tmp_path)[0] == says


@pytest.mark.parametrize("name", ["flash_crash", "policing", "federated_poisoned", "oversight_drills", "supply_chain"])
def test_a_glance_sees_what_a_reader_reads(name):
    scenario, path = load(name), shipped()[name]
    assert named_under(path, "arms") == [arm.name for arm in scenario.arms]
    assert named_under(path, "controls") == [control.name for control in scenario.controls]
    assert named_under(path, "studies") == [study.name for study in scenario.studies]


def test_a_glance_at_what_is_no_scenario_sees_nothing(tmp_path):
    (tmp_path / "odd.yaml").write_bytes(b"\xff\x00arms\narms:\n")
    for name in ("odd.yaml", "none.yaml", ""):
        assert named_under(tmp_path / name, "arms") == []


@pytest.mark.parametrize(
    ("shell", "says"), [("bash", "complete -o nosort"), ("zsh", "#compdef simlab"), ("fish", "complete")]
)
def test_the_script_is_printed_and_read_by_its_shell(shell, says, tmp_path):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "simlab", "completion", shell]
    script = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True).stdout
    assert says in script
    assert "_SIMLAB_COMPLETE" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=60)


def test_bash_completes_for_real(tmp_path):
    shim = tmp_path / "simlab"
    shim.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m simlab "$@"\n')
    shim.chmod(0o755)
    asked = 'COMP_WORDS=(simlab run flash_crash_s); COMP_CWORD=2; _simlab_completion simlab; echo "${COMPREPLY[@]}"'
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", f'eval "$(simlab completion bash)"; {asked}'],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert re.search(r"^flash_crash_seams$", done.stdout, re.MULTILINE), done
