"""How far an error travels: dependency depth, path gain, and the gain of loops through reality and training.

An error of 1 in one part arrives as `gain` in the next; gains multiply along a path and paths add up, as in a linear system. Loops
are judged by what is left of an error after a turn: the spectral radius of the return map (I - A)^-1 B, with A the links within a
turn and B those that end it. Gains are sizes, so nothing cancels. For one loop alone it is the product of its gains; below
1 errors die out, whatever the delays (Varga 1962, theorem 3.29 on regular splittings).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.scenario.architecture import SILENT, SLOW, Architecture, Link, linked

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
    within = architecture.graph(*SILENT, *SLOW)
    models = [part.name for part in architecture.of("model")]
    depth, chain = _deepest(within, models)
    largest, ends = _largest(within, models)
    along = _strongest(within, *ends) if ends is not None else None
    loops, complete = _loops(graph)
    return Gains(depth, Chain(chain, _gain(graph, chain)), largest, along, closed(architecture), loops, complete)


def cascade(architecture: Architecture) -> float:
    """The largest path gain from one model to another, over all paths."""
    return _largest(architecture.graph(*SILENT, *SLOW), [part.name for part in architecture.of("model")])[0]


def closed(architecture: Architecture) -> float:
    """What is left of an error after a turn, in the worst group of parts that feed back on each other; 0 without loops."""
    return _closed(tuple(link for link in architecture.links if link.how not in SILENT))


def _deepest(graph: networkx.DiGraph, models: list[str]) -> tuple[int, tuple[str, ...]]:
    """The most models on a path, and those models' path."""
    import networkx as nx

    best: dict[str, tuple[int, tuple[str, ...]]] = {}
    for node in nx.topological_sort(graph):
        depth, path = max((best[u] for u in graph.predecessors(node)), key=lambda one: one[0], default=(0, ()))
        own = node in models
        best[node] = (depth + own, (*path, node) if own or path else ())
    return max((best[model] for model in models), key=lambda one: one[0])


def _largest(graph: networkx.DiGraph, models: list[str]) -> tuple[float, tuple[str, str] | None]:
    """The largest gain from one model to another, and these two."""
    arrives = _arriving(graph, models)
    table = np.stack([arrives[name] for name in models]).round(12)  # last, first
    np.fill_diagonal(table, 0)
    last, first = divmod(int(table.argmax()), len(models))
    return (float(table[last, first]), (models[first], models[last])) if table[last, first] > 0 else (0.0, None)


def _arriving(graph: networkx.DiGraph, starts: list[str]) -> dict[str, Floats]:
    """Of an error of 1 in each of `starts`, what arrives in every part over all paths, `(starts,)`; nothing is circular."""
    import networkx as nx

    arrives: dict[str, Floats] = {name: np.zeros(len(starts)) for name in graph}
    for i, name in enumerate(starts):
        arrives[name][i] = 1
    for node in nx.topological_sort(graph):
        for above in graph.predecessors(node):
            arrives[node] += graph.edges[above, node]["gain"] * arrives[above]
    return arrives


def _strongest(graph: networkx.DiGraph, first: str, last: str) -> Chain:
    """The single path from one to another along which most arrives."""
    import networkx as nx

    best: dict[str, Chain] = {first: Chain((first,), 1.0)}
    for node in nx.topological_sort(graph):
        reached = [
            Chain((*best[u].path, node), best[u].gain * graph.edges[u, node]["gain"])
            for u in graph.predecessors(node)
            if u in best
        ]
        if reached and node != first:
            best[node] = max(reached, key=lambda chain: chain.gain)
    return best[last]


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


@lru_cache(maxsize=256)
def _closed(links: tuple[Link, ...]) -> float:
    """The largest spectral radius of a group's return map, from where its turns end to where they end again."""
    import networkx as nx

    graph = linked(links)
    turns = _turns(links)
    worst = 0.0
    for group in _circular(graph):
        inside = graph.subgraph(group)
        back = [(a, b) for a, b in inside.edges if (a, b) in turns]
        within = nx.DiGraph(inside)
        within.remove_edges_from(back)
        ends = sorted({b for _, b in back})
        arrives = _arriving(within, ends)
        turn = np.zeros((len(ends), len(ends)))
        for a, b in back:
            turn[ends.index(b)] += inside.edges[a, b]["gain"] * arrives[a]
        worst = max(worst, float(np.abs(np.linalg.eigvals(turn)).max()))
    return worst


def _turns(links: tuple[Link, ...]) -> set[tuple[str, str]]:
    """The links that end a turn: through reality, and through training where that closes a loop without reality."""
    found = {(link.source, link.target) for link in links if link.how == "shaped_by"}
    graph = linked(link for link in links if link.how != "shaped_by")
    for group in _circular(graph):
        found |= {(a, b) for a, b, how in graph.subgraph(group).edges(data="how") if how == ("trained_on",)}
    return found


def _circular(graph: networkx.DiGraph) -> list[set[str]]:
    """The groups of parts that feed back on each other."""
    import networkx as nx

    return [group for group in nx.strongly_connected_components(graph) if len(group) > 1]


def _gain(graph: networkx.DiGraph, path: tuple[str, ...]) -> float:
    """The product of the gains along a path."""
    return float(np.prod([graph.edges[a, b]["gain"] for a, b in pairwise(path)]))
