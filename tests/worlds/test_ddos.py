"""Filtered sites against their slow twin, against the arithmetic of quantiles, and with a forest from another library."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import InputError, ParameterError
from simlab.brains import isolation_forest
from simlab.brains.histogram import Histogram
from simlab.brains.topology import Schedule, wire
from simlab.interventions.holdout import Holdout
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.ddos import Ddos
from tests.twins.ddos import Edge

PLAIN = {"drift": 0.0, "site_spread": 0.0, "challenge": 0.0}


def trial(
    wiring="isolated", brain=None, *, ticks=40, cycle=8, shocks=(), probe=None, stride=1, topology=None, **parameters
):
    """Filters that learn every `cycle` ticks; shocks are (tick, parameter, value), a probe a share and whether it is
    weighted.
    """
    world = Ddos(**parameters)
    hands = () if probe is None else (Hand("holdout", Holdout(probe[0], weighted=probe[1]), Trigger(at=0.0)),)
    return Trial(
        world,
        (brain or Histogram(),),
        (topology or wire(wiring, world.sites)).canonical(world.spec),
        horizon=ticks * world.tick,
        stride=stride * world.tick,
        schedule=Schedule(every=cycle * world.tick),
        shocks=tuple(
            Shock(f"shock {i}", "world", "set", start=at * world.tick, values={name: value})
            for i, (at, name, value) in enumerate(shocks)
        ),
        hands=hands,
    )


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, dealt the same numbers and ready to go."""
    luck, world = Streams(seed, [number]), set_up.world
    m, n = world.sites, world.clients
    hand = luck.named("hand holdout")
    dealt = {"site": luck.normal("site", (1, m, 3))[0].tolist(), "oddness": float(luck.uniform("oddness", (1,))[0])}
    dealt |= {name: [] for name in ("client", "own", "hostile", "crowd", "solve", "drift", "held out")}
    for tick in range(-1, ticks):  # who comes at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["client"].append(luck.noise("client", (1, 3, n))[0].tolist())
        dealt["own"].append(luck.noise("own", (1, m, 3, n))[0].tolist())
        dealt["hostile"].append(luck.uniform("hostile", (1, n))[0].tolist())
        dealt["crowd"].append(luck.uniform("crowd", (1, n))[0].tolist())
        if tick >= 0:
            dealt["solve"].append(luck.uniform("solve", (1, m, n))[0].tolist())
            dealt["drift"].append(luck.normal("drift", (1, m, 3))[0].tolist())
            dealt["held out"].append(hand.uniform("held out", (1, m, n))[0].tolist())
    hands = [hand.intervention for hand in set_up.hands]
    return Edge(
        asdict(world),
        dealt,
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.schedule.every,
        shocks=[
            (set_up.ticks(shock.start), name, value) for shock in set_up.shocks for name, value in shock.values.items()
        ],
        probe=(hands[0].share, hands[0].weighted) if hands else None,
    )


@pytest.mark.parametrize(
    ("wiring", "brain", "probe"),
    [
        ("isolated", Histogram(), None),
        ("shared", Histogram(bins=6, keep=0.5), (0.3, True)),
        ("shared_brain", Histogram(bins=8, prior=2.0), (0.2, False)),
        ("bulkheads(2)", Histogram(bins=5, low=-3.0, high=2.0), (0.25, True)),
    ],
)
def test_kernel_equals_its_twin(wiring, brain, probe):
    """On equal noise, client by client: the same are let in, so all measures agree, to rounding."""
    shocks = ((9, "attack", 0.3), (14, "crowd", 0.6), (20, "attack", 0.05), (25, "bots_solve", 0.5))
    set_up = trial(
        wiring, brain, ticks=32, cycle=6, shocks=shocks, probe=probe, sites=3, clients=20, block=0.1, challenge=0.1
    )
    outcome, twin = play(set_up, 5, [2]), twin_of(set_up, 5, 2, 32)
    assert not outcome.failed
    for tick in range(1, 33):
        twin.run(tick)
        for name, value in twin.measures().items():
            assert outcome.series[name][tick, 0] == pytest.approx(value, rel=2e-6, abs=1e-7), (name, tick)
    assert outcome.measures["peak"][0] > outcome.measures["turned_away"][0] > 0
    assert 0 < outcome.measures["missed"][0] < 1
    assert outcome.measures["challenged"][0] > 0


def ladder(trainings, q, c=0.0, solve=1.0, held=0.0, weight=1.0, n=100_000):
    """Shares of benign clients that are turned away after 1, 2, ... trainings, by ranks alone: no features, no
    histograms, endless data.

    Of ranks u in [0, 1] evidence holds a density: 1 where clients come in, `held * weight` where they are blocked but
    for a share `held`, and between for the challenged. The next rule blocks the upper q of it, and challenges the next
    c.
    """
    evidence, away = np.ones(n), []
    for _ in range(trainings):
        rank = (np.cumsum(evidence) - evidence / 2) / evidence.sum()
        blocked = rank >= 1 - q
        asked = (rank >= 1 - q - c) & ~blocked
        away.append(float(((1 - held) * (blocked + (1 - solve) * asked)).mean()))
        evidence = np.where(
            blocked, held * weight, np.where(asked, held * weight + (1 - held) * solve * (weight == 1), 1.0)
        )
    return np.array(away)


def climbs(wiring="isolated", *, trainings=9, replications=16, probe=None, sites=1, **parameters):
    """The share of benign visits turned away at the first tick after each training, `(trainings, r)`; 8,192 clients
    between two of them.
    """
    given = {
        **PLAIN,
        "block": 0.05,
        "step_time": 3600.0,
        "recent": 1.0,
        "sites": sites,
        "clients": 4096 // sites,
    } | parameters
    set_up = trial(wiring, Histogram(bins=24), ticks=2 * trainings + 2, cycle=2, probe=probe, **given)
    return play(set_up, 3, range(replications)).series["turned_away"][3::2].astype(float)


def near(found, expected, more):
    """Four standard errors over replications, and what histograms and the finite number of clients may add."""
    error = 4 * found.std(axis=1) / math.sqrt(found.shape[1])
    assert (np.abs(found.mean(axis=1) - expected) < error + more).all(), (found.mean(axis=1), expected)


@pytest.mark.parametrize(("wiring", "sites"), [("isolated", 1), ("shared_brain", 4)])
def test_a_quantile_rule_trained_on_its_survivors_blocks_ever_more(wiring, sites):
    """1 - (1-q)^k after k trainings; one model for four sites that are alike climbs as one for a site of four times the
    size.
    """
    near(climbs(wiring, sites=sites), 1 - 0.95 ** np.arange(1, 10), 0.004)


def test_the_ladder_is_that_law():
    np.testing.assert_allclose(ladder(9, 0.05), 1 - 0.95 ** np.arange(1, 10), atol=2e-4)


@pytest.mark.parametrize(
    ("parameters", "probe", "law"),
    [
        ({"challenge": 0.1, "people_solve": 0.7}, None, {"c": 0.1, "solve": 0.7}),
        ({}, (0.2, False), {"held": 0.2}),
        ({}, (0.2, True), {"held": 0.2, "weight": 5.0}),
        ({"block": 0.0, "challenge": 0.1, "people_solve": 0.7}, None, {"q": 0.0, "c": 0.1, "solve": 0.7}),
    ],
    ids=["challenged", "let in", "weighted", "only challenged"],
)
def test_who_comes_in_after_all_slows_the_ratchet(parameters, probe, law):
    """Those who solve, and those who are let in: the recursion of ranks; weighted by one over the chance, no ratchet is
    left.
    """
    expected = ladder(9, **({"q": 0.05} | law))
    near(climbs(probe=probe, **parameters), expected, 0.006)
    if probe == (0.2, True):
        np.testing.assert_allclose(expected, 0.8 * 0.05, atol=2e-4)


def test_letting_in_settles_where_algebra_says():
    """B = q / (h + q (1 - h)) are blocked in the end, by what is blocked and let in counting h; only challenging: q /
    (v + q (1 - v)).
    """
    assert ladder(400, 0.02, held=0.05)[-1] / 0.95 == pytest.approx(0.02 / (0.05 + 0.02 * 0.95), rel=1e-3)
    assert ladder(100, 0.0, c=0.1, solve=0.7)[-1] / 0.3 == pytest.approx(0.1 / (0.7 + 0.1 * 0.3), rel=1e-3)


@pytest.mark.parametrize("attack", [0.15, 0.4])
def test_what_is_usual_enough_is_not_blocked(attack):
    """Once an attack is in the evidence in full, at most q / a of it is blocked; before, nearly all, and without the
    probe it stays so.

    A learnt attack of 0.15 or 0.4 under a rule of 0.1: the blocked are at most two thirds and a quarter. Two trainings,
    one during the attack.
    """
    given = {**PLAIN, "block": 0.1, "sites": 1, "clients": 2048, "recent": 1.0}
    shocks = ((3, "attack", attack),)
    missed = {}
    for name, probe in (("censored", None), ("full", (0.1, True))):
        set_up = trial(brain=Histogram(bins=16), ticks=13, cycle=4, shocks=shocks, probe=probe, **given)
        missed[name] = play(set_up, 4, range(6)).series["missed"].astype(float)
    at = np.array([0, 4, 8])  # the attack comes at ticks 4 to 12; trained at 4, 8 (on all of it) and 12
    let_in = {
        name: np.diff((path[4:] * np.arange(len(path) - 4)[:, None])[at], axis=0) / 4 for name, path in missed.items()
    }
    assert (let_in["censored"] < 0.1).all()
    assert (let_in["full"][0] < 0.2).all()  # a tenth is let in come what may
    assert (let_in["full"][1] > 1 - 0.1 / attack - 0.02).all()


def test_a_crowd_is_benign_and_comes_to_the_first_site():
    """Half of the first site's visitors look odd, by the replication's own oddness; nobody is hostile, and other sites
    see nothing.
    """
    world = Ddos(crowd=0.5, site_spread=0.0, clients=512, sites=3)
    state = world.start(Streams(1, range(50)))
    shift = world.observe(state).mean(axis=2)
    expected = 0.5 * state.oddness[:, None] * np.array(world.crowd_shift)
    np.testing.assert_allclose(shift[:, 0], expected, atol=5 / math.sqrt(512) * 1.9)
    assert np.abs(shift[:, 1:]).max() < 5 / math.sqrt(512)
    assert not state.hostile.any()
    assert 0 <= state.oddness.min() < state.oddness.max() <= 1


def test_two_sites_see_as_much_of_a_client_as_is_its_own():
    """The correlation of a feature at two sites is `alike`, and its variance 1: 4 standard errors of 60,000 clients."""
    x = Ddos(alike=0.7, site_spread=0.0, sites=2, clients=1000).start(Streams(2, range(20))).x
    flat = x.transpose(1, 0, 2, 3).reshape(2, -1)
    assert np.corrcoef(flat)[0, 1] == pytest.approx(0.7, abs=4 * (1 - 0.49) / math.sqrt(flat.shape[1]))
    np.testing.assert_allclose(flat.var(axis=1), 1.0, atol=4 * math.sqrt(2 / flat.shape[1]))


def test_a_recorded_attack_is_followed():
    """A trace of the hostile share: nobody listens, so all of them come in, and as many as the record says, a tick
    later.
    """
    record = Trace("attack", (0.0, 4 * 7200.0, 8 * 7200.0), (0.0, 1.0, 0.25))
    set_up = replace(trial(ticks=13, sites=1, clients=400, stride=1), traces=(record,), closed=False)
    seen = []
    outcome = play(
        set_up, 5, range(3), lambda _, stage, v: seen.append(v.mean(axis=(1, 2))) if stage == "react" else None
    )
    seen = np.array(seen)
    assert (seen[:5] == 0).all()
    assert (seen[5:9] == 1).all()
    assert (np.abs(seen[9:] - 0.25) < 4.5 * math.sqrt(0.1875 / 400)).all()
    assert (outcome.measures["missed"] == 1).all()
    assert (outcome.measures["lost"] == 0).all()


def test_halving_the_tick_changes_nothing():
    """Twice as many ticks with half the clients: what is turned away and missed stays within 4 standard errors and a
    hundredth.
    """
    found = {}
    for halves in (1, 2):
        shocks = ((18 * halves, "attack", 0.3), (30 * halves, "attack", 0.0))
        set_up = trial(
            ticks=48 * halves, cycle=6 * halves, shocks=shocks, stride=48 * halves, sites=2, clients=128 // halves,
            step_time=7200.0 / halves, block=0.05,
        )  # fmt: skip
        found[halves] = play(set_up, 6, range(24)).measures
    for name in ("turned_away", "lost", "missed"):
        whole, half = found[1][name], found[2][name]
        assert abs(whole.mean() - half.mean()) < 4 * math.hypot(whole.std(), half.std()) / math.sqrt(24) + 0.01, name


def test_what_cannot_be_is_said():
    with pytest.raises(ParameterError, match=r"attack_shift has 2 numbers; expected 3: rate variance, geo entropy"):
        Ddos(attack_shift=(1.0, 2.0))
    with pytest.raises(ParameterError, match=r"challenge 0\.5 and block 0\.6 are more than all traffic"):
        Ddos(block=0.6, challenge=0.5)


def test_without_the_forest_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(isolation_forest, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"needs scikit-learn, which is not installed; run: pip install 'simlab\[ml\]'"
    ):
        load("ddos_forest")


def test_the_shipped_claims_point_at_the_arithmetic():
    claims = {(claim.measure, claim.arm): claim for claim in load("ddos").claims if claim.over is None}
    nights = {held: ladder(13, 0.02, 0.03, 0.9, held)[-1] for held in (0.0, 0.05)}
    row = next(row for row in load("ddos").scoreboard if row.measure == "turned_away")
    assert (row.low + row.high) / 2 == pytest.approx(nights[0.0], abs=1e-3)
    assert claims["turned_away", "let_in"].near == pytest.approx(nights[0.05] - nights[0.0], abs=1e-3)
    assert ladder(13, 0.02)[-1] == pytest.approx(0.231, abs=1e-3)
