"""The verdict of a sweep, held against numbers made by hand."""

import numpy as np

from simlab.views.points import Points
from simlab.views.sweep_page import compose
from simlab.views.turn import region, verdict
from simlab.views.words import MINUS
from tests.views.made import MEAN, axis, document

LOAD = axis("world.load_balancer.load", 0.1, 0.2, 0.4, 0.6)
REFRESH = axis("world.load_balancer.refresh", "0.5 s", "2 s", "8 s")
LATENCY = axis("arms.*.interventions.0.kill_switch.latency.median", "0 s", "30 s", "1 min", "5 min")
WIRING = axis("arms.b.topology", "isolated", "shared", "federated")


def said(*args, **more):
    return verdict(Points(document(*args, **more))).replace(MINUS, "-")


def test_the_order_turns_along_an_axis():
    levels = {"own": [0.3] * 4, "one": [0.1, 0.2, 0.31, 0.8]}
    told = said([LOAD], levels, {"one": [True, True, False, True]}, titles={"one": "one for all"})
    assert told == (
        "The order turns: compared with “own”, “one for all” lowers P(drawdown > 3%) where load ≤ 0.2 (by up to -20 points, joint 95% "
        "interval -23 to -17, at load 0.1) and raises it where load is 0.6 (+50 points, joint 95% interval 47 to 53, at load 0.6), with "
        "no difference found at the other one."
    )


def test_the_order_turns_in_a_plane():
    down, up = [(0.1, "0.5 s"), (0.1, "2 s"), (0.1, "8 s"), (0.2, "8 s")], [(0.6, "2 s"), (0.6, "8 s")]
    points = [(a, b) for a in (0.1, 0.2, 0.4, 0.6) for b in ("0.5 s", "2 s", "8 s")]
    one = [0.2 if at in down else 0.5 if at in up else 0.3 for at in points]
    told = said([LOAD, REFRESH], {"own": [0.3] * 12, "one": one}, {"one": [at in down + up for at in points]})
    assert "lowers P(drawdown > 3%) at 4 of 12 points, all where load ≤ 0.2 (by up to -10 points" in told
    assert "and raises it where load is 0.6 and refresh ≥ 2 s (2 of 12 points; by up to +20 points" in told
    assert "at load 0.6, refresh 2 s)" in told
    assert told.endswith("with no difference found at the other 6.")


def test_an_arm_that_only_raises_does_not_turn_the_order():
    levels = {"own": [0.3] * 4, "weak": [0.3, 0.3, 0.35, 0.4], "strong": [0.5] * 4}
    told = said([LOAD], levels, {"weak": [False, False, False, True], "strong": [True] * 4})
    assert told == (
        "Compared with “own”, “strong” raises P(drawdown > 3%) at every point (by up to +20 points, joint 95% interval 17 to 23, at "
        "load 0.1); “weak” raises it where load is 0.6."
    )


def test_where_the_order_does_not_turn_the_way_along_the_axis_is_told():
    levels = {"own": [0.6] * 4, "killed": [0.1, 0.2, 0.35, 0.3]}
    told = said([LATENCY], levels, {"killed": [True] * 4})
    assert told == (
        "Compared with “own”, “killed” lowers P(drawdown > 3%) at every point (by up to -50 points, joint 95% interval -53 to -47, at kill "
        "switch latency 0 min); there it goes from 10% at kill switch latency 0 min to 30% at 5 min."
    )


def test_the_arm_that_turns_most_comes_first_and_all_are_spoken_of():
    levels = {"own": [0.3] * 4} | {name: [0.2, 0.2, 0.4, 0.4] for name in "abcde"}
    clear = {"a": [True] * 4, "b": [True, False, False, True]} | dict.fromkeys("cde", [False] * 4)
    told = said([LOAD], levels, clear)
    assert told.startswith("The order turns: compared with “own”, “a” lowers")
    assert (
        "; “b” lowers it where load is 0.1 and raises it where load is 0.6; “c” makes no difference that was found; "
        in told
    )
    assert told.endswith("; 1 more arm in the picture.")


def test_no_difference_found():
    told = said([LOAD], {"own": [0.3] * 4, "one": [0.31, 0.3, 0.29, 0.33]})
    assert told == (
        "No difference found in P(drawdown > 3%) at any of 4 points; the largest, “one” against “own”, is +3 points, joint 95% interval "
        "0 to 6, at load 0.6."
    )


def test_a_choice_is_named():
    told = said([WIRING], {"own": [0.3] * 3, "b": [0.3, 0.6, 0.5]}, {"b": [False, True, True]})
    assert "raises P(drawdown > 3%) where topology is shared or federated (by up to +30 points" in told


def test_an_arm_alone_goes_from_one_end_to_the_other():
    told = said([LATENCY], {"killed": [0.1, 0.2, 0.35, 0.3]})
    assert told == (
        "In “killed” P(drawdown > 3%) goes from 10% at kill switch latency 0 min to 30% at 5 min (+20 points, "
        "95% interval 18 to 22); clear of where it began is also 35% at kill switch latency 60 s."
    )
    flat = said([LATENCY], {"killed": [0.1, 0.1, 0.1, 0.11]})
    assert "(the ends are not told apart)" in flat
    plane = said([LOAD, REFRESH], {"own": [0.01 * i for i in range(12)]})
    assert (
        plane
        == "In “own” P(drawdown > 3%) ranges from 0% to 11% over 12 points, which are not tested against each other."
    )


def test_means_have_their_unit():
    told = said(
        [LOAD], {"own": [0.3] * 4, "one": [0.3, 0.3, 0.3, 0.8]}, {"one": [False, False, False, True]}, asked=MEAN
    )
    assert "raises the mean latency where load is 0.6 (+0.5 s, joint 95% interval 0.47 to 0.53, at load 0.6)" in told


def test_few_undefined_and_lost_ones_are_said():
    assert said([LOAD], {"own": [0.3] * 4, "one": [0.9] * 4}, n=12) == (
        "No verdict: 12 replications at a point, too few for an interval (at least 30 are needed)."
    )
    assert said([LOAD], {"own": [None] * 4, "one": [0.3] * 4}) == "No verdict: P(drawdown > 3%) is undefined."
    lost = document([LOAD], {"own": [0.3] * 4, "one": [0.3] * 4})
    lost["rows"][2]["arms"]["one"]["diverged"] = 5
    assert verdict(Points(lost)).endswith("(5 replications diverged or failed).")
    assert '<li class="open">5 diverged or failed, and count only where harm came first</li>' in compose(lost)[0]
    lost = document([LOAD], {"own": [0.3] * 4, "one": [0.3] * 4}, asked=MEAN)
    lost["rows"][2]["arms"]["one"]["diverged"] = 5
    assert '<li class="open">5 diverged or failed, and are in no number</li>' in compose(lost)[0]


def test_what_the_variance_is_due_to():
    at = [(0.1, "2 s"), (0.3, "1 s"), (0.2, "5 s"), (0.4, "3 s")]
    axes = [
        axis("world.load_balancer.load", low=0.1, high=0.5),
        axis("world.load_balancer.refresh", low="1 s", high="8 s"),
    ]
    index = {"first": 0.5, "first_half": 0.1, "total": 0.7, "total_half": 0.1}
    less = {"first": 0.1, "first_half": 0.1, "total": 0.2, "total_half": 0.1}
    found = {"own": [less, index]}
    told = said(axes, {"own": [0.1, 0.2, 0.3, 0.4]}, at=at, design="sobol", points=1, indices=found)
    assert told.startswith(
        "Over these ranges the variance of P(drawdown > 3%) in “own” is due most to refresh (total index 0.7, 95% interval 0.6 to 0.8); "
    )
    near = {"own": [less | {"total": 0.55}, index]}
    told = said(axes, {"own": [0.1, 0.2, 0.3, 0.4]}, at=at, design="sobol", points=1, indices=near)
    assert "is due to refresh and load, which are not told apart" in told


def test_regions_say_exactly_which_points_they_are():
    """A region that is said without a count holds exactly those points: every subset of a small plane is read back."""
    axes = [axis("world.a.x", 1, 2, 3), axis("world.a.y", 1, 2)]
    points = Points(document(axes, {"own": [0.0] * 6}))
    places = [dict(zip("xy", at, strict=True)) for at in zip(*(one.at for one in points.axes), strict=True)]
    exact = 0
    for bits in range(1, 64):
        inside = np.array([bool(bits >> i & 1) for i in range(6)])
        told, many = region(points, inside)
        if told.startswith("where"):
            limits = told.removeprefix("where ").split(" and ")
            assert [all(_holds(limit, at) for limit in limits) for at in places] == inside.tolist(), told
            assert many == f"{inside.sum()} of 6 points"
            exact += 1
        elif told != "at every point":
            assert told.startswith(f"at {inside.sum()} of 6 points")
    assert exact == 6 * 3 - 6 - 1  # boxes of 3 x 2 points, less the single ones and the whole


def _holds(limit, at):
    name, sign, *rest = limit.split()
    value = at[name]
    if sign == "is" and len(rest) == 3:
        return float(rest[0]) <= value <= float(rest[2])
    return {"is": value == float(rest[0]), "≤": value <= float(rest[0]), "≥": value >= float(rest[0])}[sign]
