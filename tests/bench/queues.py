"""Customers who come, queue and are served, by the kernels of `base/queues.py`, in C, in SimPy and in Ciw.

Everybody is dealt the same arrivals and services (Poisson, exponential, load .8) and must let the same customers leave at the
same instants; drawing them is in nobody's time. `M/M/1` is a server, `M/M/1 x 8` are eight queues with a server each, chosen by lot
on arrival, and `M/M/4` is one queue for four servers. The kernel and C serve a whole cohort. SimPy serves one replication, all its
customers; Ciw one queue of it, which of `M/M/1 x 8` is the first of eight. Times are per customer served.

C is a recursion in one thread: a maximum and an addition for each customer. NumPy has no loop that waits for its own last result
but `accumulate`, which keeps that result in memory, at 3.3 ns a number where C takes 1 to 2 (AMD EPYC Zen 5); a queue is two of
these, and to bring the customers of a server together a stable sort, three gathers and a scatter, 5 ns more.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
import simpy

from simlab.base.queues import fifo, soonest
from simlab.studies.runner import COHORT
from tests.bench.rivals import left_out
from tests.bench.rivals.with_c import library

ROWS, CUSTOMERS = COHORT, 500
LOAD = 0.8
SHORT = 10  # times that what takes milliseconds is played in a row


class Day(NamedTuple):
    """Customers of all rows, each `(r, j)`; server -1 is whichever is free soonest, of `servers`."""

    comes: np.ndarray
    server: np.ndarray
    work: np.ndarray
    servers: int


def day(servers: int, *, one_queue: bool) -> Day:
    rng = np.random.Generator(np.random.SFC64(servers))
    comes = rng.exponential(1 / (LOAD * servers), (ROWS, CUSTOMERS)).cumsum(axis=1)
    server = np.full(comes.shape, -1) if one_queue else rng.integers(servers, size=comes.shape)
    return Day(comes, server, rng.exponential(size=comes.shape), servers)


def kernel(d: Day) -> np.ndarray:
    """When all leave, `(r, j)`."""
    free = np.zeros((len(d.comes), d.servers))
    if d.server[0, 0] < 0:
        return soonest(d.comes, d.server, d.work, free, np.zeros(d.servers), np.ones(d.servers + 1)).leaves
    return fifo(d.comes, d.server, d.work, free).leaves


def in_c(d: Day) -> np.ndarray:
    leaves, until = np.empty_like(d.comes), np.zeros((len(d.comes), d.servers))
    pointers = (each.ctypes.data_as(ctypes.c_void_p) for each in (d.comes, d.server, d.work, until, leaves))
    library("queues").serve(*(ctypes.c_int64(each) for each in (*d.comes.shape, d.servers)), *pointers)
    return leaves


def in_simpy(d: Day) -> np.ndarray:
    """The first row, a process for each customer."""
    env, leaves = simpy.Environment(), np.empty(CUSTOMERS)
    one_queue = d.server[0, 0] < 0
    desks = [simpy.Resource(env, d.servers if one_queue else 1) for _ in range(1 if one_queue else d.servers)]

    def customer(i, comes, desk, work):
        yield env.timeout(comes)
        with desk.request() as turn:
            yield turn
            yield env.timeout(work)
        leaves[i] = env.now

    where = np.maximum(d.server[0], 0)
    for i, (comes, at, work) in enumerate(zip(d.comes[0].tolist(), where.tolist(), d.work[0].tolist(), strict=True)):
        env.process(customer(i, comes, desks[at], work))
    env.run()
    return leaves


def in_ciw(d: Day) -> np.ndarray:
    """The first row; only one queue, or the queue of server 0, whose customers then are all that come."""
    import ciw

    mine = np.flatnonzero(d.server[0] <= 0)
    gaps, work = np.diff(d.comes[0][mine], prepend=0), d.work[0][mine]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps.tolist(), 1e12])],
        service_distributions=[ciw.dists.Sequential(work.tolist())],
        number_of_servers=[d.servers if d.server[0, 0] < 0 else 1],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(len(mine), method="Finish")
    leaves = {each.id_number: each.exit_date for each in simulation.get_all_records()}
    return np.array([leaves[i] for i in sorted(leaves)])


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds of CPU per customer, medians of `rounds`, each played in turn."""
    table = {}
    days = {"M/M/1": (1, False), "M/M/1 x 8": (8, False), "M/M/4": (4, True)}
    for name, one in {name: day(servers, one_queue=pooled) for name, (servers, pooled) in days.items()}.items():
        leaves = kernel(one)
        works: dict[str, tuple[Callable[[Day], np.ndarray], int]] = {
            "kernel": (kernel, leaves.size),
            "C": (in_c, leaves.size),
            "SimPy": (in_simpy, CUSTOMERS),
            "Ciw": (in_ciw, int((one.server[0] <= 0).sum())),
        }
        found: dict[str, list[float]] = {}
        for what, (work, _) in list(works.items()):
            try:
                theirs = work(one)
            except (ImportError, OSError) as missing:
                left_out(what, str(missing))
                del works[what]
                continue
            ours = leaves if what in ("kernel", "C") else leaves[0]
            ours = ours[one.server[0] <= 0] if what == "Ciw" else ours
            np.testing.assert_allclose(theirs, ours, rtol=1e-9, err_msg=f"{what} serves otherwise")
        for _ in range(rounds):
            for what, (work, customers) in works.items():
                turns = SHORT if what in ("kernel", "C") else 1
                began = time.process_time()
                for _ in range(turns):
                    work(one)
                found.setdefault(what, []).append((time.process_time() - began) / (turns * customers) * 1e9)
        table[name] = {what: median(each) for what, each in found.items()}
    return table
