"""How far an error travels: dependency depth, path gain, and the gain of loops through reality and training.

An error of 1 in one part arrives as `gain` in the next; gains multiply along a path and paths add up, as in a linear system. Loops
are judged by what is left of an error after a turn: the spectral radius of the return map (I - A)^-1 B, with A the links within a
turn and B those that end it. Gains are sizes, so nothing cancels. For one loop alone it is the product of its gains; below
1 errors die out, whatever the delays (Varga 1962, theorem 3.29 on regular splittings).
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simlab.scenario.architecture import SILENT, Architecture

if TYPE_CHECKING:
    import networkx

MOST_LOOPS = 1_000  # that are listed one by one; the gain of all together needs no list


class Loop(NamedTuple):
    """A closed path, its gain, and how many of its links have the default gain."""

    path: tuple[str, ...]
    gain: float
    chosen: int


class Chain(NamedTuple):
    """A path along which models read models, and the gain along it."""

    path: tuple[str, ...]
    gain: float


class Gains(NamedTuple):
    """How far errors travel.

    `depth` counts the models on the longest `chain` of models that read each other within an instant. `cascade` is the largest path
    gain from one model to another, over all paths; `along` the strongest single path of that pair (None when no model reads
    another). `loop` is the closed-loop gain of all loops together, 0 without any; `loops` the strongest first, `complete` when
    none was left out.
    """

    depth: int
    chain: Chain
    cascade: float
    along: Chain | None
    loop: float
    loops: tuple[Loop, ...]
    complete: bool


def gains(architecture: Architecture) -> Gains:
    """Depth, path gain and loop gain of an architecture."""
    graph = architecture.graph(*SILENT)
    within = architecture.graph(*SILENT, "shaped_by", "trained_on")
    models = [part.name for part in architecture.of("model")]
    depth, chain = _deepest(within, models)
    cascade, along = _cascade(within, models)
    loops, complete = _loops(graph)
    return Gains(
        depth, Chain(chain, _gain(graph, chain)), cascade, along, _closed(graph, architecture), loops, complete
    )


def _deepest(graph: networkx.DiGraph, models: list[str]) -> tuple[int, tuple[str, ...]]:
    """The most models on a path, and those models' path."""
    import networkx as nx

    best: dict[str, tuple[int, tuple[str, ...]]] = {}
    for node in nx.topological_sort(graph):
        depth, path = max((best[u] for u in graph.predecessors(node)), key=lambda one: one[0], default=(0, ()))
        own = node in models
        best[node] = (depth + own, (*path, node) if own or path else ())
    return max((best[model] for model in models), key=lambda one: one[0])


def _cascade(graph: networkx.DiGraph, models: list[str]) -> tuple[float, Chain | None]:
    """The largest gain from one model to another over all paths, and the strongest path between these two."""
    import networkx as nx

    order = list(nx.topological_sort(graph))
    largest, ends = 0.0, None
    for first in models:
        arrives = {first: 1.0}
        for node in order[order.index(first) + 1 :]:
            arrives[node] = sum(arrives.get(u, 0.0) * graph.edges[u, node]["gain"] for u in graph.predecessors(node))
            if node in models and arrives[node] > largest:
                largest, ends = arrives[node], (first, node)
    if ends is None:
        return 0.0, None
    first, last = ends
    best: dict[str, tuple[float, tuple[str, ...]]] = {first: (1.0, (first,))}
    for node in order[order.index(first) + 1 :]:
        reached = [
            (best[u][0] * graph.edges[u, node]["gain"], best[u][1]) for u in graph.predecessors(node) if u in best
        ]
        if reached:
            gain, path = max(reached, key=lambda one: one[0])
            best[node] = (gain, (*path, node))
    return largest, Chain(best[last][1], best[last][0])


def _loops(graph: networkx.DiGraph) -> tuple[tuple[Loop, ...], bool]:
    """The loops one by one, the strongest first, and whether these are all."""
    import networkx as nx

    found = []
    some = list(islice(nx.simple_cycles(graph), MOST_LOOPS + 1))
    for circle in some[:MOST_LOOPS]:
        start = min(range(len(circle)), key=lambda i: circle[i])
        path = (*circle[start:], *circle[:start])
        closed = (*path, path[0])
        chosen = sum(graph.edges[a, b]["chosen"] for a, b in pairwise(closed))
        found.append(Loop(path, _gain(graph, closed), chosen))
    return tuple(sorted(found, key=lambda loop: (-loop.gain, loop.path))), len(some) <= MOST_LOOPS


def _closed(graph: networkx.DiGraph, architecture: Architecture) -> float:
    """What is left of an error after a turn, in the worst group of parts that feed back on each other."""
    import networkx as nx

    turns = _turns(architecture)
    worst = 0.0
    for group in nx.strongly_connected_components(graph):
        if len(group) > 1:
            names = sorted(group)
            inside = nx.to_numpy_array(graph.subgraph(group), names, weight="gain").T
            ends = np.array([[(a, b) in turns for a in names] for b in names])
            back = np.linalg.solve(np.eye(len(names)) - np.where(ends, 0, inside), np.where(ends, inside, 0))
            worst = max(worst, float(np.abs(np.linalg.eigvals(back)).max()))
    return worst


def _turns(architecture: Architecture) -> set[tuple[str, str]]:
    """The links that end a turn: through reality, and through training where that closes a loop without reality."""
    import networkx as nx

    graph = architecture.graph(*SILENT, "shaped_by")
    found = {(link.source, link.target) for link in architecture.links if link.how == "shaped_by"}
    for group in nx.strongly_connected_components(graph):
        inside = graph.subgraph(group)
        found |= {(a, b) for a, b, how in inside.edges(data="how") if how == ("trained_on",)}
    return found


def _gain(graph: networkx.DiGraph, path: tuple[str, ...]) -> float:
    """The product of the gains along a path."""
    return float(np.prod([graph.edges[a, b]["gain"] for a, b in pairwise(path)]))
