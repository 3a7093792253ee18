"""Failing together: closed forms, every state one by one, and draws against the exact numbers."""

from itertools import combinations, product
from math import comb, isnan, prod

import pytest
from scipy.stats import multivariate_normal, norm

from simlab.studies import holding, together
from simlab.studies.together import two
from tests.studies.architectures import made, random_one, star

TINY = 1e-12


def binomial(n, p, least):
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, n + 1))


@pytest.mark.parametrize(
    ("n", "p", "q"), [(1, 0.1, 0.2), (2, 0.02, 0.3), (5, 0.02, 0.1), (6, 0.5, 0.01), (6, 0.0, 0.1), (3, 1.0, 0.1)]
)
def test_a_star_on_one_store(n, p, q):
    """All fail with the store, or each by itself: P(all) = p + (1 - p) q^n, and so on."""
    found = together.together(star(n, p, q))
    half = -(-n // 2)
    assert found.exact
    assert found.wired.any == pytest.approx(1 - (1 - p) * (1 - q) ** n, abs=TINY)
    assert found.wired.half == pytest.approx(p + (1 - p) * binomial(n, q, half), abs=TINY)
    assert found.wired.all == pytest.approx(p + (1 - p) * q**n, abs=TINY)
    assert found.wired.two == pytest.approx(p + (1 - p) * q**2 if n > 1 else 0, abs=TINY)
    one = p + (1 - p) * q
    assert found.owned == pytest.approx(
        (1 - (1 - one) ** n, binomial(n, one, half), one**n, one**2 if n > 1 else 0), abs=TINY
    )
    assert found.models == pytest.approx({f"m{i}": one for i in range(n)}, abs=TINY)
    assert found.consumers == pytest.approx({f"cm{i}": one for i in range(n)}, abs=TINY)


def test_the_effective_number_of_models():
    """n models on one store: their failures correlate at r = (P(both) - P^2) / (P - P^2)."""
    p, q, n = 0.1, 0.05, 4
    one, both = p + (1 - p) * q, p + (1 - p) * q**2
    r = (both - one**2) / (one - one**2)
    assert together.together(star(n, p, q)).effective == pytest.approx(n / (1 + (n - 1) * r))
    assert together.together(star(n, 0.0, q)).effective == pytest.approx(n)
    assert together.together(star(n, 0.3, 0.0)).effective == pytest.approx(1)
    assert isnan(together.together(star(n, 0.0, 0.0)).effective)


def test_a_model_with_a_rule_fails_only_with_the_rule():
    """P = P(rule and (store or model)); where the rule hangs on the same store, P = store or (rule and model)."""
    text = (
        "stores: {{s: {{fails: 0.2}}}}\nfallbacks: {{r: {{reads: {}, fails: 0.1}}}}\n"
        "models: {{m: {{reads: [s], fallback: r, fails: 0.3}}}}"
    )
    apart = together.together(made(text.format("[]"))).models["m"]
    joined = together.together(made(text.format("[s]"))).models["m"]
    assert apart == pytest.approx(0.1 * (0.2 + 0.8 * 0.3))
    assert joined == pytest.approx(0.2 + 0.8 * 0.1 * 0.3)


def silent_in(architecture, lost):
    """What is silent when `lost` fail by themselves, in plain words: failures spread until nothing more falls."""
    down = set()
    while True:
        now = set(down)
        for part in architecture.parts:
            needs = [
                k.source for k in architecture.links if k.target == part.name and k.how not in ("shaped_by", "fallback")
            ]
            hit = [need in down for need in needs]
            broken = part.name in lost or (all(hit) and bool(hit) if part.any_will_do else any(hit))
            if broken and (part.fallback is None or part.fallback in down):
                now.add(part.name)
        if now == down:
            return down
        down = now


def by_hand(architecture):
    """Every chance, state by state of all parts."""
    parts = [part for part in architecture.parts if part.kind != "consumer"]
    models = architecture.of("model")
    total = sum(m.weight for m in models)
    share = {m.name: m.weight / total for m in models}
    apart = sum(share[a] * share[b] for a in share for b in share if a != b)
    chance = dict.fromkeys(
        ["any", "half", "all", "two", *(part.name for part in architecture.of("model", "consumer"))], 0.0
    )
    for state in product((False, True), repeat=len(parts)):
        weight = prod(part.fails if here else 1 - part.fails for part, here in zip(parts, state, strict=True))
        down = silent_in(architecture, {part.name for part, here in zip(parts, state, strict=True) if here})
        dark = [m.name for m in models if m.name in down]
        chance["any"] += weight * bool(dark)
        chance["half"] += weight * (2 * len(dark) >= len(models))
        chance["all"] += weight * (len(dark) == len(models))
        chance["two"] += weight * sum(2 * share[a] * share[b] for a, b in combinations(dark, 2)) / apart
        for name in down & chance.keys():
            chance[name] += weight
    return chance


@pytest.mark.parametrize("seed", range(5))
def test_random_architectures_agree_with_every_state_one_by_one(seed):
    architecture = random_one(seed)
    found, slow = together.together(architecture), by_hand(architecture)
    fast = {**found.wired._asdict(), **found.models, **found.consumers}
    assert fast == pytest.approx(slow, abs=1e-10)
    assert two(architecture) == pytest.approx(slow["two"], abs=1e-10)
    one = list(found.models.values())
    assert found.owned.all == pytest.approx(prod(one))
    assert found.owned.any == pytest.approx(1 - prod(1 - p for p in one))


@pytest.mark.parametrize("terms", [2_000, 0])
@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_draws_agree_with_the_exact_numbers(monkeypatch, terms, correlation):
    """Within 4 standard errors; with no polynomials at all (`terms` 0) the chance of two is drawn as well."""
    architecture = random_one(3, correlation=correlation)
    exact = together.together(architecture)
    monkeypatch.setattr(together, "MOST_EXACT", 0)
    monkeypatch.setattr(holding, "MOST_TERMS", terms)
    holding.ways.cache_clear()
    drawn = together.together(architecture)
    assert not drawn.exact
    for name in ("any", "half", "all", *(["two"] if terms == 0 else [])):
        error = getattr(drawn.errors, name)
        assert 0 < error < 0.01
        assert abs(getattr(drawn.wired, name) - getattr(exact.wired, name)) < 4 * error, name
    if terms:
        assert drawn.wired.two == pytest.approx(exact.wired.two)
    assert drawn.models == pytest.approx(exact.models, abs=0.02 if terms == 0 else TINY)
    holding.ways.cache_clear()


@pytest.mark.parametrize("c", [0.05, 0.4, 0.9, 0.99])
def test_one_factor_is_the_bivariate_normal(c):
    """Vasicek (2002): both of two models fail with probability N2(N^-1(p), N^-1(q); c)."""
    p, q = 0.1, 0.03
    found = together.together(made(f"models: {{a: {{fails: {p}}}, b: {{fails: {q}}}}}\ncorrelation: {c}"))
    both = multivariate_normal([0, 0], [[1, c], [c, 1]]).cdf([norm.ppf(p), norm.ppf(q)])
    assert found.wired.all == pytest.approx(both, rel=1e-6)
    assert found.wired.two == pytest.approx(both, rel=1e-6)
    assert found.models == pytest.approx({"a": p, "b": q}, rel=1e-9)
    assert found.owned.all == pytest.approx(both, rel=1e-6)  # they share nothing but the factor


def test_more_than_16_shared_parts_are_drawn_and_said_to_be():
    stores = ", ".join(f"s{i}: {{fails: 0.05}}" for i in range(17))
    reads = ", ".join(f"s{i}" for i in range(17))
    found = together.together(
        made(f"stores: {{{stores}}}\nmodels: {{a: {{reads: [{reads}], fails: 0}}, b: {{reads: [{reads}], fails: 0}}}}")
    )
    assert (found.exact, found.states, len(found.shared)) == (False, together.DRAWS, 17)
    truth = 1 - 0.95**17
    assert abs(found.wired.all - truth) < 4 * found.errors.all
    assert found.wired.two == pytest.approx(truth)
