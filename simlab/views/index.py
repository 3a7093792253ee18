"""The index: one page over all runs and sweeps in a folder, a row each, with its verdict, its claims and its main figure.

Like a report it runs nothing and asks nothing of the network. It shows only what lies in the folder itself and in the folders that it is
told of, which it remembers: links that lead elsewhere are not followed. What cannot be read is a row that says why.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, NamedTuple
from urllib.parse import quote

from simlab.base.errors import SimlabError, StorageError
from simlab.results.disk import digest, directory, storage, text, unseal
from simlab.results.disk import write as write_file
from simlab.results.record import FORMAT
from simlab.results.sweeps import DATA, DESIGN, read
from simlab.scenario.build import rebuild
from simlab.scenario.problems import ScenarioError
from simlab.scenario.registry import HOUSE, Registry
from simlab.views.markup import Html, element, paragraph, together
from simlab.views.sections import GOOD, LOOK
from simlab.views.verdict import claim_counts, controls_line, verdict
from simlab.views.words import count, listed

NAME = "index.html"
MARK = '<meta name="generator" content="simlab index">'
ALSO = re.compile(r'<meta name="simlab-also" content="([^"]*)">')
FIGURE, SWEPT = Path("figures", "main.svg"), Path("figures", "sweep.svg")
OURS = ("manifest.json", DESIGN, DATA)  # a folder with one of them is a run or a sweep
PATIENCE = 10.0  # seconds to wait for another simlab that writes the index of the same folder


class Entry(NamedTuple):
    """One run or sweep: where it lies, what it is called, what it found, and when it was finished (or "")."""

    place: Path
    title: str
    verdict: str
    controls: str = ""
    claims: tuple[tuple[str, int], ...] = ()
    facts: str = ""
    finished: str = ""
    swept: bool = False


def write(folder: str | Path, registry: Registry = HOUSE, also: Sequence[str | Path] = ()) -> Path:
    """Write `index.html` over the runs and sweeps in `folder`, in one instant, and return its path.

    They are `folder/<run>` and `folder/<scenario>/<run>`, the latest first. So are those of the folders in `also`, each of which may be a
    run or sweep itself; the page remembers them for the next time. Raises StorageError where a folder is not there, or `folder` cannot be
    written, or holds an `index.html` of another origin.
    """
    from filelock import FileLock, Timeout

    folder, others = directory(folder), [directory(one) for one in also]
    for one in (folder, *others):
        if not one.is_dir():
            raise StorageError(f"{one}: no such directory")
    if any((folder / name).exists() for name in OURS):
        raise StorageError(f"{folder}: one run or sweep; name the folder that holds it")
    page = folder / NAME
    try:
        with storage(folder), FileLock(folder / ".lock", timeout=PATIENCE):
            if page.is_symlink() or (page.exists() and MARK not in page.read_text("utf-8", errors="replace")):
                raise StorageError(f"{page}: not written by simlab; move it away")
            whole = compose(folder, registry, [*others, *_remembered(page)])
            write_file(page, text(whole.encode(errors="replace").decode()))
    except Timeout:
        raise StorageError(f"{folder}: busy, another simlab is writing there; wait for it") from None
    return page


def compose(folder: Path, registry: Registry = HOUSE, also: Sequence[Path] = ()) -> str:
    """The page of a folder, with what lies in others."""
    known = {one.resolve(): one for one in reversed((folder, *also))}
    elsewhere = sorted(_from(folder, one) for one in known.values() if one != folder)
    found = sorted(
        {one for place in known.values() for one in entries(place, registry)}, key=lambda one: str(one.place)
    )
    found.sort(key=lambda one: one.finished, reverse=True)
    rows = together(_row(folder, one) for one in found)
    shown = Html(f"<ol>\n{rows.text}\n</ol>") if found else paragraph("No finished runs yet: simlab run flash_crash")
    swept = sum(one.swept for one in found)
    counted = [count(n, what) for n, what in ((len(found) - swept, "run"), (swept, "sweep")) if n or what == "run"]
    template = resources.files("simlab.views").joinpath(NAME).read_text("utf-8")
    return Template(template).substitute(
        title=f"simlab: {listed(counted)}", rows=shown.text, also=escape(json.dumps(elsewhere))
    )


def _remembered(page: Path) -> list[Path]:
    """The other folders of a page that was written before, as far as they are still there."""
    found = ALSO.search(page.read_text("utf-8", errors="replace")) if page.is_file() else None
    try:
        named = json.loads(unescape(found[1])) if found else []
    except ValueError:
        named = []
    places = (
        [page.parent / one for one in named if isinstance(one, str) and "\0" not in one]
        if isinstance(named, list)
        else []
    )
    return [place for place in places if place.is_dir()]


def _from(folder: Path, place: Path) -> str:
    """The way from a folder to a place, as a link has it."""
    return Path(os.path.relpath(place.absolute(), folder.absolute())).as_posix()


def entries(folder: Path, registry: Registry = HOUSE) -> Iterator[Entry]:
    """The finished runs and sweeps in a folder, or the one that it is; the points of a sweep are no runs of their own."""
    for path in (folder, *_inside(folder)):
        for place in (path, *([] if path == folder else _inside(path))):
            if _own(place / "manifest.json"):
                yield _entry(place, registry)
            elif _own(place / DATA):
                yield _sweep(place)


def _inside(path: Path) -> list[Path]:
    """The folders in one that is neither a run nor a sweep."""
    return [] if any(_own(path / name) for name in OURS) else _folders(path)


def _folders(path: Path) -> list[Path]:
    with storage(path):
        return [inside for inside in path.iterdir() if inside.is_dir() and not inside.is_symlink()]


def _own(path: Path) -> bool:
    """Whether there is a file here, and no link to one elsewhere."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def _entry(place: Path, registry: Registry) -> Entry:
    name = place.name
    try:
        manifest = unseal(place / "manifest.json")
        name = str(manifest.get("document", {}).get("title", name))
        if manifest.get("format") != FORMAT:
            return Entry(place, name, f"Stored in format {manifest.get('format')}; this simlab reads format {FORMAT}.")
        summary = _summary(place, manifest)
        scenario = rebuild(manifest["document"], manifest["scenario"], registry)
        facts = f"{scenario.name}, {count(summary['replications'], 'replication')}, seed {summary['seed']}"
        return Entry(
            place,
            scenario.title,
            verdict(summary, scenario),
            controls_line(summary, scenario),
            tuple(claim_counts(summary["claims"]).items()),
            facts,
            _finished(place),
        )
    except ScenarioError as error:
        first = error.problems[0]
        return Entry(place, name, f"Cannot be read: {first.path}: {first.message}; {first.hint}")
    except SimlabError as error:
        return Entry(place, name, f"Cannot be read: {error}")
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):  # sealed, but by somebody else
        return Entry(place, name, "Cannot be read: not a run that simlab wrote.")


def _sweep(place: Path) -> Entry:
    from simlab.views.points import Points
    from simlab.views.turn import verdict as turn

    try:
        found = read(place)
        points, played = len(found["rows"]), count(found["replications"], "replication")
        return Entry(
            place,
            str(found["title"]),
            turn(Points(found)),
            facts=f"{found['scenario']}, {count(points, 'point')} of {played}, seed {found['seed']}",
            finished=_finished(place),
            swept=True,
        )
    except SimlabError as error:
        return Entry(place, place.name, f"Cannot be read: {error}", swept=True)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        return Entry(place, place.name, "Cannot be read: not a sweep that simlab wrote.", swept=True)


def _summary(place: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    file = place / "summary.json"
    with storage(file):
        if not _own(file) or digest(file) != manifest["files"].get(file.name):
            raise StorageError(f"{file.name} is missing or damaged")
        return dict(json.loads(file.read_bytes()))


def _finished(place: Path) -> str:
    file = place / "timings.json"
    try:
        found = json.loads(file.read_bytes()) if _own(file) else {}
    except (OSError, ValueError, RecursionError):
        return ""
    return str(found.get("finished", "")) if isinstance(found, dict) else ""


def _row(folder: Path, one: Entry) -> Html:
    """A run or sweep: title and link, verdict, controls, claims, facts; beside them its main figure."""
    place = _from(folder, one.place)
    where = quote(os.fsencode(place))
    heading = Html(escape(one.title))
    if _own(one.place / "report.html"):
        heading = Html(f'<a href="{escape(where)}/report.html">{heading.text}</a>')
    inside = [element("h2", heading), paragraph(one.verdict)]
    inside += [paragraph(one.controls, "soft")] if one.controls else []
    inside += [_claims(one.claims)] if any(n for _, n in one.claims) else []
    inside.append(paragraph(" · ".join(filter(None, (one.facts, one.finished, place))), "soft"))
    shown = Html("")
    figure = SWEPT if one.swept else FIGURE
    if _own(one.place / figure):
        alt = escape(f"Main figure. {one.verdict}")
        shown = Html(f'<img loading="lazy" src="{escape(where)}/{figure.as_posix()}" alt="{alt}">')
    return element("li", element("div", together(inside)), shown)


def _claims(counts: tuple[tuple[str, int], ...]) -> Html:
    """How many claims turned out which way."""
    said = []
    for kind, n in counts:
        css, sign = LOOK.get(kind, GOOD)
        said.append(
            element("span", f"{sign} {n} {'hold' if kind == 'holds' and n != 1 else kind}", css=css if n else "soft")
        )
    return element("p", "Claims: ", together(said), css="claims")
