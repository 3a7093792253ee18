"""A coverage-guided fuzzer of the reader: whatever the bytes, they are a document or a ScenarioError, within a second.

    python -m tests.fuzz.reader                  for a minute
    python -m tests.fuzz.reader --seconds 600 --seed 7

The corpus begins with the cases of tests/bad_input. An input that reaches a new pair of lines of the reader
is kept and changed further. A document that is read must be read again from what `plain` says of it, and a build of it must end in a
Scenario or a ScenarioError. Findings are printed as Python bytes, ready to become a case; the exit code is 1 when there are any.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from simlab.base.errors import SimlabError
from simlab.scenario.build import build
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import plain, plant, read
from tests.bad_input.cases import VALUES, YAML
from tests.bad_input.door import GOOD

WATCHED = read.__code__.co_filename
PIECES = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b": ",
        b", ",
        b"- ",
        b"\n",
        b"  ",
        b"'",
        b'"',
        b"#",
        b"&a ",
        b"*a",
        b"!!int ",
        b"? ",
        b"|\n",
        b">-\n",
    ),
    *(
        b"---\n",
        b"...\n",
        b"%YAML 1.2\n",
        b"~",
        b".nan",
        b"1e400",
        b"010",
        b"0x",
        b"\xef\xbb\xbf",
        b"\xc2\x85",
        b"\xe2\x80\xae",
    ),
    *(b"\xff", b"\0", b"\t", b"\r"),
]


def check(data: bytes) -> None:
    """What must hold of any bytes; raises what a user would see as a traceback, or AssertionError."""
    try:
        tree = read(data, "f.yaml")
    except ScenarioError as error:
        said = str(error)
        if len(said) > 40_000 or not said.replace("\n", "").isprintable():
            raise AssertionError("a refusal that no terminal should see") from error
        return
    found = plain(tree)
    assert plain(plant(found)) == found
    assert plain(read(json.dumps(found, ensure_ascii=False).encode(), "f.json")) == found, "JSON is YAML 1.2"
    with suppress(SimlabError):
        build(tree, "f", None)


def corpus() -> list[bytes]:
    """What the fuzzer begins with."""
    texts = [case.text if isinstance(case.text, bytes) else case.text.encode() for case in [*YAML, *VALUES]]
    return [text for text in texts if len(text) < 3_000] + [GOOD.encode()]


def changed(data: bytes, other: bytes, luck: random.Random) -> bytes:
    """The bytes with a few changes: pieces of YAML, flips, cuts, repetitions, and what stands in another input."""
    for _ in range(luck.choice((1, 1, 2, 4))):
        at, to = sorted((luck.randrange(len(data) + 1), luck.randrange(len(data) + 1)))
        to = min(to, at + luck.choice((0, 1, 4, 30)))
        start = luck.randrange(len(other) + 1)
        middle = luck.choice(
            (
                luck.choice(PIECES),
                bytes([luck.randrange(256)]),
                other[start : start + luck.randrange(1, 40)],
                data[at:to] * luck.choice((0, 2, 3, 20)),
            )
        )
        data = data[:at] + middle + data[to:]
    return data[:8_000]


def traced(data: bytes) -> set[tuple[int, int]]:
    """The pairs of lines, one after the other, that the reader comes along."""
    seen: set[tuple[int, int]] = set()

    def enter(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != WATCHED:
            return None
        before = [frame.f_lineno]

        def line(frame: FrameType, event: str, _: Any) -> Any:
            seen.add((before[0], frame.f_lineno))
            before[0] = frame.f_lineno
            return line

        return line

    sys.settrace(enter)
    try:
        with suppress(ScenarioError):
            read(data, "f.yaml")
    finally:
        sys.settrace(None)
    return seen


def fuzz(seconds: float, seed: int) -> int:
    """Fuzz for so long; returns how many different findings there were."""
    luck, known, pool, findings = random.Random(seed), set[tuple[int, int]](), list[bytes](), dict[str, bytes]()
    began, runs, waiting = time.monotonic(), 0, corpus()
    while time.monotonic() - began < seconds:
        data = waiting.pop() if waiting else changed(luck.choice(pool), luck.choice(pool), luck)
        started = time.process_time()
        runs += 1
        try:
            reached = traced(data)
            if not reached <= known or runs % 10 == 0:  # to build what is read costs more than to read it
                check(data)
            if time.process_time() - started > 10:  # ten times what a user may wait: tracing is slow
                raise TimeoutError(f"{time.process_time() - started:.1f} s")
        except Exception as error:
            what = f"{type(error).__name__}: {error!s:.100}"
            if what not in findings:
                findings[what] = data
                print(f"{what}\n    {data!r:.2000}", flush=True)
            continue
        if not reached <= known:
            known |= reached
            pool.append(data)
    print(
        f"{runs:,} inputs in {seconds:g} s, {len(known):,} pairs of lines, {len(pool):,} kept, {len(findings)} findings"
    )
    return len(findings)


def main(arguments: list[str]) -> int:
    """The command."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz.reader")
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args(arguments)
    return min(fuzz(given.seconds, given.seed), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
