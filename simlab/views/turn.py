"""The verdict of a sweep: where along its axes an arm raises or lowers what is asked, composed from the numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simlab.base.arrays import Array
from simlab.views import tradeoff
from simlab.views.points import Arm, Axis, Points, word
from simlab.views.verdict import TOO_FEW
from simlab.views.words import count, listed, number, sentence

MOST = 3  # arms that are spoken of


def verdict(points: Points) -> str:
    """One sentence: whether the order of the arms turns, where an arm is clearly better or worse than the first, and by how much.

    A difference counts where it is clear of 0 for all points and arms together. Without another arm it says how the level goes along
    the axis; of a Sobol design, first what its variance is due to. Fewer than 30 replications give no verdict. A
    trade-off has its own words.
    """
    if "tradeoff" in points.document:
        return tradeoff.verdict(points.document)
    most = max((float(np.nanmax(arm.n, initial=0)) for arm in points.arms), default=0.0)
    if most < TOO_FEW:
        said = f"no verdict: {count(int(most), 'replication')} at a point, too few for an interval (at least {TOO_FEW} are needed)"
    elif points.others:
        said = _sources(points) + _compared(points)
    else:
        said = _sources(points) + _alone(points, points.arms[0])
    lost = sum(arm.lost for arm in points.arms)
    return sentence(said) + (f" ({count(lost, 'replication')} diverged or failed)" if lost else "") + "."


def _compared(points: Points) -> str:
    """The arms against the first."""
    up = {arm.name: arm.clear & (arm.difference > 0) for arm in points.others}
    down = {arm.name: arm.clear & (arm.difference < 0) for arm in points.others}
    turning = [arm for arm in points.others if up[arm.name].any() and down[arm.name].any()]
    some = [arm for arm in points.others if (up[arm.name] | down[arm.name]).any()]
    label, base = points.top.label, points.arms[0].title
    if not some:
        return _no_difference(points)
    if turning:
        first = max(turning, key=lambda arm: min(int(up[arm.name].sum()), int(down[arm.name].sum())))
        said = f"the order turns: compared with “{base}”, “{first.title}” "
    else:
        first = max(some, key=lambda arm: float(np.nanmax(np.abs(np.where(arm.clear, arm.difference, 0.0)))))
        said = f"compared with “{base}”, “{first.title}” "
    said += _moves(points, first, down[first.name], up[first.name], label)
    if not turning and _is_way(points) and first.changed[-1]:
        said += f"; there it goes {_ends_of(points, first)}"
    rest = [arm for arm in points.others if arm is not first]
    more = [
        f"“{arm.title}” {_moves(points, arm, down[arm.name], up[arm.name], 'it', brief=True)}" for arm in rest[:MOST]
    ]
    more += [f"{count(len(rest) - MOST, 'more arm')} in the picture"] if len(rest) > MOST else []
    return "; ".join([said, *more])


def _moves(points: Points, arm: Arm, down: Array, up: Array, label: str, brief: bool = False) -> str:
    """What an arm does, and where: "lowers it where load ≤ 0.2 and raises it where load ≥ 0.4"."""
    if not (down.any() or up.any()):
        return "makes no difference that was found"
    said: list[str] = []
    for mask, verb in ((down, "lowers"), (up, "raises")):
        if mask.any():
            where, many = region(points, mask)
            by = "" if brief else f" ({'; '.join(filter(None, (many, _most(points, arm, mask))))})"
            said.append(f"{verb} {label if not said else 'it'} {where}{by}")
    left = points.count - int(down.sum()) - int(up.sum())
    none = f", with no difference found at the other {left if left > 1 else 'one'}" if left and not brief else ""
    return " and ".join(said) + none


def _most(points: Points, arm: Arm, mask: Array) -> str:
    """The largest difference there, with its place and the interval that holds for all from which it was picked."""
    at = int(np.argmax(np.where(mask, np.abs(arm.difference), -1.0)))
    ci = None if np.isnan(arm.lowest[at]) else (float(arm.lowest[at]), float(arm.highest[at]))
    by = points.top.say_difference(float(arm.difference[at]), ci)
    if points.count * len(points.others) > 1:
        by = by.replace("95% interval", "joint 95% interval")
    return f"{'by up to ' if mask.sum() > 1 else ''}{by}" + (f", at {points.where(at)}" if points.axes else "")


def _no_difference(points: Points) -> str:
    known = [arm for arm in points.others if np.isfinite(arm.difference).any()]
    if not known:
        return f"no verdict: {points.top.label} is undefined"
    arm = max(known, key=lambda one: float(np.nanmax(np.abs(one.difference))))
    most = _most(points, arm, np.isfinite(arm.difference))
    which = f"the largest, “{arm.title}” against “{points.arms[0].title}”, is {most.removeprefix('by up to ')}"
    return f"no difference found in {points.top.label} at any of {count(points.count, 'point')}; {which}"


def _alone(points: Points, arm: Arm) -> str:
    """How the level of the only arm goes."""
    top, seen = points.top, np.isfinite(arm.level)
    if not seen.any():
        return f"no verdict: {top.label} is undefined"
    low, high = int(np.nanargmin(arm.level)), int(np.nanargmax(arm.level))
    if _is_way(points) and seen[0] and seen[-1]:
        by = "the ends are not told apart"
        if arm.changed[-1]:
            by = top.say_difference(float(arm.change[-1]), (float(arm.change_low[-1]), float(arm.change_high[-1])))
        said = f"in “{arm.title}” {top.label} goes {_ends_of(points, arm)} ({by})"
        inside = [at for at in sorted({low, high}) if arm.changed[at] and 0 < at < len(seen) - 1]
        beyond = [f"{top.say(float(arm.level[at]))} at {points.where(at)}" for at in inside]
        return said + (f"; clear of where it began is also {listed(beyond)}" if beyond else "")
    if points.count == 1:
        return f"{top.label} is {top.say(float(arm.level[0]))} in “{arm.title}”"
    lowest, highest = (top.say(float(arm.level[at])) for at in (low, high))
    over = f"{count(points.count, 'point')}, which are not tested against each other"
    return f"in “{arm.title}” {top.label} ranges from {lowest} to {highest} over {over}"


def _is_way(points: Points) -> bool:
    """Whether points lie one after the other along one axis."""
    return points.is_grid and len(points.axes) == 1 and points.axes[0].kind != "choice"


def _ends_of(points: Points, arm: Arm) -> str:
    """From where to where the level goes along the only axis."""
    first, last = (points.top.say(float(arm.level[at])) for at in (0, -1))
    axis = points.axes[0]
    return f"from {first} at {points.where(0)} to {last} at {axis.say(axis.at[-1])}"


def _sources(points: Points) -> str:
    """What the variance of the first arm's level is due to, as a clause with its semicolon; nothing without indices."""
    found = points.document.get("indices", {}).get(points.arms[0].name) if "indices" in points.document else None
    if not found:
        return ""
    order = sorted(range(len(found)), key=lambda i: -found[i]["total"])
    first, *rest = order
    index = found[first]
    shown = f"total index {number(index['total'], 2)}, 95% interval {_ends(index)}"
    where = f"over these ranges the variance of {points.top.label} in “{points.arms[0].title}” is due"
    close = [i for i in rest if found[i]["total"] + found[i]["total_half"] >= index["total"] - index["total_half"]]
    if close:
        names = listed([points.axes[i].name for i in (first, *close)])
        return f"{where} to {names}, which are not told apart (the largest: {points.axes[first].name}, {shown}); "
    return f"{where} most to {points.axes[first].name} ({shown}); "


def _ends(index: dict[str, float]) -> str:
    low, high = index["total"] - index["total_half"], index["total"] + index["total_half"]
    return f"{number(max(low, 0.0), 2)} to {number(high, 2)}"


def region(points: Points, inside: Array) -> tuple[str, str]:
    """Where the points `inside` `(p,)` lie, and how many they are where that is not said already.

    "where load ≤ 0.2" says exactly which they are; else it is said how many they are and within what.
    """
    k, n = int(inside.sum()), points.count
    if k == n:
        return "at every point" if n > 1 else "there", ""
    if k == 1 and len(points.axes) > 1:
        return f"at 1 of {count(n, 'point')}", ""
    limits = [(axis, found) for axis in points.axes if (found := _limits(axis, inside))]
    where = " and ".join(said for _, (said, _) in limits)
    box = np.ones(n, bool)
    for _, (_, mask) in limits:
        box &= mask
    if not limits:
        return f"at {k} of {count(n, 'point')}", ""
    if int(box.sum()) == k:
        return f"where {where}", "" if len(points.axes) == 1 and points.is_grid else f"{k} of {count(n, 'point')}"
    return f"at {k} of {count(n, 'point')}, all where {where}", ""


def _limits(axis: Axis, inside: Array) -> tuple[str, Array] | None:
    """Between which values of an axis the points lie, in words and as the points of which that holds; None if anywhere."""
    if axis.kind == "choice":
        chosen = [value for value in axis.values if any(inside[i] and axis.at[i] == value for i in range(len(inside)))]
        if len(chosen) == len(axis.values):
            return None
        return f"{axis.name} is {_either([word(value) for value in chosen])}", np.array([v in chosen for v in axis.at])
    x = axis.numbers
    low, high = float(x[inside].min()), float(x[inside].max())
    first, last = (axis.say(axis.at[int(np.argmax(inside & (x == end)))]) for end in (low, high))
    if low == high:
        return f"{axis.name} is {first}", x == low
    if low > x.min() and high < x.max():
        return f"{axis.name} is {first} to {last}", (x >= low) & (x <= high)
    if low > x.min():
        return f"{axis.name} ≥ {first}", x >= low
    return (f"{axis.name} ≤ {last}", x <= high) if high < x.max() else None


def _either(items: Sequence[str]) -> str:
    return " or ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
