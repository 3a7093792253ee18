"""A real Prometheus, for as long as it is needed: its rule checker, its importer, and a server on loopback whose database is a run.

Nothing of PromQL is written again here. The server listens on 127.0.0.1 only, scrapes nothing, and ends with the block that started it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple, final
from urllib.parse import urlencode

from simlab.base.errors import InputError
from simlab.results.tables import visible

TOOLS = ("promtool", "prometheus")
MOST_POINTS = 10_000  # of one answer; Prometheus refuses more than 11,000
PATIENCE = 30.0  # seconds until a server that was started must answer
_FOREVER = "100y"
_NO_LIMIT = "876000h"  # one block, whatever the span: by default the importer reads all text again for every two hours


class Rule(NamedTuple):
    """A rule as the server read it; times in seconds. `alert` is False for a recording rule."""

    group: str
    name: str
    query: str
    alert: bool
    hold: float = 0.0  # `for`
    keep: float = 0.0  # `keep_firing_for`
    every: float = 60.0
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class Series(NamedTuple):
    """One series of an answer: its labels, and its values as text by time in ms."""

    labels: dict[str, str]
    values: dict[int, str]


def tools() -> dict[str, str]:
    """The paths of promtool and prometheus. Raises InputError where one is missing."""
    found = {name: shutil.which(name) for name in TOOLS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise InputError(
            f"{' and '.join(missing)}: not found on the PATH; rules are evaluated by a real Prometheus, not by simlab. Install it "
            "(Debian, Ubuntu: `apt-get install prometheus`; else prometheus.io/download) and give the same command again"
        )
    return {name: path for name, path in found.items() if path is not None}


def check(rules: Path) -> str:
    """What promtool says against a rule file; nothing where it is one."""
    done = _call(tools()["promtool"], "check", "rules", str(rules))
    return done.stderr + done.stdout if done.returncode else ""


def import_samples(samples: Path, data: Path) -> None:
    """Put OpenMetrics text into a database, whose server must not be running. Raises InputError with what promtool says."""
    how = ("tsdb", "create-blocks-from", "openmetrics", "-q", f"--max-block-duration={_NO_LIMIT}")
    done = _call(tools()["promtool"], *how, str(samples), str(data))
    if done.returncode:
        raise InputError(f"promtool could not import the samples: {visible((done.stderr or done.stdout).strip(), 400)}")


@contextmanager
def serving(folder: Path, rules: Path | None = None, config: str = "", args: Iterable[str] = ()) -> Iterator[Server]:
    """A server over the database in `folder/data`, with a file of rules; `config` is added to its configuration.

    Raises InputError where it does not come up, with its last words.
    """
    named = f"rule_files: [{json.dumps(str(rules))}]\n" if rules is not None else ""
    (folder / "prometheus.yml").write_text(named + config, "utf-8", newline="\n")
    port = _free_port()
    words = folder / "prometheus.log"
    command = [
        tools()["prometheus"],
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--storage.tsdb.retention.time={_FOREVER}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
        *args,
    ]
    with words.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own arguments, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=None if sys.platform == "win32" else _die_together,
        )
        server = Server(port)
        try:
            _wait(server, process, words)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@final
class Server:
    """The HTTP interface of a server on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._ask("GET", "/-/ready")[0] == 200
        except (OSError, HTTPException):
            return False

    def rules(self) -> list[Rule]:
        """The rules that it loaded, in their order."""
        groups = self.get("/api/v1/rules")["groups"]
        return [
            Rule(
                group["name"],
                rule["name"],
                rule["query"],
                rule["type"] == "alerting",
                float(rule.get("duration", 0)),
                float(rule.get("keepFiringFor", 0)),
                float(group["interval"]),
                rule.get("labels") or {},
                rule.get("annotations") or {},
            )
            for group in groups
            for rule in group["rules"]
        ]

    def over(self, query: str, start: int, stop: int, every: int) -> list[Series]:
        """A query at `start`, `start + every`, ... up to `stop` ms, in as many requests as it takes. Raises InputError if it fails."""
        found: dict[tuple[tuple[str, str], ...], Series] = {}
        reach = every * (MOST_POINTS - 1)
        for first in range(start, stop + 1, reach + every):
            times = {"start": _ms(first), "end": _ms(min(first + reach, stop)), "step": _ms(every)}
            for series in self.get("/api/v1/query_range", query=query, **times)["result"]:
                labels = series["metric"]
                own = found.setdefault(tuple(sorted(labels.items())), Series(labels, {}))
                own.values.update((round(float(at) * 1000), value) for at, value in series["values"])
        return list(found.values())

    def get(self, path: str, **form: str) -> Any:
        """The `data` of an answer. Raises InputError with the server's words."""
        status, body = self._ask("POST" if form else "GET", path, urlencode(form))
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {"error": f"HTTP {status}"}
        if answer.get("status") != "success":
            raise InputError(str(answer.get("error", f"HTTP {status}")))
        return answer["data"]

    def _ask(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        link = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            link.request(method, path, body or None, {"Content-Type": "application/x-www-form-urlencoded"})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()


def _wait(server: Server, process: subprocess.Popen[bytes], words: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not server.ready():
        if process.poll() is not None or time.monotonic() > until:
            last = words.read_text("utf-8", "replace").strip().splitlines()[-3:]
            raise InputError(f"prometheus did not come up: {visible(' '.join(last), 600)}")
        time.sleep(0.05)


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own arguments, and no shell
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _die_together() -> None:
    """Have the kernel end the server when this program dies, even by SIGKILL; and keep Ctrl-C from reaching it first."""
    if sys.platform != "win32":
        os.setpgrp()
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _ms(time_: int) -> str:
    return f"{time_ // 1000}.{time_ % 1000:03d}"
