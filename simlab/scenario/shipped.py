"""The files that come with the house, by name. It imports nothing heavy: shell completion asks here at every key."""

from __future__ import annotations

import re
from pathlib import Path

ENDINGS = (".yaml", ".yml")


def shipped(kind: str = "") -> dict[str, Path]:
    """The scenarios that come with the house, by name: in the installed package, or beside it in a checkout.

    `kind` is the folder among them that holds something else, such as `architectures`.
    """
    house = Path(__file__).resolve().parent.parent
    for folder in (house / "scenarios" / kind, house.parent / "scenarios" / kind):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def title_in(path: Path) -> str | None:
    """The title of a scenario file that has it in one plain line, as all shipped ones do; None where it takes a reader."""
    try:
        found = re.findall(r"^title:(?=(.*\n?.?))", path.read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    plain = re.fullmatch(r" +([^\W\d_](?:[^:#\n]|:(?=\S)|(?<=\S)#)*?) *\n\S", found[0]) if len(found) == 1 else None
    return (
        plain[1] if plain and plain[1].isprintable() and " " in plain[1] else None
    )  # one word may be `null` or `true`


def named_under(path: Path, key: str) -> list[str]:
    """The names directly under a key of a scenario file, as far as its usual layout shows them: a glance, and no reader of YAML."""
    try:
        text = path.read_text("utf-8", errors="replace")[:65_536]
    except (OSError, ValueError):
        return []
    block = re.search(rf"^{key}:[ \t]*(?:#.*)?\n((?:(?:[ \t].*|#.*)?\n)+)", f"{text}\n", re.MULTILINE)
    if block:
        indent = re.search(r"^( +)\w", block[1], re.MULTILINE)
        return re.findall(rf"^{indent[1]}(\w+):", block[1], re.MULTILINE) if indent else []
    flow = re.search(rf"^{key}:[ \t]*\{{(.*)\}}", text, re.MULTILINE)
    names, depth = [], 0
    for part in re.findall(r"\w+(?=:)|[{}\[\]]", flow[1] if flow else ""):
        depth += (part in "{[") - (part in "}]")
        names += [part] if depth == 0 and part not in "}]" else []
    return names
