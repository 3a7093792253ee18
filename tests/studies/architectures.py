"""Architectures for the tests of the audit: stars, and random ones with everything in them."""

import numpy as np

from simlab.scenario.architecture import build
from simlab.scenario.reader import read


def made(text):
    return build(read(("schema: 1\ntitle: x\n" + text).encode(), "a.yaml"))


def star(models, p, q, more=""):
    """`models` models that fail with probability `q` on one store that fails with `p`, and one consumer each."""
    names = [f"m{i}" for i in range(models)]
    return made(
        f"stores: {{s: {{fails: {p}}}}}\nmodels: {{{', '.join(f'{m}: {{reads: [s], fails: {q}}}' for m in names)}}}\n"
        f"consumers: {{{', '.join(f'c{m}: {{uses: [{m}]}}' for m in names)}}}\n{more}"
    )


def random_one(seed, models=4, correlation=0.0):
    """Sources, stores, a brain, a rule, models that read models and fall back on models and rules, two consumers."""
    g = np.random.Generator(np.random.PCG64(seed))
    rates = iter(g.uniform(0.05, 0.4, 40).round(3))

    def some(names, most=2):
        return f"[{', '.join(sorted(g.choice(names, min(most, len(names)), replace=False)))}]"

    lines = [f"sources: {{s0: {{fails: {next(rates)}}}, s1: {{fails: {next(rates)}, shaped_by: {{m0: 0.5}}}}}}"]
    lines.append(
        f"stores: {{f0: {{from: {some(['s0', 's1'])}, fails: {next(rates)}}}, f1: {{from: [s1], fails: {next(rates)}}}}}"
    )
    lines.append(f"brains: {{b: {{trained_on: {some(['s0', 'f1'], 1)}, fails: {next(rates)}}}}}")
    lines.append(f"fallbacks: {{r: {{reads: {some(['s0', 'f0'], 1)}, fails: {next(rates)}}}}}")
    lines.append("models:")
    for i in range(models):
        reads = some(["f0", "f1", *(f"m{j}" for j in range(i))])
        brain = ", brain: b" if g.random() < 0.4 else ""
        spare = f", fallback: {g.choice(['r', *(f'm{j}' for j in range(i))])}" if g.random() < 0.5 else ""
        learns = ", trained_on: [m1]" if i == 0 and models > 1 and g.random() < 0.3 else ""  # a circle through training
        lines.append(
            f"  m{i}: {{reads: {reads}{brain}{spare}{learns}, fails: {next(rates)}, traffic: {g.uniform(0.1, 1):.3f}}}"
        )
    names = [f"m{i}" for i in range(models)]
    lines.append(f"consumers: {{all_of: {{uses: {some(names, 3)}}}, any_of: {{uses: {some(names, 3)}, needs: any}}}}")
    return made("\n".join(lines) + f"\ncorrelation: {correlation}\n")
