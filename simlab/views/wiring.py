"""The wiring of an arm as a picture and in words, from the graph that wires the run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simlab.base.world import Spec
from simlab.brains.topology import Topology
from simlab.views.ink import COLOURS, FAINT, INK, PAPER, canvas
from simlab.views.words import listed, sentence, span

if TYPE_CHECKING:
    import networkx
    from matplotlib.figure import Figure

COLUMNS = ("pool", "brain", "model", "view")
SPOTS = 5  # the most nodes of one part that are drawn
LABELS = {
    COLOURS[0]: PAPER,
    COLOURS[1]: "#000000",
    PAPER: INK,
}  # the ink of the number in a node of each colour, in any theme
NAMED = {"pool": "data pool", "brain": "brain", "model": "model", "view": "feature view"}


def seen(spec: Spec | None) -> str:
    """What the models of a world see: "views" that the wiring gives out, the one "public" view that there is, or "nothing"."""
    if spec is None or spec.views > 1 or spec.models == 1:
        return "views"
    return "public" if spec.features or spec.states > 1 else "nothing"


class Part(NamedTuple):
    """One kind of part: how many, how many of them serve several models, the most one serves, the largest blast radius."""

    part: str
    total: int
    shared: int
    most: int
    reach: int


def served(topology: Topology) -> Counter[tuple[str, int]]:
    """How many models each brain, view and pool serves at first hand, not through other models."""
    brains = Counter(("brain", b) for b in topology.brain_of)
    views = Counter(("view", v) for v in topology.view_of)
    return brains + views + Counter(("pool", topology.taught_by[b]) for b in topology.brain_of)


def parts(topology: Topology, spec: Spec | None = None) -> list[Part]:
    """Each kind of part of the wiring, in the order in which it is drawn; a view only where `spec` leaves the wiring a choice."""
    graph, serves = topology.graph(), served(topology)
    found = []
    for part in COLUMNS if seen(spec) == "views" else COLUMNS[:-1]:
        nodes = [node for node in graph if node[0] == part]
        held = [serves[node] for node in nodes if serves[node] > 1]
        reach = max(graph.nodes[node]["reach"] for node in nodes)
        found.append(Part(part, len(nodes), len(held), max(held, default=1), reach))
    return found


def in_words(topology: Topology, spec: Spec | None = None) -> str:
    """What is shared, the largest blast radius, and the dependency depth.

    The one view of a world that has no more (its `spec` tells) is nothing that the wiring shares.
    """
    m = topology.models
    found = [p for p in parts(topology, spec) if p.shared]
    one = [NAMED[p.part] for p in found if p.total == 1]
    some = [
        f"{p.shared} of {p.total} {NAMED[p.part]}s shared, by up to {p.most} models each"
        for p in found
        if NAMED[p.part] not in one
    ]
    said = [f"One {listed(one)} for all {m} models." if one else "", sentence("; ".join(some)) + "." if some else ""]
    said.append("" if found or topology.average_every else "Nothing is shared.")
    said.append("Models read other models." if topology.reads else "")
    said.append(f"Weights are averaged every {span(topology.average_every)}." if topology.average_every else "")
    said.append("All models see the one view that this world has." if seen(spec) == "public" else "")
    worst = max(p.reach for p in parts(topology, spec))
    return " ".join(s for s in said if s) + f" Blast radius {worst} of {m}, depth {topology.depth()}."


def kept(topology: Topology) -> tuple[list[tuple[str, int]], Counter[str]]:
    """The nodes to draw, and how many there are of each part.

    Parts that nothing tells apart are drawn a few times and counted: models are taken evenly over their numbers, at
    least one of each block as far as SPOTS go, with everything that they depend on directly.
    """
    graph = topology.graph()
    total = Counter(str(part) for part, _ in graph)
    models = sorted({int(i) for i in np.linspace(0, topology.models - 1, min(topology.models, SPOTS)).round()})
    if topology.reads:  # neighbours show who reads whom; models far apart would not
        models = list(range(min(topology.models, SPOTS)))
    draw: dict[tuple[str, int], None] = {("model", m): None for m in models}
    for m in models:
        draw[("view", topology.view_of[m])] = None
        brain = topology.brain_of[m]
        draw[("brain", brain)] = None
        draw[("pool", topology.taught_by[brain])] = None
    return sorted(draw, key=lambda node: (COLUMNS.index(node[0]), node[1])), total


def wiring(topology: Topology, spec: Spec | None = None) -> Figure:
    """Pools teach brains, brains and views serve models; a node grows with its blast radius, and says it. Call within `style()`.

    A view that all see in any wiring (the world's `spec` tells) is drawn as no part of it, and left out where it shows nothing.
    """
    graph: networkx.DiGraph = topology.graph()
    views = seen(spec)
    nodes, total = kept(topology)
    serves = served(topology)
    figure = canvas(290, 220)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 290)
    axes.set_ylim(220, 0)
    spot: dict[tuple[str, int], tuple[float, float]] = {}
    places = dict(zip(COLUMNS, (38, 108, 184, 252), strict=True))
    if views == "nothing":
        places = dict(zip(COLUMNS[:-1], (48, 145, 242), strict=True))
    for part, x in places.items():
        column = [node for node in nodes if node[0] == part]
        for j, node in enumerate(column):
            spot[node] = (x, 110 + (j - (len(column) - 1) / 2) * 30)
        one = total[part]
        axes.text(x, 16, f"{one} {part}{'' if one == 1 else 's'}", ha="center", fontsize=10, fontweight="bold")
        shared = [n for n in column if serves[n] > 1]
        if part == "model":
            below = f"{len(column)} of {one} drawn" if len(column) < one else ""
        elif part == "view" and views == "public":
            below = "the world's"
        elif shared:
            most = max(serves[n] for n in shared)
            below = f"{'all' if most == topology.models else 'up to'} {most}"
        else:
            below = "own"
        bold = "bold" if shared and below != "the world's" else "normal"
        axes.text(x, 206, below, ha="center", fontsize=9.5, fontweight=bold)
        if len(column) < one and len(column) > 1:
            axes.text(x, 110 + (len(column) - 1) * 15 - 14, "⋮", ha="center", va="center", fontsize=12)
    for a, b in graph.edges:
        if a in spot and b in spot:
            bend = "arc3,rad=-0.35" if a[0] == b[0] else "arc3"
            ends = {
                "arrowstyle": "-|>",
                "connectionstyle": bend,
                "color": FAINT,
                "linewidth": 1,
                "shrinkA": 6,
                "shrinkB": 8,
                "mutation_scale": 8,
            }
            axes.annotate("", spot[b], spot[a], arrowprops=ends)
    if topology.reads:
        axes.text(places["model"], 32, "models read models", ha="center", fontsize=9.5)
    for node in spot:
        reach = 1 if node[0] == "view" and views == "public" else graph.nodes[node]["reach"]
        hue = COLOURS[1] if serves[node] > 1 and reach > 1 else (COLOURS[0] if node[0] == "model" else PAPER)
        size = 7 + 21 * np.sqrt((reach - 1) / max(topology.models - 1, 1))
        axes.plot(
            *spot[node],
            marker="o" if node[0] == "model" else "s",
            markersize=float(size),
            color=hue,
            markeredgecolor=INK,
            markeredgewidth=1.2,
            zorder=5,
        )
        if reach > 1 and size > 11:
            axes.annotate(
                str(reach),
                spot[node],
                color=LABELS[hue],
                ha="center",
                va="center",
                fontsize=10,
                fontweight="bold",
                zorder=6,
            )
    return figure
