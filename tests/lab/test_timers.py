"""Timers that wait for what is being done: the periodic messages of Floyd & Jacobson (1994), and the conductor on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.brains.topology import Schedule
from simlab.lab.cohort import join, play
from simlab.lab.timers import turns_of
from tests.lab.toy import trial

ROUTERS, PERIOD, WORK = 20, 121.0, 0.11  # Floyd & Jacobson 1994, section 4


def routers(jitter, horizon, *, together, replications=4, seed=1994):
    """When each of the routers sends, `(turns, r, b)` seconds."""
    luck = np.random.default_rng(seed)
    turns = int(horizon / (PERIOD - jitter)) + 3
    shape = replications, ROUTERS
    first = np.zeros(shape) if together else luck.uniform(0, PERIOD, shape)
    return turns_of(first, PERIOD + luck.uniform(-jitter, jitter, (turns, *shape)), WORK, horizon)


def largest(began, end):
    """The most routers served in one busy period that begins in the last three rounds before `end`, for each replication."""
    found = []
    for i in range(began.shape[1]):
        at = np.sort(began[:, i].ravel())
        at = at[(at > end - 3 * PERIOD) & (at < end)]
        cuts = np.flatnonzero(np.diff(at) > WORK * 1.001)
        found.append(int(np.diff([-1, *cuts, len(at) - 1]).max()))
    return found


def test_a_small_random_part_lets_routers_fall_into_step():
    """Floyd & Jacobson 1994, section 4: with a random part of 0.1 s they do, after 10^5 s or some times that; with 0.05 s sooner."""
    horizon = 2e5
    assert largest(routers(0.05, horizon, together=False), horizon - 200) == [20] * 4
    horizon = 1e6
    began = routers(0.10, horizon, together=False, replications=3)
    assert largest(began, horizon - 200) == [20] * 3


def test_a_larger_random_part_does_not_and_takes_them_apart():
    """From 0.15 s on nobody falls into step within 10^6 s; and of routers that begin in step, 0.3 s lets go, and 0.1 s does not."""
    assert max(largest(routers(0.15, 1e6, together=False, replications=2), 1e6 - 200)) <= 5
    assert largest(routers(0.10, 1e5, together=True), 1e5 - 200) == [20] * 4
    assert max(largest(routers(0.30, 2e5, together=True), 2e5 - 200)) <= 5


@pytest.mark.parametrize("size", [2, 5, 10])
def test_a_cluster_takes_longer_for_a_round_the_larger_it_is(size):
    """A cluster of i takes T + i Tc - Tr (i-1)/(i+1) for a round, a lone router T + Tc: the first of i timers counts (section 5).

    Within four standard errors; a random part of Tc/2 cannot take a cluster apart.
    """
    turns, r, jitter = 60, 200, WORK / 2
    luck = np.random.default_rng(3)
    first = np.zeros((r, size + 1))
    first[:, size] = 60.0
    began = turns_of(first, PERIOD + luck.uniform(-jitter, jitter, (turns, r, size + 1)), WORK, 50 * PERIOD)
    for who, expected in (
        (slice(0, size), PERIOD + size * WORK - jitter * (size - 1) / (size + 1)),
        (slice(size, None), PERIOD + WORK),
    ):
        rounds = (began[40, :, who].min(axis=1) - began[0, :, who].min(axis=1)) / 40
        assert abs(rounds.mean() - expected) < 4 * rounds.std() / np.sqrt(r) + 1e-9


def test_what_comes_up_in_a_busy_period_is_served_in_turn_and_set_anew_together():
    """By hand: work of 2, timers of 10. The third runs out just when the first two are done, so it begins a period of its own."""
    began = turns_of(np.array([[0.0, 1.0, 4.0, 4.0]]), np.full((9, 1, 4), 10.0), 2.0, 30.0)
    assert began[:3, 0].T.tolist() == [[0, 14, 28], [2, 16, 30], [4, 18, np.inf], [6, 20, np.inf]]
    assert np.isinf(began[3:]).all()


PLAN = Schedule(every=10, jitter=3, busy=2, waits=True)


def test_the_conductor_retrains_when_the_timers_say_so_at_any_cohort_size():
    """Never two brains at once, since each is busy for two ticks; and the same bits whoever else is in the cohort."""
    set_up, trained = trial(horizon=200, schedule=PLAN), list[tuple[int, ...]]()
    play(
        set_up,
        1,
        [0],
        lambda tick, stage, value: trained.append((tick, *value["brains"])) if stage == "learn" else None,
    )
    ticks = [tick for tick, *_ in trained]
    assert all(len(brains) == 1 for _, *brains in trained)
    assert min(np.diff(ticks)) >= 1
    assert 200 / (10 + 3 + 2 * set_up.topology.brains) <= len(ticks) / set_up.topology.brains <= 200 / (10 - 3)
    whole = play(set_up, 1, range(6))
    assert not whole.failed
    parts = join([play(set_up, 1, range(2)), play(set_up, 1, range(2, 6))])
    for name, value in whole.series.items():
        np.testing.assert_array_equal(value, parts.series[name], err_msg=name)


def test_a_longer_run_begins_as_a_shorter_one():
    short, long = (play(trial(horizon=horizon, schedule=PLAN), 1, range(3)) for horizon in (100, 200))
    for name, value in short.series.items():
        np.testing.assert_array_equal(value, long.series[name][: len(value)], err_msg=name)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (replace(PLAN, how="random", chance=0.5), "turns are left out"),
        (replace(PLAN, jitter=10), r"schedule\.jitter must be below schedule\.every \(10 s\)"),
    ],
)
def test_timers_that_make_no_sense_are_refused(plan, text):
    with pytest.raises(InputError, match=text):
        trial(schedule=plan)
