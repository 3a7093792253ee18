"""Promise 12: exit 2 with place, path and remedy, no traceback, under 1 s and 200 MB. Every case is in tests/bad_input."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bad_input.door import QUICK, ROOT, apart

ALL_IN_ONE = """
import json, re, sys
from pathlib import Path
from tests.bad_input.cases import VALUES, YAML
from tests.bad_input.door import knock

folder, slowest = Path(sys.argv[1]), 0.0
for case in [*YAML, *VALUES]:
    (folder / "f.yaml").write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
    answer = knock(folder, "run", "f.yaml")
    assert answer.code == 2, case
    slowest = max(slowest, answer.seconds)
most = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]  # of this process; getrusage knows the parent's
print(json.dumps({"cases": len(YAML) + len(VALUES), "MB": int(most) / 1024, "slowest": slowest}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_all_bad_files_after_each_other_in_one_process_stay_under_200_mb(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALL_IN_ONE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["cases"] > 90
    assert found["MB"] < 200
    assert found["slowest"] < QUICK
    assert [path.name for path in tmp_path.iterdir()] == ["f.yaml"]


def test_in_a_process_of_its_own_nothing_is_written_and_no_traceback_shown(tmp_path):
    (tmp_path / "f.yaml").write_text("schema: 1\ntitle: x\nwrold: {flash_crash: {}}\n")
    done = apart(tmp_path, "run", "f.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "f.yaml:3:1: wrold: unknown key\n    3 | wrold: {flash_crash: {}}\n      | ^^^^^ did you mean `world`?"
        in done.stderr
    )
    assert done.stderr.endswith("problems; nothing was run\n")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["f.yaml"]
