"""Banks against their slow twin, and against what is known of portfolios of loans."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import binom, multivariate_normal

from simlab.base.errors import ParameterError
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.limits import Limits
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.worlds.credit_bubble import CreditBubble
from tests.twins.credit_bubble import Lending

YEAR = 365 * 86_400.0
RHO = 0.12


def trial(wiring="isolated", *, brain=None, years=30, warmup=0, turned=None, hands=(), closed=True, **parameters):
    """Banks whose models train every year; the common factor turns as (first year, by how much)."""
    world = CreditBubble(**parameters)
    turns = (Shock("turn", "world", "set", start=turned[0] * YEAR, values={"turn": turned[1]}),) if turned else ()
    return Trial(
        world,
        (brain or Ridge(penalty=0.01, memory=20.0),),
        wire(wiring, world.models).canonical(world.spec),
        horizon=years * YEAR,
        stride=YEAR,
        warmup=warmup * YEAR,
        schedule=Schedule(every=YEAR),
        shocks=turns,
        hands=hands,
        closed=closed,
    )


def known(wiring="shared_data", **given):
    """Models that have learnt from nearly unlimited evidence, banks without common exposures or sales."""
    usual = {"brain": Ridge(penalty=1e-6, memory=300.0), "warmup": 300, "years": 60, "classes": 1}
    return trial(wiring, **(usual | {"support": 0.0, "impact": 0.0, "cap": 1e6, "lasting": 0.0} | given))


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick, the first for what is met at tick 0."""
    luck, m, k = Streams(seed, [number]), world.models, world.classes
    shapes = {"condition": (k,), "view error": (m,), "factor": (1, 1), "own": (m, k)}
    dealt = {name: [] for name in shapes}
    for tick in range(-1, ticks):
        luck.clock.row = tick
        for name, shape in shapes.items():
            met = tick >= 0 or name in ("condition", "view error")  # others are not drawn before the first tick
            drawn = luck.normal(name, (1, *shape))[0].tolist() if met else None
            dealt[name].append(drawn[0][0] if met and name == "factor" else drawn)
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    turns = set_up.shocks
    return Lending(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        turned=(set_up.ticks(turns[0].start), turns[0].values["turn"]) if turns else (10**9, 0.0),
        plain=not set_up.closed,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("isolated", {"closed": False}),
        ("feature_store", {"turned": (15, 4.0), "spread": 1.0}),
        ("shared_data", {"turned": (10, 3.0), "rounds": 1, "buffer": 0.2}),
        ("shared_brain", {"impact": 0.2, "alike": 0.9, "glut": 0.0}),
        ("shared", {"classes": 1, "swing": 1.2, "cap": 20.0}),
        ("bulkheads(2)", {"classes": 4, "support": 0.4, "rebuild": 0.2, "capital": 0.8, "quantile": 0.95}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, year by year, to rounding."""
    set_up = trial(wiring, **({"models": 6, "classes": 3} | given))
    seed, number, years = 5, 2, 30
    outcome = play(set_up, seed, [number])
    twin = twin_of(set_up, seed, number, years)
    twin.run(years)
    expected = {"down": twin.down, "leverage": twin.leverage, "loss_rate": twin.defaulted, "written": twin.written}
    expected["fall"] = twin.fallen
    expected["lost"] = np.cumsum(twin.lost)
    expected["half"] = np.cumsum([share >= 0.5 for share in twin.down]) / np.arange(1, years + 1)
    for name, path in expected.items():
        np.testing.assert_allclose(outcome.series[name][1:, 0], path, rtol=2e-6, atol=1e-9, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(path[-1], rel=1e-8, abs=1e-12), name
    for name, glut in (("calm", False), ("sale", True)):
        assert outcome.measures[name][0] == pytest.approx(twin.kinship(glut), rel=1e-6, nan_ok=True), name


def close(found, expected, more=0.0):
    """Four standard errors over replications, and what is left of limited evidence."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more


def test_losses_have_the_law_of_many_loans():
    """Vasicek 2002: the a-quantile of the loss rate is Phi((Phi^-1(p) + sqrt(rho) Phi^-1(a)) / sqrt(1 - rho)).

    .0903 at p = .01, rho = .12, a = .999. Exceedances among 60,000 independent years, four standard errors of a binomial.
    """
    level = {a: ndtr((ndtri(0.01) + math.sqrt(RHO) * ndtri(a)) / math.sqrt(1 - RHO)) for a in (0.5, 0.9, 0.99, 0.999)}
    assert level[0.999] == pytest.approx(0.0903, abs=5e-5)
    given = {"models": 1, "classes": 1, "swing": 0.0, "support": 0.0, "impact": 0.0, "closed": False}
    rates = play(trial(years=100, **given), 3, range(600)).series["loss_rate"][1:].ravel().astype(float)
    for a, quantile in level.items():
        share = (rates > quantile).mean()
        assert abs(share - (1 - a)) < 4 * math.sqrt(a * (1 - a) / rates.size), a
    assert rates.mean() == pytest.approx(0.01, abs=4 * rates.std() / math.sqrt(rates.size))


@pytest.mark.parametrize(("error", "swing"), [(0.0, 0.6), (0.6, 0.6), (1.5, 0.8)])
def test_a_bank_fails_as_often_as_its_models_error_makes_it(error, swing):
    """Phi(-sqrt(rho) z / sqrt(rho + v)), v = b^2 e^2 / (1 + e^2): algebra of normals; without an error 1 - q, which is Basel's promise.

    Budget: four standard errors, and 5% for weights learnt from some 300 years of 40 banks.
    """
    v = swing**2 * error**2 / (1 + error**2)
    expected = ndtr(-math.sqrt(RHO) * ndtri(0.99) / math.sqrt(RHO + v))
    assert error > 0 or expected == pytest.approx(0.01)
    found = play(known(error=error, swing=swing, quantile=0.99, alike=0.1), 4, range(24)).measures["failing"]
    close(found, expected, 0.05 * expected)


def test_more_capital_is_worth_what_the_tail_says():
    """1 - q of Vasicek's law at 1.5 times the quantile that is asked for: four standard errors, and 5% as above."""
    asked = ndtr((ndtri(0.01) + math.sqrt(RHO) * ndtri(0.99)) / math.sqrt(1 - RHO))
    expected = ndtr((ndtri(0.01) - math.sqrt(1 - RHO) * ndtri(1.5 * asked)) / math.sqrt(RHO))
    found = play(known(swing=0.0, error=0.0, quantile=0.99, alike=0.0, capital=1.5), 5, range(24)).measures["failing"]
    close(found, expected, 0.05 * expected)


def crowd(m, shared, b=0.8, e=1.0, alike=0.1, q=0.9, nodes=60):
    """P(one bank fails), P(any), P(at least half): conditional on what banks have in common they fail independently (Gauss-Hermite)."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    g = 1 / (1 + e * e)
    factor, condition = x[:, None], x[None, :]
    known = b * (1 - g) * condition - math.sqrt(RHO * alike) * factor  # what all are wrong by
    own, spread = RHO * (1 - alike), b * g * e
    hurdle = math.sqrt(RHO) * ndtri(q)
    if shared:
        chance = ndtr((known[..., None] - spread * x - hurdle) / math.sqrt(own))
        weight = w[:, None, None] * w[None, :, None] * w
    else:
        chance, weight = ndtr((known - hurdle) / math.sqrt(own + spread**2)), w[:, None] * w
    half = binom.sf(math.ceil(m / 2) - 1, m, chance)
    return [float((weight * p).sum()) for p in (chance, 1 - (1 - chance) ** m, half)]


def test_one_view_leaves_one_banks_risk_alone_and_gathers_all_banks_in_it():
    """What one bank risks is the same with own views and with one; that any fails is rarer with one, that half do more frequent.

    P(one), P(any) and P(half) by quadrature; four standard errors, and 5% of limited evidence.
    """
    given = {"swing": 0.8, "error": 1.0, "alike": 0.1, "quantile": 0.9, "models": 20}
    expected = {wiring: crowd(20, wiring == "shared") for wiring in ("shared_data", "shared")}
    assert expected["shared"][0] == pytest.approx(expected["shared_data"][0], rel=1e-6)
    assert expected["shared"][1] < expected["shared_data"][1]
    assert expected["shared"][2] > expected["shared_data"][2]
    for wiring, numbers in expected.items():
        found = play(known(wiring, **given), 6, range(60)).measures
        for name, number in zip(("failing", "any", "half"), numbers, strict=True):
            close(found[name], number, 0.05 * number)


def test_returns_are_correlated_as_a_normal_copula_says():
    """Of two large portfolios: (Phi2(t, t; rho alike) - p^2) / (Phi2(t, t; rho) - p^2), t = Phi^-1(p).

    Four standard errors, and a bias of some 1/years.
    """
    t, p, alike = ndtri(0.01), 0.01, 0.4
    joint = [multivariate_normal.cdf([t, t], cov=[[1, c], [c, 1]]) - p * p for c in (RHO * alike, RHO)]
    given = {"classes": 1, "swing": 0.0, "support": 0.0, "impact": 0.0, "glut": 1.0, "alike": alike, "models": 10}
    found = play(trial(years=400, closed=False, **given), 7, range(24)).measures["calm"]
    close(found, joint[0] / joint[1], 0.01)


def test_sales_of_banks_alike_solve_a_linear_equation():
    """Who sells the part s of its assets to be levered L as before has s = 1 - L (1 - loss - s impact a) / a.

    Here a are its assets after losses, in equities, and s impact is how far prices fall: algebra, as in Greenwood, Landier & Thesmar
    2015, whose one round has s = 1 - L (1 - loss) / a.
    """
    given = {"models": 3, "classes": 1, "swing": 0.0, "alike": 1.0, "support": 0.0, "buffer": 0.0, "rebuild": 1.0}
    for rounds in (1, 80):
        out = play(trial(closed=False, rounds=rounds, **given), 8, range(10)).series
        lever, loss = 12.5, 12.5 * 0.45 * out["loss_rate"][1:].astype(float)
        assets = lever - loss
        sold = 1 - lever * (1 - loss) / assets
        if rounds > 1:
            sold = np.minimum(sold / (1 - lever * 0.03), 1)
        ok = sold < 1
        assert ok.mean() > 0.9
        np.testing.assert_allclose(out["fall"][1:][ok], (0.03 * sold * assets / lever)[ok], rtol=1e-4)


def test_easy_credit_makes_its_own_good_news():
    """Trained on what their lending brought about, models settle where what is said is what then comes, to .03.

    Banks with all their capital again every year; the fixed point is that of repeated training (Perdomo et al. 2020, ICML).
    """
    support, strain, slope = 0.3, math.sqrt(RHO / (1 - RHO)) * ndtri(0.999), 1 / math.sqrt(1 - RHO)

    def charge(said):
        return 0.45 * ndtr(said + strain)

    def gap(said, capital):
        return said - slope * (ndtri(0.01) + support * math.log(capital * charge(said) / charge(ndtri(0.01) * slope)))

    said = {}

    def tap(tick, stage, value):
        if stage == "predict":
            said[tick] = value.mean()

    given = {"swing": 0.0, "error": 0.0, "alike": 0.0, "support": support, "rebuild": 1.0, "capital": 1.5}
    play(known(**given), 9, range(128), tap)  # whose mean has a standard error of .011
    assert np.mean([said[tick] for tick in range(60)]) == pytest.approx(brentq(gap, -4, 0, args=(1.5,)), abs=0.03)


def test_a_plain_rule_makes_all_alike():
    """With the loop open what is lent is the flat standard's, whoever is wired to whom; a kill switch does the same."""
    opened = [play(trial(wiring, closed=False), 10, range(4)).measures for wiring in ("isolated", "shared")]
    np.testing.assert_array_equal(opened[0]["down"], opened[1]["down"])
    np.testing.assert_allclose(opened[0]["extra"], 0.0, atol=1e-12)
    killed = play(trial(hands=(Hand("kill", KillSwitch(), Trigger(at=0.0)),)), 10, range(4)).measures
    np.testing.assert_allclose(killed["leverage"], 12.5)


def test_edges():
    """One bank, banks that stay at home, banks that lend nothing, all capital gone: finite, or undefined where that is said."""
    nothing = (Hand("limits", Limits(high=0.0), Trigger(at=0.0)),)
    played = [
        play(trial(**given), 11, range(3))
        for given in ({"models": 1, "classes": 1}, {"spread": 0.0}, {"hands": nothing}, {"turned": (29, 40.0)})
    ]
    for found in played:
        assert np.isnan(found.diverged).all()
        for name, declared in CreditBubble.measures.items():
            assert declared.may_be_undefined or np.isfinite(found.measures[name]).all(), name
    assert np.isnan(played[0].measures["calm"]).all()
    assert (played[-1].measures["down"] == 1).all()


def test_contradictions_are_refused():
    with pytest.raises(ParameterError, match=r"classes must be at most models \(3\), not 4"):
        CreditBubble(models=3)
    with pytest.raises(ParameterError, match=r"default_rate must be below 0.5"):
        CreditBubble(default_rate=0.5)
    assert replace(CreditBubble(), models=4).classes == 4


def drawn(shared, n=4000, turn=3.0, world=None, seed=12):
    """The share that failed in each of `n` years, `(n,)`: models know everything, and neither sales nor credit move anything.

    Written from the formulas of the world's docstring, for the numbers of the shipped claims.
    """
    w, rng = world or CreditBubble(), np.random.default_rng(seed)
    m, k, g = w.models, w.classes, 1 / (1 + w.error**2)
    slope, strain = 1 / math.sqrt(1 - RHO), math.sqrt(RHO / (1 - RHO))
    condition, view = rng.normal(size=(n, 1, k)), rng.normal(size=(n, 1 if shared else m, 1))
    factor, own = rng.normal(size=(n, 1, 1)) - turn, rng.normal(size=(n, m, k))
    said = slope * (ndtri(w.default_rate) + w.swing * g * (condition + w.error * view))
    lever = (w.spread / k + (1 - w.spread) * (np.arange(m)[:, None] % k == np.arange(k))) / (
        w.lgd * ndtr(said + strain * ndtri(w.quantile))
    )
    lever = lever * np.minimum(1, w.cap / lever.sum(axis=2, keepdims=True))
    luck = math.sqrt(w.alike) * factor + math.sqrt(1 - w.alike) * own
    rate = ndtr(slope * (ndtri(w.default_rate) + w.swing * condition - math.sqrt(RHO) * luck))
    return (w.lgd * (lever * rate).sum(axis=2) > 1).mean(axis=1)


def test_the_numbers_of_the_shipped_claims_are_those_of_a_drawn_year():
    """Banks that fail, any and half of them: four standard errors of this draw, which is 25 times smaller than that of the claims."""
    for shared, numbers in ((False, (0.078, 0.63, 0.0097)), (True, (0.078, 0.43, 0.043))):
        share = drawn(shared)
        for seen, number in zip((share, share > 0, share >= 0.5), numbers, strict=True):
            close(seen.astype(float), number)


def test_models_that_learn_from_one_pool_are_one_model():
    """Own models on the losses of all say what one model on them says, to the bit."""
    pooled, one = (
        play(trial(wiring, turned=(29, 3.0)), 13, range(3)).measures for wiring in ("shared_data", "shared_brain")
    )
    for name in CreditBubble.measures:
        np.testing.assert_array_equal(pooled[name], one[name])
