"""Loop gain against 1: whether what a model says comes back larger.

With a probe, random noise that was added to the predictions and logged, reality is regressed on the noise (Wager, Chamandy,
Muralidharan & Najmi 2014, "Feedback detection for live predictors", NIPS 27): noise has no other cause, so what follows it is
its effect. Without one, only the course of the predictions is left: a root above 1, by the right-tailed Dickey-Fuller
test (Phillips, Wu & Yu 2011, International Economic Review 52). It cannot tell feedback from confounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.kernels import once
from simlab.base.par import Par
from simlab.detectors.detector import (
    Detector,
    Frame,
    Reading,
    Sliding,
    Subject,
    held,
    in_planes,
    over_instants,
    rest,
    slide,
    sliding_planes,
)

PASSIVE = "passive: cannot tell feedback from confounding"
STILL = 1e9  # the ratio shown where predictions move and reality stands still


class Spiral(NamedTuple):
    """What was last said and what last came of it, and sums over the window."""

    said: Floats  # (r, m*a), NaN before anything is known
    came: Floats  # (r, m*a) or (r, m)
    path: Floats  # (r, 3) mean prediction: at first, at the last scrape, and by how much that was above the one before
    moves: Sliding  # (window, r, 3) mean absolute change of predictions, of reality, scrapes
    steps: Sliding  # (window, r, 10) moments of the last change, the level and the change before: see `_moments`
    together: Sliding  # (window, r, 10) moments over instants with a probe, of means over models
    apart: Sliding  # (window, r, 10) moments of what each model has beside those means
    quiet: Ints  # (1,) scrapes since the last with a probe in any replication


class Slope(NamedTuple):
    """A regression slope and its standard error, `(r,)` each, from so many degrees of freedom."""

    value: Floats
    error: Floats
    freedom: Floats


class Gain(NamedTuple):
    """Loop gains by a probe, of models that move together and that move apart, with standard errors, `(r,)`; NaN where it cannot tell."""

    together: Floats
    together_error: Floats
    apart: Floats
    apart_error: Floats


@final
@dataclass(frozen=True)
class FeedbackSpiral(Detector[Spiral]):
    """The loop gain, less what chance explains of it, against 1; the first answer counts where an answer is several numbers.

    `probe`: reality on the noise of the same instant, over instants at which there was any, adjusted for the prediction without
    the noise (which the noise does not know, so it only takes variance away: Lin 2013, Annals of Applied Statistics 7). When
    predictions of m models move reality y_i = g v_i + h sum_{j != i} v_j the loop has two gains: g + (m-1) h, when all move together,
    is the slope of means over models, and g - h, when they move apart, that of deviations from the means. Shown is the larger of
    their sizes |b| - t se, each with half of `level`; a gain below -1 spirals too, from side to side.

    `passive`: with y the mean prediction of a scrape, y_t - y_{t-1} is regressed on y_{t-1} and y_{t-1} - y_{t-2}; the root is 1 + the
    first slope b, and shown is 1 + b - c se, which is above 1 where the Dickey-Fuller statistic b / se is above its quantile c. So
    `level` is the chance of an alarm at a scrape when predictions are a random walk, the case nearest to explosive (by default 6
    in 100 walks of 300 scrapes alarm somewhere); stationary predictions have next to none. Predictions that drift steadily, in a
    straight line, look explosive more often, and so do those that settle after the world has jumped: a convergent answer (root 0.9)
    to a step alarmed in nearly all simulated cases, a walk whose volatility comes in clusters in two of five.

    `auto` shows the probe's value where its upper bound is below 1, whatever the course of the predictions; else the larger of
    both. `probed` says which it was.

    The popular rule divides a rate by a rate of something else. It is read as the ratio of total variations over the window: the mean
    absolute change of a prediction, over models and answers, by that of reality from one known answer to the next.
    """

    shows: ClassVar[str] = "loop gain (probe) or largest root of the predictions (passive), less what chance explains"
    seed_rule: ClassVar[str] = "rate(model_predictions[5m]) / rate(reality_changes[5m]) > 1.5"
    seed_threshold: ClassVar[float] = 1.5

    window: Annotated[int, Par("1", "scrapes looked back on", low=3)] = 60
    method: Annotated[str, Par("1", "how the gain is found", choices=("auto", "probe", "passive"))] = "auto"
    level: Annotated[
        float,
        Par("1", "chance of a false alarm at a scrape, at a gain of 1; 1 shows the slope itself", above=0, high=1),
    ] = 0.0005
    least: Annotated[int, Par("1", "known instants or scrapes before it says anything", low=6)] = 20

    @property
    def limit(self) -> float:
        """A loop with a gain of 1 or more never comes to rest."""
        return 1.0

    def start(self, subject: Subject) -> Spiral:
        """Nothing seen."""
        r, w = subject.replications, self.window
        cells = subject.models * subject.answers
        nothing = np.full((r, cells), np.nan)
        return Spiral(
            nothing,
            nothing.copy(),
            np.full((3, r), np.nan).T,
            sliding_planes(w, r, 3),
            sliding_planes(w, r, 10),
            sliding_planes(w, r, 10),
            sliding_planes(w, r, 10),
            np.array([w]),
        )

    def read(self, state: Spiral, frame: Frame) -> Reading:
        """Add what came in; NaN where there are too few instants, or nothing moves."""
        with np.errstate(all="ignore"):
            seed = self._ratio(state, frame)
            self._walk(state, frame)
            self._probe(state, frame)
            return Reading(self._bound(state), seed)

    def probed(self, state: Spiral) -> Bools:
        """Where the value comes from a probe, `(r,)`; elsewhere it is passive and cannot tell feedback from confounding."""
        if self.method == "passive":
            return np.zeros(len(state.path), dtype=bool)
        with np.errstate(all="ignore"):
            low, high = self._by_probe(state)
            overruled = (high >= self.limit) & (self._by_root(state) > low) & (self.method == "auto")
            return np.asarray(np.isfinite(low) & ~overruled)

    def gains(self, state: Spiral) -> Gain:
        """The gains that the probe has found so far, `(r,)` each."""
        with np.errstate(all="ignore"):
            together, apart = (_slope(held(sums), self.least) for sums in (state.together, state.apart))
        return Gain(together.value, together.error, apart.value, apart.error)

    def _bound(self, state: Spiral) -> Floats:
        if self.method == "passive":
            return self._by_root(state)
        low, high = self._by_probe(state)
        if self.method == "probe":
            return low
        return np.where(high < self.limit, low, np.fmax(low, self._by_root(state)))

    def _by_root(self, state: Spiral) -> Floats:
        b = _slope(held(state.steps), self.least)
        chance = 0.0 if self.level == 1 else explosive(self.level, b.freedom) * b.error
        return 1.0 + b.value - chance

    def _by_probe(self, state: Spiral) -> tuple[Floats, Floats]:
        """The least and the largest gain that the probe leaves possible."""
        low = high = np.full(len(state.path), np.nan)
        if state.quiet[0] >= self.window:
            return low, high
        for sums in (state.together, state.apart):
            b = _slope(held(sums), self.least)
            chance = b.error * _student(self.level / 2, b.freedom)
            low, high = np.fmax(low, np.abs(b.value) - chance), np.fmax(high, np.abs(b.value) + chance)
        return low, high

    def _ratio(self, state: Spiral, frame: Frame) -> Floats:
        said = _travel(frame.predictions, state.said)
        came = _travel(frame.reality, state.came)
        up, down, scrapes = slide(state.moves, in_planes(said, came, np.ones(len(said)))).T
        ratio = np.minimum(np.where(scrapes > 1, up, np.nan) / down, STILL)
        return np.where(scrapes >= min(self.least, self.window), ratio, np.nan)

    def _walk(self, state: Spiral, frame: Frame) -> None:
        """Add the last change of the mean prediction, without the noise of a probe, to what the passive method knows."""
        first, last, change = state.path.T.copy()
        said = frame.predictions[..., 0]
        now = _mean(said - frame.nudges if once(frame.nudges).any() else said)
        first = np.where(np.isnan(first), now, first)
        slide(state.steps, _moments(last - first, change, now - last))
        state.path[:] = in_planes(first, now, now - last)

    def _probe(self, state: Spiral, frame: Frame) -> None:
        """Add the instants at which a probe was on, centred over models and about the centre."""
        noise = frame.nudges
        state.quiet[0] += 1
        if not once(noise).any():
            rest(state.together, int(state.quiet[0]))
            rest(state.apart, int(state.quiet[0]))
            return
        state.quiet[0] = 0
        first = state.path[:, :1]
        plain, came = frame.predictions[..., 0] - noise - first, frame.reality[..., 0] - first
        known = np.isfinite(noise + plain + came)
        whole = bool(known.all())
        models = known.sum(axis=2) * 1.0
        means, beside = [], []
        for x in (noise, plain, came):
            known_x = x if whole else np.where(known, x, 0.0)
            mean = known_x.sum(axis=2) / models
            means.append(mean)
            rest_x = known_x - mean[..., None]
            if x is noise:  # what all models share differs by rounding, and is no difference
                rest_x = np.where(np.abs(rest_x) > 1e-9 * np.abs(x), rest_x, 0.0)
            beside.append(rest_x if whole else np.where(known, rest_x, 0.0))
        crossed = [np.einsum("nrm,nrm->nr", beside[i], beside[j]) for i, j in _PAIRS]
        nil = np.zeros_like(models)
        apart = in_planes(np.maximum(models - 1, 0.0), nil, nil, nil, *crossed)
        probed = ((noise != 0) & known).any(axis=2)
        differs = crossed[0] > 1e-18 * models * means[0] ** 2  # noise that all have in common differs by rounding
        slide(state.together, over_instants(np.where(probed[..., None], _moments(*means), 0.0)))
        slide(state.apart, over_instants(np.where((probed & differs)[..., None], apart, 0.0)))


_PAIRS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
_FIRST, _SECOND = np.array(_PAIRS).T


def _moments(x: Floats, z: Floats, y: Floats) -> Floats:
    """1, x, z, y, xx, xz, zz, xy, zy, yy as a last axis; all 0 where any of the three is unknown."""
    three = (x, z, y)
    found = in_planes(np.ones_like(x), x, z, y, *(three[i] * three[j] for i, j in _PAIRS))
    unknown = ~np.isfinite(x + z + y)
    if unknown.any():
        np.copyto(found, 0.0, where=unknown[..., None])
    return found


def _slope(moments: Floats, least: int) -> Slope:
    """The slope of y on x, adjusted for z, from summed moments `(r, 10)`; NaN below `least` cases or where x does not vary.

    Where x and z are one, or z does not vary, z is left out. What is left of y below 1e-7 of its spread is rounding, and counts as that.
    """
    n = np.where(moments[:, 0] >= least, moments[:, 0], np.nan)
    raw = moments[:, 4:].T
    sums = moments[:, 1:4].T
    sxx, sxz, szz, sxy, szy, syy = raw - sums[_FIRST] * sums[_SECOND] / n
    both = sxx * szz - sxz * sxz > 1e-10 * sxx * szz
    if not both.all():
        sxz, szz, szy = np.where(both, sxz, 0.0), np.where(both, szz, 1.0), np.where(both, szy, 0.0)
    own = sxx - sxz * sxz / szz  # what of x is not in z
    own = np.where(own > 1e-12 * raw[0], own, np.nan)
    value = (sxy - sxz * szy / szz) / own
    left = syy - szy * szy / szz - value * value * own
    freedom = n - 2 - both
    return Slope(value, np.sqrt(np.maximum(left, 1e-14 * syy) / freedom / own), freedom)


def _travel(x: Floats, before: Floats) -> Floats:
    """How far a number moved since it was last known, summed over instants, mean over numbers known; `before` is brought up to date."""
    n, r = x.shape[:2]
    flat = x.reshape(n, r, -1)
    if before.shape[1] != flat.shape[2]:  # reality has another last axis; the first columns keep it
        before = before[:, : flat.shape[2]]
    if n == 1:
        step = np.abs(flat[0] - before)
        total = step.sum(axis=1)
        if np.isfinite(total).all():
            before[...] = flat[0]
            return np.asarray(total / step.shape[1])
        np.copyto(before, flat[0], where=np.isfinite(flat[0]))  # go on with what was last known
        known = np.isfinite(before).sum(axis=1)
        return np.asarray(np.where(np.isfinite(step), step, 0.0).sum(axis=1) / np.maximum(known, 1))
    whole = np.concatenate([before[None], flat])
    seen = np.isfinite(whole)
    if not seen.all():  # go on with what was last known
        at = np.maximum.accumulate(np.where(seen, np.arange(n + 1)[:, None, None], 0), axis=0)
        whole = np.take_along_axis(whole, at, axis=0)
    before[...] = whole[-1]
    step = np.abs(np.diff(whole, axis=0))
    step = np.where(np.isfinite(step), step, 0.0)
    known = np.isfinite(whole[-1]).sum(axis=1)
    return np.asarray(over_instants(step).sum(axis=1) / np.maximum(known, 1))


def _mean(x: Floats) -> Floats:
    """The mean over instants and models of what is known, `(n, r, m)` to `(r,)`."""
    flat = x[0] if len(x) == 1 else np.ascontiguousarray(np.moveaxis(x, 0, -1)).reshape(x.shape[1], -1)
    mean = flat.sum(axis=1) / flat.shape[1]
    if np.isfinite(mean).all():
        return np.asarray(mean)
    known = np.isfinite(flat)
    count = known.sum(axis=1)
    return np.asarray(np.where(known, flat, 0.0).sum(axis=1) / np.where(count, count, np.nan))


def explosive(level: float, freedom: Floats) -> Floats:
    """What a Dickey-Fuller statistic with a constant, of so many degrees of freedom, exceeds with chance `level` on a random walk.

    Its right tail is Student's, 1.7 to the left: Fuller (1976, Introduction to Statistical Time Series, Table 8.5.2) gives 1.645 - 1.715,
    1.960 - 1.73 and 2.326 - 1.726 for large samples. For 20 to 250 steps and levels from .001 to .05 1.7 is right within .08.
    """
    return _student(level, freedom) - 1.7


def _student(level: float, freedom: Floats) -> Floats:
    """What Student's t with so many degrees of freedom exceeds with chance `level`, NaN where there are none."""
    known = np.where(freedom >= 1, np.minimum(freedom, 1000.0), 0.0).astype(np.int64)
    return _students(level)[known]


@cache
def _students(level: float) -> Array:
    from scipy.special import stdtrit

    return np.append(np.nan, stdtrit(np.arange(1, 1001), 1 - level))


def probe_samples(gain: float, sd_reality: float, sd_nudge: float, power: float = 0.8, level: float = 0.05) -> float:
    """How many independent instants with a probe show that a gain is not 0: ((z_{1-level/2} + z_power) sd_reality / (gain sd_nudge))^2.

    2.8 sd_reality / (gain sd_nudge), squared, for a power of 80% at 5%. `sd_reality` is what of reality neither the noise nor
    the prediction explains. Raises InputError where there is no gain or no noise.
    """
    from scipy.special import ndtri

    if gain == 0 or sd_nudge <= 0:
        raise InputError(f"no number of samples shows a gain of {gain!r} with noise of size {sd_nudge!r}")
    return float(((ndtri(1 - level / 2) + ndtri(power)) * sd_reality / (gain * sd_nudge)) ** 2)


def loop_gain(nudges: ArrayLike, predictions: ArrayLike, reality: ArrayLike) -> Gain:
    """The gains that a probe finds in plain arrays `(n, m)` or `(n,)`, each a number; predictions include the noise.

    Reality and nudges may be one column for all models. Raises InputError where the rows do not match, or are under six.
    """
    v, p, y = (np.asarray(x, dtype=np.float64) for x in (nudges, predictions, reality))
    v, p, y = (x[:, None] if x.ndim == 1 else x for x in (v, p, y))
    if not (v.ndim == p.ndim == y.ndim == 2 and len(v) == len(p) == len(y) >= 6):
        raise InputError(f"give six rows or more of each, not the shapes {v.shape}, {p.shape} and {y.shape}")
    v, y = np.broadcast_to(v, p.shape), np.broadcast_to(y, p.shape)
    detector = FeedbackSpiral(window=3, least=6)
    state = detector.start(Subject(1, p.shape[1]))
    nothing = np.zeros((len(p), 1, 0, 0))
    detector.read(state, Frame(np.arange(float(len(p))), p[:, None, :, None], y[:, None, :, None], nothing, v[:, None]))
    return Gain(*(found[0] for found in detector.gains(state)))


class Slowing(NamedTuple):
    """Variance and lag-1 autocorrelation over a trailing window, `(t,)` each, NaN before the first is full."""

    variance: Floats
    autocorrelation: Floats


def slowing(series: ArrayLike, window: int) -> Slowing:
    """Signs of a loop near its edge: both rise as a gain nears 1 (critical slowing down, Scheffer et al. 2009, Nature 461).

    Feed it a quantity at each retraining. Passive: slow outside causes do the same. Raises InputError for a window that
    is below 3 or longer than the series.
    """
    x = np.asarray(series, dtype=np.float64)
    if not 3 <= window <= len(x):
        raise InputError(f"window must be from 3 to the {len(x)} values of the series, not {window!r}")
    rows = np.lib.stride_tricks.sliding_window_view(x, window)
    rows = rows - rows.mean(axis=1, keepdims=True)
    square = (rows**2).sum(axis=1)
    with np.errstate(all="ignore"):
        lagged = np.where(square > 0, (rows[:, 1:] * rows[:, :-1]).sum(axis=1) / square, np.nan)
    nothing = np.full(window - 1, np.nan)
    return Slowing(np.append(nothing, square / (window - 1)), np.append(nothing, lagged))
