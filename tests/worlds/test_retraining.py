"""Retraining against its slow twin, and against the algebra of relaxation, of stale answers and of anomalies that somebody learns."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, schedule, wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds.retraining import Retraining
from tests.twins.retraining import Office

EXACT = {"noise": 0.0, "drift": 0.0}  # no luck in it
LATEST = Ridge(penalty=1e-9, memory=1.0)  # what came n ticks ago counts exp(-n)


def trial(
    wiring="isolated", brain=LATEST, *, ticks, cycle, how="synchronised", shocks=(), stride=1, warmup=0, **parameters
):
    """Brains that learn every `cycle` ticks; shocks are (tick, parameter, value)."""
    world = Retraining(**parameters)
    return Trial(
        world,
        (brain,),
        wire(wiring, world.models).canonical(world.spec),
        horizon=ticks * world.tick,
        stride=stride * world.tick,
        warmup=warmup * world.tick,
        schedule=schedule(how, Schedule(every=cycle * world.tick)),
        shocks=tuple(
            Shock(f"shock {i}", "world", "set", start=at * world.tick, values={name: value})
            for i, (at, name, value) in enumerate(shocks)
        ),
    )


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, dealt the same numbers and ready to go."""
    luck, world, (brain,) = Streams(seed, [number]), set_up.world, set_up.brains
    dealt = {"glitch": float(luck.uniform("glitch", (1,))[0])}
    dealt |= {name: [] for name in ("conditions", "view error", "drift", "common noise", "noise")}
    for tick in range(-1, ticks):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["conditions"].append(float(luck.normal("conditions", (1,))[0]))
        dealt["view error"].append(luck.normal("view error", (1, world.models))[0].tolist())
        if tick >= 0:
            dealt["drift"].append(float(luck.normal("drift", (1,))[0]))
            dealt["common noise"].append(float(luck.normal("common noise", (1,))[0]))
            dealt["noise"].append(luck.normal("noise", (1, world.models))[0].tolist())
    plan = set_up.schedule
    return Office(
        asdict(world),
        dealt,
        asdict(set_up.topology),
        asdict(brain),
        every=plan.every,
        cohort=plan.size if plan.how == "staggered" else set_up.topology.brains,
        shocks=[(set_up.ticks(s.start), *next(iter(s.values.items()))) for s in set_up.shocks],
    )


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared_data", "shared_brain", "bulkheads(2)"])
@pytest.mark.parametrize(
    ("how", "parameters"),
    [
        ("synchronised", {"context": 0.5}),
        ("staggered(1)", {"context": 0.0, "crowding": 0.5, "bound": 2.0}),
        ("staggered(2)", {"context": 0.4, "crowding": -0.1, "alike": 0.2}),
    ],
)
def test_kernel_equals_its_twin(wiring, how, parameters):
    """On equal noise, instant by instant, to rounding."""
    if not parameters["context"] and wiring == "feature_store":
        return  # with nothing to see it is the same wiring as isolated
    world = {"models": 4, "glitch_within": 86_400.0, "glitch_time": 28_800.0, "tolerance": 0.3} | parameters
    shocks = (20, "glitch", 2.0), (60, "level", 1.5)
    set_up = trial(wiring, Ridge(penalty=0.1, memory=3.0), ticks=90, cycle=8, how=how, shocks=shocks, **world)
    seed, number = 6, 3
    outcome = play(set_up, seed, [number])
    twin = twin_of(set_up, seed, number, 90)
    path = []
    for tick in range(1, 91):
        twin.run(tick)
        hours = twin.astray_sum * set_up.world.step_time / 3600
        means = math.sqrt(twin.miss / tick), twin.loss / tick
        path.append((twin.astray, twin.worst, hours, twin.mean_error, twin.size, *means, twin.surprise))
    for i, name in enumerate(set_up.world.measures):
        found = outcome.series[name][1:, 0]
        np.testing.assert_allclose(found, [row[i] for row in path], rtol=2e-6, atol=2e-6, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(path[-1][i], rel=1e-9, abs=1e-12), name
    assert outcome.series["worst"].max() > 0


def rounds_of(n, m, c, level=1.0, rounds=12, bound=math.inf):
    """Answers `(rounds, n)` after each round in which cohorts of m best-respond in turn to the latest, and the matrix of a round."""
    gains = -c * (np.ones((n, n)) - np.eye(n))
    whole, offset = np.eye(n), np.zeros(n)
    for first in range(0, n, m):
        step, shift = np.eye(n), np.zeros(n)
        step[first : first + m] = gains[first : first + m]
        shift[first : first + m] = level
        whole, offset = step @ whole, step @ offset + shift
    answers, path = np.zeros(n), []
    for _ in range(rounds):
        answers = whole @ answers + offset
        path.append(answers)
    return np.array(path), whole


@pytest.mark.parametrize("n", [6, 12])
def test_the_law_of_cohorts_is_that_of_relaxation(n):
    """The algebra the run is held against: radius below 1 iff (m-1) c < 1 for 0 < c < 1, and iff (N-1) |c| < 1 for c < 0.

    All at once it is (N-1) |c|. Means of the K cohorts are relaxed with omega = 1 + (m-1) c (Ostrowski 1954, Kahan
    1958); what is apart within a cohort is multiplied by c.
    """
    for m in (m for m in range(1, n + 1) if n % m == 0):
        for c in (0.03, 0.1, 0.19, 0.21, 0.32, 0.35, 0.49, 0.51, 0.95):
            radius = abs(np.linalg.eigvals(rounds_of(n, m, c)[1])).max()
            assert (radius < 1) == ((m - 1) * c < 1), (m, c)
        for g in (0.5, 0.98, 1.02, 1.5):
            radius = abs(np.linalg.eigvals(rounds_of(n, m, -g / (n - 1))[1])).max()
            assert (radius < 1) == (g < 1), (m, g)
    assert abs(np.linalg.eigvals(rounds_of(n, n, 0.3)[1])).max() == pytest.approx((n - 1) * 0.3)


@pytest.mark.parametrize(
    ("m", "c"), [(1, 0.95), (3, 0.45), (3, 0.55), (6, 0.18), (6, 0.22), (1, -0.19), (6, -0.19), (1, -0.21), (6, -0.21)]
)
def test_cohorts_in_the_run_keep_to_the_law(m, c):
    """Six models: sizes and mean errors at the end of each round are those of the algebra.

    With 12 ticks between cohorts exp(-12) is left of older answers. Self-fulfilling answers (c < 0) settle in both timetables
    or in neither.
    """
    cohorts, rounds = 6 // m, 12
    cycle = 12 * cohorts
    set_up = trial(
        ticks=cycle * (rounds + 2), cycle=cycle, how=f"staggered({m})", models=6, crowding=c, bound=1e12,
        shocks=((0, "level", 1.0),), **EXACT,
    )  # fmt: skip
    found = play(set_up, 1, [0]).series
    path, whole = rounds_of(6, m, c, rounds=rounds)
    ends = cycle * (2 + np.arange(rounds)) - 11  # the last cohort of a round has trained and answered
    np.testing.assert_allclose(found["size"][ends, 0], np.sqrt((path**2).mean(axis=1)), rtol=5e-3)
    right = 1 / (1 + 5 * c)
    np.testing.assert_allclose(found["mean_error"][ends, 0], path.mean(axis=1) - right, rtol=5e-3, atol=1e-3)
    radius, gap = abs(np.linalg.eigvals(whole)).max(), np.abs(path - right).max(axis=1)
    assert (radius < 1) == (gap[-1] < gap[3])


def stale(n, cycle, cohort, q, s, keep):
    """Mean square of the mean answer less the concept over a period, `(float)`, summed weight by weight: no run, no closed form.

    A model that trained at tick t knows sum_k g_k (walk + noise) at t-1-k with g_k falling by `keep`, and serves it for `cycle` ticks.
    """
    back = 6 * cycle
    g = keep ** np.arange(60.0)
    g /= g.sum()
    cohorts = -(-n // cohort)
    phases = [round(cycle * (b // cohort) / cohorts) for b in range(n)]
    total = 0.0
    for now in range(cycle):
        on_walk, on_noise = np.zeros(back), np.zeros(back)  # by how many ticks ago
        for phase in phases:
            age = (now - phase) % cycle
            for k, weight in enumerate(g):
                on_walk[age + 1 + k] += weight / n
                on_noise[age + 1 + k] += weight / n
        still = 1 - np.cumsum(on_walk)  # increments since then that nobody counted yet
        total += (q * (still[:-1] ** 2).sum() + s**2 * (on_noise**2).sum()) / cycle
    return total


@pytest.mark.parametrize("cohort", [1, 4, 12])
def test_stale_answers_miss_a_drifting_concept_by_what_was_computed(cohort):
    """Without crowding, the mean square miss of the mean answer: within 4 standard errors of the sum over all weights.

    And that lies near the closed forms. The newest evidence is a tick old, so ages are 1..T: all at once q E age = q (T+1)/2, and
    s^2 of a noise that all share; one after the other q E min(age, age') + s^2/M, about q T/3 + s^2/M. Evidence that
    fades adds 1/(e-1) ticks to each age and makes s^2 (e-1)/(e+1) of s^2.
    """
    n, cycle, q, s = 12, 48, 0.01, 0.5
    set_up = trial(
        ticks=10 * cycle, cycle=cycle, how=f"staggered({cohort})", stride=cycle, warmup=3 * cycle, models=n,
        crowding=0.0, drift=math.sqrt(q), noise=s, alike=1.0,
    )  # fmt: skip
    found = play(set_up, 5, range(200)).measures["miss"] ** 2
    expected = stale(n, cycle, cohort, q, s, math.exp(-1))
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(200)
    delay, fresh = 1 / (math.e - 1), s**2 * (math.e - 1) / (math.e + 1)
    if cohort == n:
        assert expected == pytest.approx(q * ((cycle + 1) / 2 + delay) + fresh, abs=0.5 * q)
    if cohort == 1:
        assert expected == pytest.approx(q * (cycle / 3 + 1 + delay) + fresh / n, abs=0.5 * q)


@pytest.mark.parametrize(("models", "lasts"), [(12, 4), (12, 7), (4, 5), (6, 3)])
def test_an_anomaly_poisons_all_with_d_over_t_or_few_for_sure(models, lasts):
    """From a random instant on: all at once it poisons all with probability d / T, else nobody; in turn at most ceil(d M / T) of the M.

    The average is d / T of the models in both. Four standard errors.
    """
    worst = {}
    for how in ("synchronised", "staggered(1)"):
        set_up = trial(
            ticks=60, cycle=12, how=how, stride=60, shocks=((24, "glitch", 4.0),), models=models, crowding=0.0,
            tolerance=2.0, glitch_within=86_400.0, glitch_time=lasts * 7200.0, **EXACT,
        )  # fmt: skip
        worst[how] = play(set_up, 1, range(300)).measures["worst"]
        error = 4 * max(worst[how].std(), 1e-9) / math.sqrt(300)
        assert abs(worst[how].mean() - lasts / 12) < error + 1e-9
    assert set(worst["synchronised"]) == {0.0, 1.0}
    assert worst["staggered(1)"].max() == pytest.approx(math.ceil(lasts * models / 12) / models)


def test_a_glitch_is_in_the_records_and_not_in_the_world():
    """It begins evenly over the time within which it may, lasts as long as it should, and changes nothing for those who do not learn."""
    set_up = replace(
        trial(ticks=60, cycle=12, shocks=((24, "glitch", 3.0),), noise=0.0, drift=0.0), schedule=Schedule()
    )
    found = play(set_up, 3, range(240))
    on = found.series["surprise"] > 1
    assert (on.sum(axis=0) == 4).all()
    begins = on.argmax(axis=0) - 25
    counts = np.bincount(begins, minlength=12)
    assert len(counts) == 12
    assert ((counts - 20) ** 2 / 20).sum() < 11 + 4 * math.sqrt(22)  # chi square with 11 degrees of freedom
    assert (found.measures["loss"] == 0).all()
    assert (found.measures["worst"] == 0).all()


def test_views_exist_where_there_is_something_to_see():
    assert Retraining().spec.views == 1
    assert Retraining(context=0.5).spec.views == 12


def test_no_answer_is_right_where_every_answer_is():
    with pytest.raises(ParameterError, match=r"crowding -0\.25 with 5 models makes every answer as right as any other"):
        Retraining(models=5, crowding=-0.25)


def binomial_tail(n, p, k):
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


def test_the_shipped_claims_point_at_the_algebra():
    """`near` is d / T, the chance of a turn within the anomaly times that of 7 coins, or the answer at rest."""
    near = {c.arm: c.near for c in load("retraining").claims if c.near is not None and c.versus is None}
    assert near == pytest.approx({"synchronised": 4 / 12, "random": 4 / 6 * binomial_tail(12, 0.5, 7)}, abs=6e-5)
    rest = {(c.arm, c.control): c.near for c in load("retraining_cohorts").claims if c.near is not None}
    expected = {("one", None): 1 / 3.75, ("four", None): 1 / 3.75, ("all", "few_models"): 1 / 1.75}
    assert rest == pytest.approx(expected, abs=6e-4)
    assert binomial_tail(12, 1 / 3, 7) == pytest.approx(0.066, abs=6e-4)
