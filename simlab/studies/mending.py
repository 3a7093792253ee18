"""Changes to an architecture that may make it safer, each as the changed architecture itself: nothing about it is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from simlab.base.units import pretty
from simlab.scenario.architecture import SILENT, Architecture, Link, Part, exactly
from simlab.studies.blast import blasts

MOST_CHANGES = 120  # looked at in one round; of the parts with the widest blast radius first
ROUND = {3600.0: 60.0, 60.0: 1.0, 0.0: 0.001}  # what a phase is rounded to, by the shortest time between retrainings


class Change(NamedTuple):
    """A change by its kind and in words, what it costs, and the architecture after it."""

    kind: str
    words: str
    cost: float
    after: Architecture


def changes(architecture: Architecture) -> list[Change]:
    """Every change that is considered, at most MOST_CHANGES: where it would matter most first."""
    found = [*_staggered(architecture)]
    for blast in blasts(architecture):
        part = architecture.part(blast.name)
        if part.kind in ("source", "store", "compute", "fallback"):
            found += _splits(architecture, part)
        elif part.kind == "brain":
            found += _own_brains(architecture, part)
        elif part.kind == "model":
            found += _fallbacks(architecture, part)
            found += _damped(architecture, part)
    return found[:MOST_CHANGES]


def _splits(architecture: Architecture, part: Part) -> Iterator[Change]:
    """Two copies of a shared part, and one for each part that needs it."""
    targets = _dependents(architecture, part)
    for k in sorted({2, len(targets)}) if len(targets) > 1 else ():
        words = f"split {part.kind} `{part.name}` into {k} for the {len(targets)} parts that need it"
        yield Change("split", words, architecture.costs.split * (k - 1), split(architecture, part.name, k))


def split(architecture: Architecture, name: str, k: int) -> Architecture:
    """`k` copies of a part in its place, each as likely to fail; what needs it is dealt out so that traffic is even.

    Each copy is made from, and shaped by, all that the part was.
    """
    part = architecture.part(name)
    reach = {blast.name: blast.traffic + blast.weight for blast in blasts(architecture)}
    copies = _new_names(architecture, name, k)
    load = [0.0] * k
    copy_of: dict[str, str] = {}
    for target in sorted(_dependents(architecture, part), key=lambda one: -reach.get(one, 0.0)):
        least = load.index(min(load))
        copy_of[target] = copies[least]
        load[least] += reach.get(target, 0.0) + 1e-9  # where nothing is reached, in turn
    links: list[Link] = []
    for link in architecture.links:
        if link.target == name:
            links += [link._replace(target=copy) for copy in copies]
        else:
            links.append(link._replace(source=copy_of[link.target]) if link.source == name else link)
    parts: list[Part] = []
    for one in architecture.parts:
        if one.name == name:
            parts += [part._replace(name=copy) for copy in copies]
        else:
            moved = one._replace(fallback=copy_of[one.name]) if one.fallback == name else one
            if moved.rhythm is not None and moved.rhythm.on == name:
                moved = moved._replace(rhythm=moved.rhythm._replace(on=copy_of.get(one.name, copies[0])))
            parts.append(moved)
    return replace(architecture, parts=tuple(parts), links=tuple(links))


def _own_brains(architecture: Architecture, brain: Part) -> Iterator[Change]:
    """A brain of its own for one of the models that share one."""
    models = _dependents(architecture, brain)
    for model in models if len(models) > 1 else ():
        (own,) = _new_names(architecture, f"{model}_brain", 1)
        links = [link for link in architecture.links if (link.source, link.target) != (brain.name, model)]
        links += [link._replace(target=own) for link in architecture.links if link.target == brain.name]
        links += [
            link._replace(source=own)
            for link in architecture.links
            if (link.source, link.target) == (brain.name, model)
        ]
        after = replace(architecture, parts=(*architecture.parts, brain._replace(name=own)), links=tuple(links))
        words = f"give `{model}` a brain of its own instead of `{brain.name}`"
        yield Change("own_brain", words, architecture.costs.own_brain, after)


def _fallbacks(architecture: Architecture, model: Part) -> Iterator[Change]:
    """A plain rule for a model that has none."""
    if model.fallback is None:
        (name,) = _new_names(architecture, f"{model.name}_rule", 1)
        rule = Part(name, "fallback", architecture.relief.fallback)
        parts = tuple(one._replace(fallback=name) if one is model else one for one in architecture.parts)
        after = replace(
            architecture, parts=(*parts, rule), links=(*architecture.links, Link(name, model.name, "fallback"))
        )
        yield Change(
            "fallback", f"give `{model.name}` a plain rule to fall back on", architecture.costs.fallback, after
        )


def _damped(architecture: Architecture, model: Part) -> Iterator[Change]:
    """A firewall on what a model passes to other models or to reality, and a holdout from what it shapes."""
    models = {part.name for part in architecture.of("model")}
    seen = set()
    for link in architecture.links:
        shapes = link.how == "shaped_by"
        wanted = shapes or (link.target in models and link.how not in SILENT)
        if link.source != model.name or not wanted or not link.gain or link.target in seen:
            continue
        seen.add(link.target)
        pair = f"between `{link.source}` and `{link.target}`"
        left = architecture.relief.firewall
        words = f"put a firewall {pair} that lets {left:g} of an error pass"
        yield Change("firewall", words, architecture.costs.firewall, _damp(architecture, link, left))
        if shapes:
            left = architecture.relief.holdout
            words = f"hold {1 - left:g} of `{link.target}` out from what `{link.source}` does"
            yield Change("holdout", words, architecture.costs.holdout, _damp(architecture, link, left))


def _damp(architecture: Architecture, damped: Link, left: float) -> Architecture:
    """A smaller gain between two parts."""
    pair = (damped.source, damped.target)
    return replace(
        architecture,
        links=tuple(
            link._replace(gain=link.gain * left) if (link.source, link.target) == pair else link
            for link in architecture.links
        ),
    )


def _staggered(architecture: Architecture) -> Iterator[Change]:
    """All retrainings one after another, with equal rests, within the shortest time between two of them."""
    some = [part for part in architecture.parts if part.rhythm is not None]
    if len(some) < 2:
        return
    after = staggered(architecture)
    phases = {part.name: part.rhythm.phase for part in after.parts if part.rhythm is not None}
    told = ", ".join(f"`{part.name}` at {pretty(phases[part.name])}" for part in some[:4])
    more = f" and {len(some) - 4} more" if len(some) > 4 else ""
    yield Change("stagger", f"stagger the retrainings: {told}{more}", architecture.costs.stagger, after)


def staggered(architecture: Architecture) -> Architecture:
    """The same with phases such that retrainings follow one another, as far as they fit; those of a kind keep their order."""
    rhythms = {part.name: part.rhythm for part in architecture.parts if part.rhythm is not None}
    shortest: Fraction = min(exactly(rhythm.every) for rhythm in rhythms.values())
    unit = next(exactly(unit) for least, unit in ROUND.items() if shortest >= least)
    total = sum((exactly(rhythm.busy) for rhythm in rhythms.values()), Fraction(0))
    rest = max(shortest - total, Fraction(0)) / len(rhythms)
    at, phases = Fraction(0), {}
    for name, rhythm in rhythms.items():
        phases[name] = float(at // unit * unit)
        at += (exactly(rhythm.busy) if total <= shortest else shortest / len(rhythms)) + rest
    parts = tuple(
        part._replace(rhythm=part.rhythm._replace(phase=phases[part.name])) if part.rhythm is not None else part
        for part in architecture.parts
    )
    return replace(architecture, parts=parts)


def _dependents(architecture: Architecture, part: Part) -> list[str]:
    """The parts that need this one, in the order of the file."""
    found = {link.target for link in architecture.links if link.source == part.name and link.how != "shaped_by"}
    return [one.name for one in architecture.parts if one.name in found]


def _new_names(architecture: Architecture, stem: str, k: int) -> list[str]:
    """`k` names that no part has."""
    taken = {part.name for part in architecture.parts}
    if k == 1 and stem not in taken:
        return [stem]
    names = (f"{stem}_{i}" for i in range(1, len(taken) + k + 2))
    return [name for name in names if name not in taken][:k]
