"""A plugin of pytest that writes down which functions each test enters, and what it costs: loaded where COVERED names the file to write.

What a test module imports and what its fixtures do is shared by all of its tests; caches are emptied before each, so that no test
is served what another worked out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

ROOT = Path.cwd()


class Recorder:
    """Which functions, "path::name" each, were entered of late."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.names: dict[Any, str | None] = {}
        self.own: dict[str, set[str]] = {}
        self.shared: dict[str, set[str]] = defaultdict(set)
        self.cost: dict[str, float] = {}

    def enter(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if code not in self.names:
            self.names[code] = self._name(code.co_filename, code.co_qualname)
        if name := self.names[code]:
            self.now.add(name)

    def _name(self, file: str, function: str) -> str | None:
        if not file.startswith(f"{ROOT}/simlab/"):
            return None
        parts = [part for part in function.split(".") if not part.startswith("<")]
        return f"{Path(file).relative_to(ROOT).as_posix()}::{'.'.join(parts) or '<module>'}"

    def take(self) -> set[str]:
        """What was entered since this was asked before."""
        found, self.now = self.now, set()
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        for module in [module for name, module in sys.modules.items() if name.startswith("simlab.")]:
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
        self.take()
        began = time.process_time()
        found = yield
        self.cost[item.nodeid] = time.process_time() - began
        self.shared[item.nodeid.partition("::")[0]] |= self.take()  # of its teardown
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self.shared[item.nodeid.partition("::")[0]] |= self.take()  # of its setup
        try:
            return (yield)
        finally:
            self.own[item.nodeid] = self.take()

    def pytest_sessionfinish(self) -> None:
        found = {
            test: {"cost": round(self.cost[test], 4), "enters": sorted(own | self.shared[test.partition("::")[0]])}
            for test, own in self.own.items()
        }
        Path(os.environ["COVERED"]).write_text(json.dumps(found), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    recorder = Recorder()
    config.pluginmanager.register(recorder)
    sys.settrace(recorder.enter)  # type: ignore[arg-type]
