"""What there is to see during a drill, as text: dashboards, yesterday's figures, the wiring. All of it up to now, and nothing later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from simlab.views.words import number
from simlab.workshop.night import BEFORE, Deed, Night, Watch

WIDE = 24  # recorded values in a curve
MOST = 8  # models that are listed one by one


def look(night: Night, deeds: Sequence[Deed], now: float) -> str:
    """The dashboards: figures now, and their last course."""
    here, outcome, measures = night.row(now), night.own(deeds), night.trial.measures
    lines = ["dashboards"]
    for name in night.staging.shown:
        past = outcome.series[name][max(here + 1 - WIDE, 0) : here + 1, 0]
        about, alarm = measures[name].about, "  << alarm" * (name == night.staging.alert)
        lines.append(f"  {name:13} {number(past[-1]):>9}  {sparks(past)}  {about}{alarm}")
    return "\n".join(lines)


def yesterday(night: Night, deeds: Sequence[Deed], now: float) -> str:
    """Figures now against those before the trouble, and who moved first: models or the world."""
    here, before, outcome = night.row(now), night.row(night.begins), night.own(deeds)
    lines = ["now, against before the trouble"]
    for name in night.staging.shown:
        usual = outcome.series[name][max(before - BEFORE, 1) : before, 0].astype(np.float64)
        value, mean, spread = float(outcome.series[name][here, 0]), float(usual.mean()), float(usual.std())
        away = f"{(value - mean) / spread:+9.1f} standard deviations" if spread > 0 else ""
        lines.append(f"  {name:13} {number(value):>9}, was {number(mean):>9} {away}")
    watch = night.watched(deeds)
    was, gone = _lately(watch, night, night.begins), now - night.begins
    for back in (2 * gone / 3, gone / 3, 0.0):
        then = _lately(watch, night, now - back)
        said, came = (number(float(x[then].mean() - x[was].mean())) for x in (watch.said, watch.came))
        lines.append(f"  {f'{back:.0f} s ago' if back else 'now':>13} models had moved by {said}, reality by {came}")
    return "\n".join(lines)


def graph(night: Night, deeds: Sequence[Deed], now: float) -> str:
    """Who shares what, how far the models miss, and on which side."""
    wires, watch = night.trial.topology, night.watched(deeds)
    brains, views, pools = (len(set(of)) for of in (wires.brain_of, wires.view_of, wires.data_of))
    was, then = _lately(watch, night, night.begins), _lately(watch, night, now)
    before, after = watch.miss[was].mean(axis=0), watch.miss[then].mean(axis=0)
    side = np.mean(np.sign(watch.said[then]) == np.sign(watch.came[then]))
    lines = [
        f"models: {wires.models}; brains: {brains}; feature views: {views}; pools of evidence: {pools}",
        f"  answers are {number(float(watch.lean[then].mean()))} above outcomes, were {number(float(watch.lean[was].mean()))};"
        f" of the same sign in {side:.0%} of the last moments",
    ]
    worst = np.argsort(before - after, kind="stable")[:MOST]
    lines += [f"  model {m:2d} misses by {number(after[m])}, was {number(before[m])}" for m in sorted(worst)]
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


def _lately(watch: Watch, night: Night, end: float) -> slice:
    """The ticks of the last four looks up to a time; at least one."""
    last = max(int(np.searchsorted(watch.times, end)), 1)
    return slice(min(int(np.searchsorted(watch.times, end - 4 * night.staging.look)), last - 1), last)
