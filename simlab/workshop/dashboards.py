"""What there is to see during a drill, as text: dashboards, yesterday's figures, the wiring. All of it up to now, and nothing later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from simlab.views.words import number, signed
from simlab.workshop.night import BEFORE, Deed, Night, Watch

WIDE = 24  # recorded values in a curve
DIGITS = 4  # of a figure
MOST = 8  # models that are listed one by one


def look(night: Night, deeds: Sequence[Deed], now: float) -> str:
    """The dashboards: figures now, and their last course."""
    here, outcome, measures = night.row(now), night.own(deeds), night.trial.measures
    lines = ["dashboards"]
    for name in night.staging.shown:
        past = outcome.series[name][max(here + 1 - WIDE, 0) : here + 1, 0]
        unit = "" if measures[name].unit == "1" else measures[name].unit
        paged = "  << paged for" * (name == night.staging.alert)
        lines.append(f"  {name:13} {number(past[-1], DIGITS):>9} {unit:4} {sparks(past)}{paged}")
    return "\n".join(lines)


def yesterday(night: Night, deeds: Sequence[Deed], now: float) -> str:
    """Figures now against those before the trouble, and who moved first: models or the world."""
    here, before, outcome = night.row(now), night.row(night.begins), night.own(deeds)
    lines = ["now, against before the trouble"]
    for name in night.staging.shown:
        usual = outcome.series[name][max(before - BEFORE, 1) : before, 0].astype(np.float64)
        value, mean, spread = float(outcome.series[name][here, 0]), float(usual.mean()), float(usual.std())
        away = f"{signed((value - mean) / spread, 2):>6} standard deviations" if spread > 0 else "     it never moved"
        lines.append(f"  {name:13} {number(value, DIGITS):>9}, was {number(mean, DIGITS):>9} {away}")
    watch = night.watched(deeds)
    was, gone = _lately(watch, night, night.begins), now - night.begins
    lines.append("who moved first, since before the trouble (means)")
    for back in (2 * gone / 3, gone / 3, 0.0):
        then = _lately(watch, night, now - back)
        said, came = (signed(float(x[then].mean() - x[was].mean())) for x in (watch.said, watch.came))
        lines.append(f"  {f'{back:.0f} s ago' if back else 'now':>13} models {said:>8}, reality {came:>8}")
    return "\n".join(lines)


def graph(night: Night, deeds: Sequence[Deed], now: float) -> str:
    """Who shares what, how far the models miss, and on which side."""
    wires, watch = night.trial.topology, night.watched(deeds)
    brains, views, pools = (len(set(of)) for of in (wires.brain_of, wires.view_of, wires.data_of))
    was, then = _lately(watch, night, night.begins), _lately(watch, night, now)
    before, after = watch.miss[was].mean(axis=0), watch.miss[then].mean(axis=0)
    side = np.mean(np.sign(watch.said[then]) == np.sign(watch.came[then]))
    above, below = (_off(float(watch.lean[at].mean())) for at in (then, was))
    lines = [
        f"models: {wires.models}; brains: {brains}; feature views: {views}; pools of evidence: {pools}",
        f"  answers are {above} outcomes, were {below} (means)",
        f"  both have the same sign in {side:.0%} of the last moments",
    ]
    shown = [(number(float(a)), number(float(b))) for a, b in zip(after, before, strict=True)]
    if len(set(shown)) == 1:
        return "\n".join([*lines, f"  each of the {wires.models} models misses by {shown[0][0]}, was {shown[0][1]}"])
    worst = np.argsort(before - after, kind="stable")[:MOST]
    lines += [f"  model {m:2d} misses by {shown[m][0]}, was {shown[m][1]}" for m in sorted(worst)]
    if wires.models > MOST:
        rest = np.delete(after, worst).mean(), np.delete(before, worst).mean()
        lines.append(f"  the others miss by {number(float(rest[0]))}, were {number(float(rest[1]))} (mean)")
    return "\n".join(lines)


SIGHTS: dict[str, Callable[[Night, Sequence[Deed], float], str]] = {
    "look": look,
    "yesterday": yesterday,
    "graph": graph,
}


def sparks(values: Iterable[float]) -> str:
    """A curve in a line of text, from its lowest value to its highest; what is undefined is at the bottom."""
    each = np.asarray(list(values), dtype=np.float64)
    known = each[np.isfinite(each)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    steps = np.nan_to_num((each - low) / (high - low) * 7 if high > low else each * 0).round().astype(int)
    return "".join("▁▂▃▄▅▆▇█"[step] for step in steps)


def _off(lean: float) -> str:
    return f"{number(abs(lean))} {'above' if lean >= 0 else 'below'}"


def _lately(watch: Watch, night: Night, end: float) -> slice:
    """The ticks of the last four looks up to a time; at least one."""
    last = max(int(np.searchsorted(watch.times, end)), 1)
    return slice(min(int(np.searchsorted(watch.times, end - 4 * night.staging.look)), last - 1), last)
