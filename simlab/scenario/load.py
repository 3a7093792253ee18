"""A scenario by its path, or by its bare name among those that come with the house."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simlab.base.errors import MANY, did_you_mean, nearest
from simlab.scenario.build import build
from simlab.scenario.problems import Mark, Problem, ScenarioError, Source
from simlab.scenario.reader import MOST_BYTES, Node, plant, read
from simlab.scenario.registry import HOUSE, Registry
from simlab.scenario.scenario import Scenario
from simlab.scenario.shipped import ENDINGS, title_in
from simlab.scenario.shipped import shipped as shipped  # what reads names also finds them
from simlab.scenario.walker import RESERVED


def load(
    what: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    replications: int | None = None,
    seed: int | None = None,
    registry: Registry = HOUSE,
) -> Scenario:
    """The scenario in a file, the shipped one of that name, the YAML in a text of several lines, or a mapping as YAML holds it.

    `overrides` are other values by dotted path, such as `{"world.flash_crash.impact": 0.2}`. Raises ScenarioError
    with every problem: what is wrong with the file, its content, or an override.
    """
    patches = {dotted: _planted(dotted, value) for dotted, value in (overrides or {}).items()}
    for option, number in (("replications", replications), ("seed", seed)):
        if number is not None:
            patches[f"run.{option}"] = _planted(f"run.{option}", number, f"--{option} {number}")
    if isinstance(what, Mapping) or (isinstance(what, str) and "\n" in what):
        given = plant(what) if isinstance(what, Mapping) else read(what.encode(), "text")
        return build(given, _titled(given), None, patches, registry)
    path = find(what)
    return build(tree(path), _name(path), str(path), patches, registry)


def tree(path: Path) -> Node:
    """What a YAML file holds, every key and value with its place. Raises ScenarioError."""
    return read(_contents(path), _shown(path))


def title(path: Path) -> str:
    """The title of a scenario file, or what keeps it from being read."""
    seen = title_in(path)
    if seen is not None:
        return seen
    try:
        found = tree(path).value
    except ScenarioError as error:
        return f"(cannot be read: {error.problems[0].message})"
    named = found.get("title") if isinstance(found, dict) else None
    return str(named.value) if named else "(no title)"


def find(name_or_path: str | Path, kind: str = "") -> Path:
    """The file of a scenario, or of another `kind`. Raises ScenarioError, with the nearest name, when there is none."""
    text = os.fspath(name_or_path)
    known = shipped(kind)
    if text in known:
        return known[text]
    path = Path(text)
    try:
        found = path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        found = False
    if found:
        return path
    if path.name == text and not text.endswith(ENDINGS):
        what = kind.removesuffix("s") or "scenario"
        many = len(known) > MANY and not nearest(text[:80], known)
        hint = "`simlab list` names them" if many else did_you_mean(text[:80], known) if known else ""
        raise _refusal(f"no {what} is called `{text:.80}`", hint)
    raise _refusal(f"no file `{text:.200}`", _neighbour(path))


def _contents(path: Path) -> bytes:
    """The bytes of a regular file, at most just over what a scenario may hold."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            inside = sorted(entry.name for entry in path.iterdir() if entry.suffix in ENDINGS)[:5]
            raise _refusal(
                f"`{path}` is a directory", f"name a file in it, e.g. `{path / inside[0]}`" if inside else "name a file"
            )
        if not stat.S_ISREG(mode):
            raise _refusal(f"`{path}` is not a regular file", "name a YAML file")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _refusal(f"cannot read `{path}`: {error.strerror}") from None


def _neighbour(path: Path) -> str:
    try:
        files = [entry.name for entry in path.parent.iterdir() if entry.suffix in ENDINGS]
    except (OSError, ValueError):
        return f"there is no folder `{str(path.parent)[:200]}`" if len(path.parts) > 1 else ""
    close = nearest(path.name, files)
    return f"did you mean `{path.parent / close}`?" if close else "shipped scenarios are named without path or ending"


def _planted(path: str, value: Any, shown: str = "") -> Node:
    """An override as a node that knows which argument it came from."""
    if isinstance(value, Node):
        return value
    source = Source(shown or f"{path}={value!r:.60}", numbered=False)
    return plant(value, path)._replace(mark=Mark(source), key=Mark(source))


def _shown(path: Path) -> str:
    """The path as short as it can be written from here."""
    try:
        short = os.path.relpath(path)
    except (ValueError, OSError):
        return str(path)
    return str(path) if short.startswith("..") else short


def _name(path: Path) -> str:
    """The scenario's name, fit for a folder on any system."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", path.name.removesuffix(path.suffix))[:60].strip("_") or "scenario"
    return f"{name}_" if name.lower() in RESERVED else name


def _titled(document: Node) -> str:
    """The name of a scenario that has no file, from its title."""
    title = document.value.get("title") if isinstance(document.value, dict) else None
    return _name(Path(f"{title.value.lower():.60}.yaml")) if title and isinstance(title.value, str) else "scenario"


def _refusal(message: str, hint: str = "") -> ScenarioError:
    return ScenarioError([Problem(None, "", message, hint)])
