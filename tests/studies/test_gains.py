"""Depth, path gain and loop gain: closed forms, and errors that are sent round step by step."""

from itertools import pairwise

import numpy as np
import pytest

from simlab.studies.gains import cascade, closed, gains
from tests.studies.architectures import made


def chain(*passes):
    """Models that each read the one before with these gains."""
    models = ["m0: {}", *(f"m{i + 1}: {{reads: [m{i}], gain: {{m{i}: {g}}}}}" for i, g in enumerate(passes))]
    return made(f"models: {{{', '.join(models)}}}")


@pytest.mark.parametrize("passes", [(), (0.7,), (0.7, 0.5), (0.5, 0.5, 2.0), (1.5, 1.5, 1.5)])
def test_a_chain_has_its_length_and_the_product_of_its_gains(passes):
    found = gains(chain(*passes))
    products = [np.prod(passes[a:b]) for a in range(len(passes)) for b in range(a + 1, len(passes) + 1)]
    assert found.depth == len(passes) + 1
    assert found.chain.path == tuple(f"m{i}" for i in range(len(passes) + 1))
    assert found.chain.gain == pytest.approx(np.prod(passes))
    assert found.cascade == pytest.approx(max(products, default=0))
    assert cascade(chain(*passes)) == found.cascade
    assert (found.along is None) == (not passes)
    assert (found.loop, found.loops) == (0, ())


def test_paths_add_up_and_the_strongest_is_named():
    """0.5 directly, 0.9 x 0.8 by way of b, and 0.4 x 0.3 by way of a store: 1.34."""
    found = gains(
        made(
            "stores: {s: {from: [a], gain: {a: 0.4}}}\n"
            "models: {a: , b: {reads: [a], gain: {a: 0.9}}, c: {reads: [a, b, s], gain: {a: 0.5, b: 0.8, s: 0.3}}}"
        )
    )
    assert found.cascade == pytest.approx(1.34)
    assert found.along.path == ("a", "b", "c")
    assert found.along.gain == pytest.approx(0.72)
    assert (found.depth, found.chain.path) == (3, ("a", "b", "c"))


def test_one_loop_through_reality_has_the_product_of_its_gains():
    found = gains(
        made(
            "sources: {d: {shaped_by: {a: 0.4}}}\nstores: {s: {from: [d], gain: {d: 0.5}}}\nmodels: {a: {reads: [s], gain: {s: 0.9}}}"
        )
    )
    assert [(loop.path, loop.chosen) for loop in found.loops] == [(("a", "d", "s"), 0)]
    assert found.loops[0].gain == pytest.approx(0.4 * 0.5 * 0.9)
    assert found.loop == pytest.approx(0.4 * 0.5 * 0.9)


def test_loops_that_each_die_out_can_run_away_together():
    """Features and training both bring back what the model did: 0.8 x (0.7 + 0.6) = 1.04."""
    found = gains(
        made(
            "sources: {d: {shaped_by: {a: 0.8}}}\nstores: {s: {from: [d], gain: {d: 1}}}\n"
            "models: {a: {reads: [s], trained_on: [d], gain: {s: 0.7, d: 0.6}}}"
        )
    )
    assert [loop.gain for loop in found.loops] == pytest.approx([0.56, 0.48])
    assert found.loop == pytest.approx(1.04)


def test_two_models_that_shape_each_others_data_turn_twice():
    """a -> d -> b -> e -> a takes two turns: what is left after one is the square root."""
    found = gains(
        made(
            "sources: {d: {shaped_by: {a: 0.5}}, e: {shaped_by: {b: 0.9}}}\n"
            "models: {a: {reads: [e], gain: {e: 0.6}}, b: {reads: [d], gain: {d: 0.3}}}"
        )
    )
    assert found.loops[0].gain == pytest.approx(0.5 * 0.3 * 0.9 * 0.6)
    assert found.loop == pytest.approx((0.5 * 0.3 * 0.9 * 0.6) ** 0.5)


def test_a_loop_through_training_alone_is_one_too():
    found = gains(made("models: {a: {trained_on: [b], gain: {b: 0.8}}, b: {reads: [a], gain: {a: 0.9}}}"))
    assert found.loop == pytest.approx(0.72)
    assert found.depth == 2  # the circle passes through training, so it is no dependency within an instant


def sent_round(architecture, turns=400):
    """How an error of 1 grows, turn by turn: links through reality carry what was there before, all others what is there now."""
    names = [part.name for part in architecture.parts]
    links = {(k.source, k.target): (k.gain, k.how) for k in architecture.links if k.how != "uses"}
    error, sizes = dict.fromkeys(names, 1.0), []
    for _ in range(turns):
        now = dict.fromkeys(names, 0.0)
        for name in names:
            now[name] += sum(g * error[a] for (a, b), (g, how) in links.items() if b == name and how == "shaped_by")
        for _ in names:  # as often as the longest path has links
            fresh = {
                n: sum(g * error[a] for (a, b), (g, how) in links.items() if b == n and how == "shaped_by")
                for n in names
            }
            for (a, b), (g, how) in links.items():
                if how != "shaped_by":
                    fresh[b] += g * now[a]
            now = fresh
        size = max(now.values())
        sizes.append(size)
        error = {name: value / size for name, value in now.items()}
    return float(np.exp(np.mean(np.log(sizes[turns // 2 :]))))


@pytest.mark.parametrize("seed", range(4))
def test_the_loop_gain_is_how_errors_grow(seed):
    g = np.random.Generator(np.random.PCG64(seed))
    s = g.uniform(0.1, 1.2, 12).round(3)
    architecture = made(
        f"sources: {{d: {{shaped_by: {{a: {s[0]}, b: {s[1]}}}}}, e: {{shaped_by: {{b: {s[2]}, c: {s[3]}}}}}}}\n"
        f"stores: {{f: {{from: [d, e], gain: {{d: {s[4]}, e: {s[5]}}}}}}}\n"
        f"models: {{a: {{reads: [f], trained_on: [d], gain: {{f: {s[6]}, d: {s[7]}}}}}, "
        f"b: {{reads: [a, f], gain: {{a: {s[8]}, f: {s[9]}}}}}, "
        f"c: {{reads: [e, b], gain: {{e: {s[10]}, b: {s[11]}}}}}}}"
    )
    assert closed(architecture) == pytest.approx(sent_round(architecture), rel=1e-3)


def test_more_loops_than_are_listed_are_said_to_be(monkeypatch):
    monkeypatch.setattr("simlab.studies.gains.MOST_LOOPS", 2)
    models = ", ".join(f"m{i}: {{reads: [d]}}" for i in range(4))
    shaped = ", ".join(f"m{i}: 0.2" for i in range(4))
    found = gains(made(f"sources: {{d: {{shaped_by: {{{shaped}}}}}}}\nmodels: {{{models}}}"))
    assert (len(found.loops), found.complete) == (2, False)
    assert found.loop == pytest.approx(0.8)


def test_gains_by_default_are_counted():
    found = gains(
        made(
            "sources: {d: {shaped_by: {a: 0.5}}}\nstores: {s: {from: [d]}}\nmodels: {a: {reads: [s, d], gain: {d: 0.1}}}"
        )
    )
    told = {loop.path: loop.chosen for loop in found.loops}
    assert told == {("a", "d", "s"): 2, ("a", "d"): 0}
    assert all(a != b for a, b in pairwise(found.loops[0].path))
