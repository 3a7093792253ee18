"""Clients that learn apart, averaged or together: against their slow twin, fixed points, breakdown points, and what updates tell."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import ndtri

from simlab.base.errors import ParameterError
from simlab.brains.sgd import Sgd
from simlab.brains.topology import Schedule, wire
from simlab.lab.cohort import play
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds.federated import Federated
from tests.twins.federated import Federation

DAY = 86_400.0
DAILY = {"wiring": "federated", "average_every": DAY}


def by(rule, **more):
    return {**DAILY, "average_by": rule, **more}


def lie(size, models=(0,), start=0):
    """What these clients learn from says `size` from that day on."""
    return (Shock("lies", "evidence", "poisoned", start * DAY, size=size, models=tuple(models)),)


def trial(wiring="isolated", brain=None, *, days=30, warmup=0, every=1, stride=1, shocks=(), traces=(), **parameters):
    """Clients that train every day."""
    world = Federated(**parameters)
    how = {"wiring": wiring} if isinstance(wiring, str) else dict(wiring)
    return Trial(
        world,
        (brain or Sgd(),),
        wire(how.pop("wiring"), world.clients, **how).canonical(world.spec),
        horizon=days * DAY,
        stride=stride * DAY,
        warmup=warmup * DAY,
        schedule=Schedule(every=every * DAY),
        shocks=shocks,
        traces=traces,
    )


def noise_of(world, seed, number, days):
    """The numbers that replication `number` is dealt, for the twin: an entry a day, and a round."""
    luck, m, n, f = Streams(seed, [number]), world.clients, world.cases, world.features + 1
    brain, rounds = luck.named("brain", again=True), luck.named("federated rounds").paced()
    dealt = {
        "common optimum": luck.normal("common optimum", (1, f))[0].tolist(),
        "own optimum": luck.normal("own optimum", (1, m, f))[0].tolist(),
        "scale": luck.normal("scale", (1, m, f))[0].tolist(),
    }
    daily = {name: [] for name in ("answer", "label", "update", "late", *(f"feature {i}" for i in range(1, f)))}
    for day in range(-1, days):  # what is asked on a day is drawn at the end of the one before
        luck.clock.row = rounds.clock.row = day
        for i in range(1, f):
            daily[f"feature {i}"].append(luck.noise(f"feature {i}", (1, m, n))[0].tolist())
        if day >= 0:
            daily["answer"].append(luck.noise("answer", (1, m, n))[0].tolist())
            daily["label"].append(luck.uniform("label", (1, m, n))[0].tolist())
            daily["update"].append(brain.normal("update", (1, m, f))[0].tolist())
            daily["late"].append(rounds.uniform("late", (1, m))[0].copy())
    return dealt | daily


def twin_of(set_up, seed, number, days):
    """The twin of one replication, ready to go."""
    wiring, noise = set_up.topology, noise_of(set_up.world, seed, number, days)
    noise["late"] = [(u[: wiring.brains] < wiring.stragglers).tolist() for u in noise["late"]]
    lies = [(set_up.ticks(s.start), s.size, s.models) for s in set_up.shocks]
    levels = {round(t / DAY): v for trace in set_up.traces for t, v in zip(trace.times, trace.values, strict=True)}
    return Federation(
        asdict(set_up.world),
        noise,
        asdict(wiring),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        average=set_up.ticks(wiring.average_every),
        levels=levels,
        lies=lies[0] if lies else (days, 0.0, ()),
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {"level": 0.7, "tilt": 0.0}),
        (by("mean", stragglers=0.4), {"brain": Sgd(clip=0.4, noise=0.2, steps=3)}),
        (by("median"), {"alike": 0.3, "every": 2}),
        (by("trimmed"), {"features": 0, "labelled": 1.0, "traces": (Trace("level", (0.0, 4 * DAY), (0.5, -1.0)),)}),
        (by("krum", average_every=3 * DAY), {"features": 1, "alike": 0.5}),
        ("shared_data", {"brain": Sgd(memory=1.5, rate=0.2, noise=0.1)}),
        ("shared_brain", {"alike": 1.0}),
        ("shared", {"labelled": 0.1}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, day by day, with one client that is lied to, to rounding."""
    set_up = trial(wiring, days=10, shocks=lie(5.0, (1,), 3), **({"clients": 6, "cases": 4, "labelled": 0.5} | given))
    outcome, twin = play(set_up, 3, [5]), twin_of(set_up, 3, 5, 10)
    for day in range(1, 11):
        twin.run(day)
        for name, value in twin.measures().items():
            assert outcome.series[name][day, 0] == pytest.approx(value, rel=1e-6, abs=1e-9), (name, day)
    for name, value in twin.measures().items():
        assert outcome.measures[name][0] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def rested(wiring, brain, days=300, **parameters):
    """Five days of exact answers, then no more: weights come to rest. The trial, its final weights, and each client's A and c."""
    usual = {"clients": 5, "cases": 12, "labelled": 1.0, "noise": 0.0, "alike": 0.3, "tilt": 0.4}
    lost = (Shock("lost", "feedback", "lost", 5 * DAY),)
    set_up = trial(wiring, brain, days=days, stride=days, shocks=lost, **(usual | parameters))
    luck, seen = Streams(7, [0]), []
    loop = Loop(set_up, luck, lambda tick, stage, x: seen.append(x.copy()) if stage == "observe" and tick < 5 else None)
    Conductor(set_up, loop, luck).play()
    x = np.concatenate(seen, axis=2)[0]
    return loop, np.einsum("mnf,mng->mfg", x, x) / x.shape[1], loop.state.optimum[0]


@pytest.mark.parametrize("steps", [1, 4, 40])
def test_averaging_rests_at_its_fixed_point(steps):
    """(sum B)^-1 sum B c with B = I - (I - rate A)^steps; one step: the pooled optimum (sum A)^-1 sum A c. To rounding."""
    loop, a, c = rested(DAILY, Sgd(rate=0.2, steps=steps, memory=1e12), days=900 // steps + 60)
    b = np.stack([np.eye(4) - np.linalg.matrix_power(np.eye(4) - 0.2 * one, steps) for one in a])
    rest = np.linalg.solve(b.sum(axis=0), np.einsum("mfg,mg->f", b, c))
    np.testing.assert_allclose(loop.casts[0].mind.weights[0], np.repeat(rest[None], 5, axis=0), atol=1e-9)
    pooled = np.linalg.solve(a.sum(axis=0), np.einsum("mfg,mg->f", a, c))
    assert (abs(rest - pooled).max() < 1e-9) == (steps == 1)


def test_one_step_a_round_is_a_step_on_the_pooled_data():
    """FedSGD is central gradient descent where all have equally many labels, day by day; FedAvg is not."""
    for steps, same in ((1, True), (5, False)):
        apart, pooled = (
            play(trial(how, Sgd(steps=steps), labelled=1.0), 2, range(3)).series["error"]
            for how in (DAILY, "shared_brain")
        )
        assert np.allclose(apart, pooled, rtol=1e-6) == same


@pytest.mark.parametrize(("wiring", "untouched"), [(DAILY, True), ("shared_data", False)])
def test_raw_data_stay_with_their_client(wiring, untouched):
    """All that the others see and learn from is spoilt: a client's update is the same to the bit, up to the first average."""
    others, found = tuple(range(1, 6)), []
    nothing = (
        Shock("features", "features", "offset", size=math.nan, models=others),
        Shock("labels", "evidence", "poisoned", size=math.nan, models=others),
    )
    for shocks in ((), nothing):
        set_up = trial(
            {**DAILY, "average_every": 5 * DAY} if wiring is DAILY else wiring, days=5, clients=6, shocks=shocks
        )
        luck = Streams(4, range(3))
        loop = Loop(set_up, luck)
        with np.errstate(all="ignore"):
            Conductor(set_up, loop, luck).play()
        found.append(loop.casts[0].mind.weights[:, 0].copy())
    assert (found[0] != 0).all()
    assert np.array_equal(*found) == untouched


@pytest.mark.parametrize("steps", [1, 10])
def test_an_update_tells_of_its_data(steps):
    """After a single case what a client sends is that case times a factor, which is the constant's weight (Phong et al. 2018)."""
    set_up, asked = trial(DAILY, Sgd(steps=steps), days=2, cases=1, labelled=1.0), []
    luck = Streams(5, range(4))
    loop = Loop(set_up, luck, lambda tick, stage, x: asked.append(x.copy()) if stage == "observe" else None)
    sent, average = [], loop.average

    def listen(late=None):
        sent.append(loop.casts[0].mind.weights.copy())
        average(late)

    loop.average = listen
    Conductor(set_up, loop, luck).play()
    np.testing.assert_allclose(sent[0] / sent[0][..., :1], asked[0][:, :, 0], rtol=1e-9)


LOCATION = {"features": 0, "labelled": 1.0, "noise": 0.0, "cases": 1}  # each client knows its own number
ONCE = Sgd(rate=1.0, steps=1, memory=1e-3)  # and says it


def off(rule, size, liars, clients=20, brain=ONCE, replications=4, days=12, **parameters):
    set_up = trial(
        by(rule),
        brain,
        days=days,
        stride=days,
        clients=clients,
        shocks=lie(size, range(liars)),
        **LOCATION,
        **parameters,
    )
    return play(set_up, 9, range(replications)).measures["off"]


def test_one_liar_moves_a_mean_without_bound():
    """By a twentieth of what it says, whatever it says."""
    near, far, further = (off("mean", size, 1) for size in (0.0, 1e3, 1e6))
    np.testing.assert_allclose(far - near, 1e3 / 20, rtol=1e-9)
    np.testing.assert_allclose(further - near, 1e6 / 20, rtol=1e-9)


@pytest.mark.parametrize(("rule", "most"), [("median", 9), ("trimmed", 4), ("krum", 4)])
def test_robust_rules_hold_to_their_breakdown_point(rule, most):
    """Half of the clients for a median, a fifth for a mean that cuts a fifth at each end and for Krum that presumes a fifth faulty."""
    np.testing.assert_array_equal(off(rule, 1e4, most), off(rule, 1e6, most))
    assert (abs(off(rule, 1e6, most)) < 5).all()
    if rule != "krum":
        assert (off(rule, 1e6, most + 2) > 1e4).all()
    else:  # n - f - 2 = 14 nearest: those who agree and are fewer have strangers among theirs, whom honest ones need not
        assert (abs(off(rule, 1e6, 6)) < 5).all()
        assert (off(rule, 1e6, 15) > 1e5).all()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_the_bias_of_a_median(share):
    """sqrt(1 - alike) Phi^-1(1 / (2 (1 - share))); the median of M honest ones spreads by about sqrt(pi / 2 / M)."""
    clients = 401
    found = off("median", 1e6, round(share * clients), clients, replications=40, days=2, alike=0.8)
    liars = round(share * clients) / clients
    expected = math.sqrt(0.2) * ndtri(1 / (2 * (1 - liars)))
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(40)
    assert found.std() < 2 * math.sqrt(0.2 * math.pi / 2 / clients / (1 - liars))


def test_what_clipping_leaves_of_a_lie():
    """k liars pull by a clip each, the others back by B of the distance: it rests at k C / ((M - k) B)."""
    found = off("mean", 1e6, 3, brain=Sgd(rate=0.4, steps=1, memory=1e-3, clip=0.5), days=60, alike=1.0)
    np.testing.assert_allclose(found, 3 * 0.5 / (17 * 0.4), rtol=1e-9)


def assert_near(found, expected, more=0.0):
    """Within four standard errors, and what is said to be more."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more, (found.mean(), expected)


@pytest.mark.parametrize(("wiring", "clients"), [(DAILY, 20), ("isolated", 1)])
def test_noise_of_updates_is_averaged_out(wiring, clients):
    """Each round forgets 1 - B and adds noise^2 / M: tau^2 / (M (1 - (1 - B)^2)) at rest, for one client or for all."""
    brain = Sgd(rate=0.4, steps=1, memory=1e-3, noise=0.3)
    set_up = trial(wiring, brain, days=40, stride=40, alike=1.0, **LOCATION)
    assert_near(play(set_up, 1, range(200)).measures["error"], 0.09 / (clients * (1 - 0.6**2)))


@pytest.mark.parametrize("alike", [0.0, 0.8, 1.0])
def test_what_one_model_for_all_costs(alike):
    """(1 - alike) F (1 - 1 / M) with features alike and all answers known."""
    world = {"alike": alike, "tilt": 0.0, "noise": 0.0, "labelled": 1.0, "cases": 20}
    for wiring in (DAILY, "shared_brain"):
        set_up = trial(wiring, Sgd(rate=0.1, memory=1e6), days=25, stride=25, **world)
        # the curvatures of 500 cases a client differ by chance, which weighs clients unequally: less than 1 in 500
        assert_near(play(set_up, 1, range(40)).measures["error"], (1 - alike) * 4 * 0.95, 2e-3)


@pytest.mark.parametrize("n", [40, 160])
def test_what_a_client_on_its_own_learns_from_n_labels(n):
    """Least squares with an intercept and p normal features misses by noise^2 ((1 + 1/n) (n - 2) / (n - p - 2) - 1), whatever their scale.

    Gradient steps are repeated until nothing changes. Algebra of the inverse Wishart law.
    """
    world = {"clients": 40, "cases": 20, "labelled": 1.0, "noise": 2.0}
    lost = (Shock("lost", "feedback", "lost", n // 20 * DAY),)
    set_up = trial("isolated", Sgd(rate=0.1, steps=150, memory=1e6), days=n // 20 + 5, stride=5, shocks=lost, **world)
    expected = 4 * ((1 + 1 / n) * (n - 2) / (n - 5) - 1)
    assert_near(play(set_up, 1, range(30)).measures["error"], expected)


def test_the_day_is_bookkeeping():
    """Half as many cases in half a day, trained and averaged as often: the same law of all days, within four standard errors."""
    rough, fine = (
        play(
            trial(
                {"wiring": "federated", "average_every": 2 * DAY}, Sgd(memory=1e6), days=d, every=e, stride=d, cases=n
            ),
            1,
            range(80),
        ).measures
        for d, e, n in ((24, 2, 20), (48, 4, 10))
    )
    for name in ("error", "typical", "off"):
        assert (
            abs(rough[name].mean() - fine[name].mean()) < 4 * math.hypot(rough[name].std(), fine[name].std()) / 80**0.5
        )


def test_a_recorded_level_is_followed():
    """Where nobody listens to models what is usual is off by just that much more."""
    flat, record = (
        replace(trial(days=6, traces=traces), closed=False)
        for traces in ((), (Trace("level", (0.0, 2 * DAY, 4 * DAY), (0.0, 3.0, -1.0)),))
    )
    apart = play(record, 1, range(3)).series["off"] - play(flat, 1, range(3)).series["off"]
    np.testing.assert_allclose(apart.T, [[0, 0, 0, -3, -3, 1, 1]] * 3, atol=1e-6)


def test_without_labels_nothing_is_learnt_and_one_client_is_its_own_average():
    silent = play(trial(DAILY, days=5, labelled=0.0), 1, range(3))
    assert (silent.measures["error"] > 0.5).all()
    alone, averaged = (play(trial(how, days=9, clients=1), 1, range(3)).series for how in ("isolated", DAILY))
    np.testing.assert_allclose(alone["error"], averaged["error"], rtol=1e-6)


def test_where_nobody_listens_nobody_is_worse_off():
    found = play(replace(trial(shocks=lie(30.0)), closed=False), 1, range(4)).measures
    np.testing.assert_array_equal(found["failures"], 0)


@pytest.mark.parametrize(
    ("given", "told"), [({"alike": 1.2}, "at most 1"), ({"clients": 0}, "at least 1"), ({"noise": -1.0}, "at least 0")]
)
def test_what_is_out_of_bounds(given, told):
    with pytest.raises(ParameterError, match=told):
        Federated(**given)


def test_a_rate_that_is_too_high_runs_away_and_is_recorded():
    found = play(trial(brain=Sgd(rate=5.0, steps=400), clients=3, days=60, stride=10), 1, range(2))
    assert np.isfinite(found.diverged).all()


class Rounds:
    """The separate program that the claims' numbers come from: exact rounds on expected curvature, least squares with Gaussian errors.

    The 89th training serves the last day, and evidence is false from the 46th day on. Four labels a day, noise 4, memory 20.
    """

    def __init__(self, replications=400):
        self.rng = np.random.default_rng(5)
        shape = replications, 20, 4
        self.c = math.sqrt(0.8) * self.rng.normal(size=(replications, 1, 4)) + math.sqrt(0.2) * self.rng.normal(
            size=shape
        )
        self.square = np.exp(2 * (0.3 * self.rng.normal(size=shape) - 0.09))
        self.square[..., 0] = 1

    def last(self, rule=None, liars=0, every=1, clip=math.inf, labels=4.0):
        """Weights on the last day."""
        keep, reach = math.exp(-1 / 20), 1 - (1 - 0.05 * self.square) ** 10
        w, total, globe = np.zeros_like(self.c), np.zeros_like(self.c), np.zeros_like(self.c[:, :1])
        for day in range(1, 90):
            told = self.c + 4 / np.sqrt(labels * self.square) * self.rng.normal(size=self.c.shape)
            if day > 45:
                told[:, :liars] = (30, 0, 0, 0)
            total = keep * total + told
            change = reach * (total * (1 - keep) / (1 - keep**day) - w)
            w = w + change * np.minimum(1, clip / np.linalg.norm(change, axis=2, keepdims=True))
            if rule and day % every == 0:
                globe = globe + rule(w - globe)
                w = np.repeat(globe, 20, axis=1)
        return w

    def measures(self, *how, **given):
        """Mean over replications of failed, error, typical and off, on ten cases each."""
        w = self.last(*how, **given)
        x = self.rng.normal(size=(*w.shape[:2], 10, 4)) * np.sqrt(self.square)[:, :, None]
        x[..., 0] = 1
        miss = (np.einsum("rmnf,rmf->rmn", x, w - self.c) ** 2).mean(axis=2)
        plain = (np.einsum("rmnf,rmf->rmn", x[..., 1:], self.c[..., 1:]) ** 2).mean(axis=2)
        found = (
            (miss > plain).mean(axis=1),
            miss.mean(axis=1),
            np.median(miss, axis=1),
            (w - self.c)[..., 0].mean(axis=1),
        )
        return {
            name: (value.mean(), value.std() / math.sqrt(len(value)))
            for name, value in zip(("failed", "error", "typical", "off"), found, strict=True)
        }


def mean(u):
    return u.mean(axis=1, keepdims=True)


def middle(u):
    return np.median(u, axis=1, keepdims=True)


def trimmed(u):
    return np.sort(u, axis=1)[:, 4:-4].mean(axis=1, keepdims=True)


def krum(u):
    apart = np.sort(((u[:, :, None] - u[:, None]) ** 2).sum(axis=3), axis=2)[:, :, 1:15].sum(axis=2)
    return np.take_along_axis(u, apart.argmin(axis=1)[:, None, None], axis=1)


@pytest.mark.parametrize(
    ("how", "measure", "claimed"),
    [
        ({"liars": 1}, "failed", 0.136),
        ({"rule": mean, "liars": 1}, "failed", 0.54),
        ({"rule": mean, "liars": 1}, "off", 1.335),
        ({"rule": middle, "liars": 1}, "failed", 0.17),
        ({}, "typical", 0.28),
        ({"rule": mean}, "typical", 0.56),
        ({"rule": mean, "every": 7}, "typical", 0.24),
        ({"labels": 0.4}, "typical", 2.8),
        ({"rule": mean, "labels": 0.4}, "typical", 0.69),
        ({"rule": krum}, "error", 0.9),
        ({"rule": mean}, "error", 0.76),
        ({"liars": 6}, "failed", 0.367),
        ({"rule": middle, "liars": 6}, "failed", 0.194),
        ({"rule": middle, "liars": 6}, "off", 0.31),
        ({"rule": krum, "liars": 6}, "failed", 0.42),
        ({"rule": krum, "liars": 6}, "off", 0.86),
        ({"rule": trimmed, "liars": 4}, "failed", 0.168),
        ({"rule": krum, "liars": 4}, "failed", 0.20),
        ({"rule": middle, "liars": 4}, "failed", 0.16),
        ({"rule": mean, "liars": 6, "clip": 0.5}, "failed", 0.275),
    ],
)
def test_the_shipped_claims_are_what_the_separate_program_says(how, measure, claimed):
    """To what is rounded off, and four standard errors of the program's own draws."""
    found, error = Rounds(250 if how.get("rule") is krum else 1000).measures(**how)[measure]
    assert abs(found - claimed) < 0.01 + 4 * error


PLAYED = {
    ("federated", "isolated", None): ({"liars": 1},),
    ("federated", "median", None): ({"rule": middle, "liars": 1},),
    ("federated_poisoned", "isolated", None): ({"liars": 6},),
    ("federated_poisoned", "median", None): ({"rule": middle, "liars": 6},),
    ("federated_poisoned", "clipped", None): ({"rule": mean, "liars": 6, "clip": 0.5},),
    ("federated_poisoned", "trimmed", "four"): ({"rule": trimmed, "liars": 4},),
    ("federated_poisoned", "krum", "four"): ({"rule": krum, "liars": 4}, {"rule": middle, "liars": 4}),
}


@pytest.mark.parametrize("name", ["federated", "federated_poisoned"])
def test_every_number_that_is_claimed_is_one_of_the_separate_program(name):
    """The claims themselves, to what is rounded off and four standard errors; that something is near 0 is no number of it."""
    for claim in load(name).claims:
        if claim.near:
            found = [Rounds(250).measures(**how)[claim.measure] for how in PLAYED[name, claim.arm, claim.control]]
            value = found[0][0] - (found[1][0] if claim.versus else 0.0)
            assert abs(value - claim.near) < 0.01 + 4 * math.hypot(*(error for _, error in found)), claim


def test_krum_leans_to_the_highest_of_the_honest():
    """With six gross liars of twenty each honest client has one among its fourteen nearest, and the nearest to them wins.

    That is the highest of fourteen normals, whose mean is 1.7034 (tables of order statistics).
    """
    found = off("krum", 1e6, 6, replications=200, days=2, alike=0.8)
    luck = Streams(9, range(200))
    own = luck.normal("common optimum", (200, 1)) * math.sqrt(0.8) + luck.normal("own optimum", (200, 20, 1))[
        ..., 0
    ] * math.sqrt(0.2)
    np.testing.assert_allclose(found, own[:, 6:].max(axis=1) - own.mean(axis=1), rtol=1e-6, atol=1e-6)
    assert_near(found, 1.7034 * math.sqrt(0.2))
