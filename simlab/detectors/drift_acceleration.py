"""Is the world moving? The distribution of the features against a reference, and how fast it leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.par import Par
from simlab.detectors.detector import Detector, Frame, Reading, Sliding, Subject, held, slide, sliding

PER_INSTANT = 16  # samples of a feature that are binned, evenly spread, where there are more
SPAN = 10  # scrapes over which the popular rule takes its derivative
FINE = 6  # cells a bin for the Kolmogorov-Smirnov distance
CROWD = 5  # samples a bin, in the reference and in the recent past, below which no distance is told (Cochran 1954)
CLIP = 4.0  # standard deviations; an outlier counts as this


class Course(NamedTuple):
    """The reference, and where the recent past stands against it; `f` features (or answers of reality)."""

    scrapes: Ints  # (1,)
    last: Floats  # (r, f, 2) mean of a scrape: at first (the origin), at the last scrape, NaN before
    past: Floats  # (r, f, 6) sums over the reference of 1, u, x, uu, ux, xx, with u the mean a scrape before x
    persistence: Floats  # (r, f) how much of a deviation is left a scrape later, by the reference
    usual: Floats  # (r, f, 3) of all residuals so far: number, mean, and sum of squared deviations from it
    level: Floats  # (r, f, 2) mean and standard deviation of the reference's means
    walk: Floats  # (r, f, 2) CUSUM upwards and downwards
    kept: list[Floats]  # samples of the reference, (r, f, k) each, until it is complete
    edges: Floats  # (r, f, c) where its cells begin: -inf, then quantiles
    norm: Floats  # (r, f, c) its share in each cell
    logs: Floats  # (r, f, bins) the logarithms of its shares in the bins
    size: Floats  # (r, f) its known samples
    recent: Sliding  # (recent scrapes, r, f, c) counts in each cell
    distances: Floats  # (SPAN, r) the distances of the last scrapes, on a wheel
    adwin: list[Any]  # river's detectors, r times f


@final
@dataclass(frozen=True)
class DriftAcceleration(Detector[Course]):
    """Drift of the features against the first `window` scrapes; of reality (its first number) where asked, or without features.

    `cusum` (Page 1954, Biometrika 41), of each feature's mean over a scrape, upwards and downwards, from the end of the reference on.
    Autocorrelation would make it alarm falsely, so it sums residuals x_t - f x_{t-1} (Harris & Ross 1991, Canadian J. of Chemical
    Engineering 69), with the lag-1 autocorrelation f of the reference plus a standard error. They are standardised by their mean and
    spread over all scrapes before, as Student's t, and brought to the normal (self-starting: Hawkins 1987, The Statistician 36;
    Wallace 1959, Annals of Mathematical Statistics 30), so that a short reference does not count as known. They count up to 4 standard
    deviations. Without a drift there is at most one false alarm in `false_alarm_every` scrapes on average (up to three at a lag-1
    autocorrelation of .9), also with many features: their walks are scaled so that they share it. A growing spread alarms too. A
    shift of d standard deviations weighs d sqrt((1 - f) / (1 + f)) in the residuals: slow features hide a drift longer.

    `psi`, the population stability index sum (q - p) ln(q / p) of the last `recent` scrapes against the reference, in bins of
    equal probability, over 1/n + 1/m: chi-squared with bins - 1 degrees of freedom when nothing changed (Yurdakul 2018, Western
    Michigan University). `ks`, sqrt(nm / (n+m)) D in 60 cells (so a little less than the Kolmogorov-Smirnov statistic). Both take
    the samples for independent: samples of one instant that share their errors alarm too often; use them for recorded cases. The
    level of each is 1 / (`false_alarm_every` x features). `adwin` (Bifet & Gavalda 2007, as river has it) of the means, in
    standard deviations of the reference: 1 at a scrape where its window is cut; one Python object a replication and feature, so slow.

    The popular rule names neither distance nor unit. It is read as the increase of the population stability index (the largest of the
    features) over the last 10 scrapes. Where samples are few the recent past is longer than `recent`, so that it makes 5 samples a
    bin; from fewer no distance is told.
    """

    shows: ClassVar[str] = (
        "drift of the feature that drifted most (cusum: standard deviations, summed up since the reference)"
    )
    seed_rule: ClassVar[str] = "derivative(feature_distribution_distance[10m]) > 0.1"
    seed_threshold: ClassVar[float] = 0.1

    window: Annotated[int, Par("1", "scrapes of the reference", low=10)] = 60
    recent: Annotated[int, Par("1", "scrapes compared with it, or more where samples are few", low=2)] = 20
    of: Annotated[
        str, Par("1", "what is watched: what models see, or what comes of it", choices=("features", "reality"))
    ] = "features"
    method: Annotated[str, Par("1", "how drift is found", choices=("cusum", "psi", "ks", "adwin"))] = "cusum"
    false_alarm_every: Annotated[float, Par("1", "scrapes from one false alarm to the next", low=20, high=1e9)] = (
        10_000.0
    )
    slack: Annotated[float, Par("1", "cusum: half the shift looked for, in standard deviations", low=0.1, high=2)] = 0.5
    bins: Annotated[int, Par("1", "bins of equal probability in the reference", low=2, high=100)] = 10

    @property
    def limit(self) -> float:
        """What a walk or a distance exceeds once in `false_alarm_every` scrapes when nothing drifts."""
        return self._bar(1)

    def _bar(self, features: int) -> float:
        """The limit of one of so many features that share the false alarms."""
        level = 1 / (self.false_alarm_every * features)
        if self.method == "cusum":
            return cusum_limit(1 / level, self.slack)
        if self.method == "adwin":
            return 0.5
        from scipy.special import chdtri, kolmogi

        return float(chdtri(self.bins - 1, level) if self.method == "psi" else kolmogi(level))

    def start(self, subject: Subject) -> Course:
        """No reference yet."""
        r = subject.replications
        seen = subject.features > 0 and self.of == "features"
        f = subject.features if seen else 1
        samples = min(max(subject.samples if seen else subject.models, 1), PER_INSTANT)
        cells = self.bins * (FINE if self.method == "ks" else 1)
        watchers: list[Any] = []
        if self.method == "adwin":
            from river.drift import ADWIN

            delta = 1 / (self.false_alarm_every * f)
            watchers = [ADWIN(delta=delta) for _ in range(r * f)]  # type: ignore[no-untyped-call]
        return Course(
            np.zeros(1, dtype=np.int64),
            np.full((r, f, 2), np.nan),
            np.zeros((r, f, 6)),
            np.zeros((r, f)),
            np.zeros((r, f, 3)),
            np.full((r, f, 2), np.nan),
            np.zeros((r, f, 2)),
            [],
            np.moveaxis(np.zeros((cells, r, f)), 0, 2),
            np.zeros((r, f, cells)),
            np.zeros((r, f, self.bins)),
            np.zeros((r, f)),
            sliding(max(self.recent, -(-CROWD * self.bins // samples)), r, f, cells),
            np.full((SPAN, r), np.nan),
            watchers,
        )

    def read(self, state: Course, frame: Frame) -> Reading:
        """Add what came in; NaN until the reference is complete and, for distances, the recent past too."""
        with np.errstate(all="ignore"):
            return self._read(state, frame)

    def _read(self, state: Course, frame: Frame) -> Reading:
        seen = frame.features.shape[3] > 0 and self.of == "features"
        x = frame.features if seen else frame.reality[..., :1]
        n, r, s, f = x.shape
        flat = np.ascontiguousarray(x.transpose(1, 3, 0, 2)).reshape(r, f, n * s)
        state.scrapes[0] += 1
        beyond = int(state.scrapes[0]) - self.window
        mean = _means(flat)
        z = self._surprise(state, mean, beyond)
        step = -(-s // PER_INSTANT)
        self._count(state, flat if step == 1 else flat.reshape(r, f, n, s)[..., ::step].reshape(r, f, -1), beyond)
        nothing = np.full(r, np.nan)
        if beyond <= 0:
            return Reading(nothing, nothing.copy())
        distance, seed = self._distance(state, beyond)
        if self.method == "cusum":
            distance = cusum(state.walk, z, self.slack)
        elif self.method == "adwin":
            distance = _cuts(state.adwin, (mean - state.level[..., 0]) / state.level[..., 1])
        return Reading(_largest(distance) * (self.limit / self._bar(f)), seed)

    def _surprise(self, state: Course, mean: Floats, beyond: int) -> Floats:
        """How far the new means `(r, f)` are from what all before lets expect, in standard normal terms; 0 where unknown."""
        origin, last = state.last[..., 0], state.last[..., 1]
        mean = np.minimum(np.maximum(mean, -1e100), 1e100)  # squares stay finite; NaN stays NaN
        if beyond > 0:
            found = _against(state.usual, mean - origin - state.persistence * (last - origin))
            np.copyto(last, mean)
            return found
        np.copyto(origin, mean, where=np.isnan(origin))
        u, x = last - origin, mean - origin
        fresh = np.stack([np.ones_like(u), u, x, u * u, u * x, x * x], axis=2)
        np.add(state.past, np.where(np.isfinite(u + x)[..., None], fresh, 0.0), out=state.past)
        np.copyto(last, mean)
        if beyond == 0:
            n, cu, cx, cuu, cux, cxx = _centred(state.past)
            f = state.persistence
            f[:] = _persistence(n, cuu, cux)
            state.usual[:] = np.stack([n, cx - f * cu, np.maximum(cxx - f * (2 * cux - f * cuu), 1e-12 * cxx)], axis=2)
            state.level[:] = np.stack([origin + cx, np.sqrt(cxx / (n - 1))], axis=2)
        return np.zeros_like(x)

    def _count(self, state: Course, x: Floats, beyond: int) -> None:
        """Keep the samples `(r, f, k)` for the reference, or count them in its cells."""
        if beyond <= 0:
            state.kept.append(x.copy())
            if beyond == 0:
                _quantiles(np.concatenate(state.kept, axis=2), state.edges)
                counts = np.add.reduce([_cells(part, state.edges) for part in state.kept])
                state.kept.clear()
                state.size[:] = counts.sum(axis=2)
                binned = _shares(self._binned(counts) if self.method == "ks" else counts)
                state.norm[:] = counts / state.size[..., None] if self.method == "ks" else binned
                state.logs[:] = np.log(binned)
            return
        slide(state.recent, _cells(x, state.edges))

    def _binned(self, counts: Floats) -> Floats:
        """Counts in the bins of those in fine cells."""
        return np.asarray(counts.reshape(*counts.shape[:2], self.bins, FINE).sum(axis=3))

    def _distance(self, state: Course, beyond: int) -> tuple[Floats, Floats]:
        """The distance that the method asks for, `(r, f)`, and the increase of the largest stability index, `(r,)`."""
        nothing = np.full(state.size.shape, np.nan)
        if beyond < len(state.recent.ring):
            return nothing, nothing[:, 0].copy()
        counts = held(state.recent)
        size = np.einsum("rfc->rf", counts)
        size[np.minimum(size, state.size) < CROWD * self.bins] = np.nan
        coarse, norm = counts, state.norm
        if self.method == "ks":
            coarse, norm = self._binned(counts), np.exp(state.logs)
        # ln q is ln(cases + .5), less a constant that drops out since shares add up to 1
        ratio = _logs(int(coarse.max()) + 1).take(coarse.astype(np.int64)) - state.logs
        psi = np.einsum("rfc,rfc->rf", _shares(coarse) - norm, ratio)
        psi[np.isnan(size)] = np.nan
        largest = _largest(psi)
        wheel = state.distances[beyond % SPAN]
        seed = largest - wheel
        wheel[:] = largest
        if self.method == "ks":
            gap = np.abs(np.cumsum(counts / size[..., None] - state.norm, axis=2)).max(axis=2)
            return gap * np.sqrt(size * state.size / (size + state.size)), seed
        return psi / (1 / size + 1 / state.size), seed


def _centred(past: Floats) -> tuple[Floats, ...]:
    """Number, means of u and x, and centred sums of uu, ux and xx, each `(r, f)`."""
    n, su, sx, suu, sux, sxx = past.transpose(2, 0, 1)
    cu, cx = (np.where(n > 0, total / n, 0.0) for total in (su, sx))
    return n, cu, cx, suu - su * cu, sux - su * cx, sxx - sx * cx


def _persistence(n: Floats, cuu: Floats, cux: Floats) -> Floats:
    """The lag-1 autocorrelation `(r, f)` to reckon with: its estimate, freed of its bias, and a standard error more; 0 where unknown.

    The estimate f from n scrapes is too low by (1 + 3 f) / n (Marriott & Pope 1954, Biometrika 41); its error is sqrt((1 - f^2) / n).
    """
    found = np.where(cuu > 0, cux / cuu, 0.0)
    found = np.minimum(found + (1 + 3 * found) / n, 1.0)
    found = np.minimum(np.maximum(found + np.sqrt((1 - found * found) / n), -0.98), 0.98)
    return np.where(np.isfinite(found), found, 0.0)


def _against(usual: Floats, residual: Floats) -> Floats:
    """Residuals `(r, f)` against those before, which they then join (Welford 1962): normal scores up to `CLIP`, 0 where unknown."""
    n, mean, squares = usual[..., 0], usual[..., 1], usual[..., 2]
    off = residual - mean
    t = off / np.sqrt(np.maximum(squares, 1e-300) * (1 + 1 / n) / (n - 2))
    z = np.minimum(np.maximum(normal_from_student(t, n - 2), -CLIP), CLIP)
    known = np.isfinite(off)
    if not known.all():
        off = np.where(known, off, 0.0)
    step = off / (n + 1)
    mean += step
    squares += off * (off - step)
    n += known
    return np.where(known & (n > 4), z, 0.0)


def _largest(x: Floats) -> Floats:
    """The largest known of each row, `(r, f)` to `(r,)`: for a few columns faster than a reduction."""
    found = x[:, 0].copy()
    for i in range(1, x.shape[1]):
        np.fmax(found, x[:, i], out=found)
    return found


def _means(x: Floats) -> Floats:
    """The mean of the finite samples, `(r, f, k)` to `(r, f)`; NaN where there is none."""
    mean = x.sum(axis=2) / x.shape[2]
    if np.isfinite(mean).all():
        return np.asarray(mean)
    known = np.isfinite(x)
    count = known.sum(axis=2)
    return np.asarray(np.where(known, x, 0.0).sum(axis=2) / np.where(count, count, np.nan))


def _quantiles(x: Floats, edges: Floats) -> None:
    """Where the cells of equal probability of the known samples `(r, f, k)` begin, in place, `(r, f, c)`."""
    cells = edges.shape[2]
    x = np.sort(x, axis=2)  # NaN comes last
    known = x.shape[2] - np.isnan(x).sum(axis=2)
    edges[..., 0] = -np.inf
    edges[..., 1:] = np.take_along_axis(x, (np.arange(1, cells) * known[..., None]) // cells, axis=2)


def _cells(x: Floats, edges: Floats) -> Floats:
    """How many of the samples `(r, f, k)` lie in each cell `(r, f, c)`; the unknown in none. Samples and cells go plane by plane."""
    x, edges = np.ascontiguousarray(x.transpose(2, 0, 1)), np.ascontiguousarray(edges.transpose(2, 0, 1))
    reached = (x >= edges[:, None]).view(np.uint8).sum(axis=1, dtype=np.uint8 if len(x) < 256 else np.int64)
    reached[:-1] -= reached[1:].copy()
    return np.ascontiguousarray(reached.transpose(1, 2, 0), dtype=np.float64)


def _shares(counts: Floats) -> Floats:
    """Shares of the cells, half a case added to each so that none is empty; counts are whole numbers, so their sum is exact."""
    total = np.einsum("...c->...", counts) + 0.5 * counts.shape[-1]
    return np.asarray((counts + 0.5) / total[..., None])


@cache
def _log_table(size: int) -> Floats:
    return np.asarray(np.log(np.arange(size) + 0.5))


def _logs(size: int) -> Floats:
    """ln(k + .5) for whole numbers k from 0 to at least `size` - 1: looking up is faster than taking logarithms."""
    return _log_table(1 << size.bit_length())


def _cuts(watchers: list[Any], z: Floats) -> Floats:
    found = np.zeros(z.shape)
    for i, (watcher, value) in enumerate(zip(watchers, z.ravel().tolist(), strict=True)):
        if np.isfinite(value):
            watcher.update(value)
            found.flat[i] = watcher.drift_detected
    return found


def cusum(walk: Floats, z: Floats, slack: float) -> Floats:
    """One step of both walks `(r, ..., 2)`, in place, and the higher of them: S = max(0, S + z - slack), and with -z (Page 1954)."""
    walk[..., 0] += z
    walk[..., 1] -= z
    walk -= slack
    np.maximum(walk, 0.0, out=walk)
    return np.maximum(walk[..., 0], walk[..., 1])


@cache
def cusum_limit(run_length: float, slack: float) -> float:
    """The limit at which a two-sided CUSUM of independent standard normals alarms every `run_length` steps.

    Siegmund (1985, Sequential Analysis, 2.5): one side has ARL (e^{2kb} - 2kb - 1) / (2 k^2) with b = h + 1.166, and two sides half of it.
    """
    low, high = 0.0, 1000.0
    for _ in range(80):
        h = (low + high) / 2
        twice = 2 * slack * (h + 1.166)
        arl = (np.exp(min(twice, 700.0)) - twice - 1) / (4 * slack * slack)
        low, high = (h, high) if arl < run_length else (low, h)
    return low


@cache
def run_length(limit: float, slack: float, shift: float = 0.0) -> float:
    """Steps to the first alarm, on average, of a two-sided CUSUM of independent normals of mean `shift` and variance 1.

    Brook & Evans (1972, Biometrika 59): one side is a Markov chain on a grid, here at the nodes of Gauss-Legendre quadrature
    (Goel & Wu 1971); both sides together have 1/ARL = 1/ARL+ + 1/ARL- (Kemp 1961). Raises InputError for a limit or slack not above 0.
    """
    if limit <= 0 or slack <= 0:
        raise InputError(f"limit and slack must be above 0, not {limit!r} and {slack!r}")
    rate = sum(1 / _one_side(limit, slack, side * shift) for side in (1, -1))
    return 1 / rate


def _one_side(h: float, k: float, shift: float) -> float:
    from scipy.special import ndtr

    node, weight = np.polynomial.legendre.leggauss(120)
    s, w = h * (node + 1) / 2, weight * h / 2
    to = np.append(0.0, s)  # from 0 and from each node ...
    step = s[None, :] - to[:, None] + k - shift  # ... to each node
    matrix = np.empty((len(to), len(to)))
    matrix[:, 1:] = np.exp(-(step**2) / 2) / np.sqrt(2 * np.pi) * w
    matrix[:, 0] = ndtr(k - shift - to)
    return float(np.linalg.solve(np.eye(len(to)) - matrix, np.ones(len(to)))[0])


def normal_from_student(t: Floats, freedom: Floats) -> Floats:
    """The standard normal number as rare as `t` of Student's distribution (Wallace 1959; within 0.02 from 4 degrees of freedom up)."""
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    return np.asarray(np.copysign(scale * np.sqrt(freedom * np.log1p(t * t / freedom)), t))


class Distances(NamedTuple):
    """How far two samples are apart, and the chance of more when both have one distribution and independent cases."""

    psi: float
    psi_chance: float
    ks: float
    ks_chance: float


def distances(reference: ArrayLike, recent: ArrayLike, bins: int = 10) -> Distances:
    """Population stability index in bins of equal probability and Kolmogorov-Smirnov distance of two samples `(n,)` and `(m,)`.

    Their chances come from the chi-squared null of the index over 1/n + 1/m, and from Kolmogorov's distribution, both for large
    samples. NaN is left out. Raises InputError where a sample has fewer cases than bins.
    """
    from scipy.special import chdtrc, kolmogorov

    a, b = (np.asarray(x, dtype=np.float64).ravel() for x in (reference, recent))
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    n, m = len(a), len(b)
    if min(n, m) < bins:
        raise InputError(f"samples of {n} and {m} cases are too few for {bins} bins")
    edges = np.empty((1, 1, bins))
    _quantiles(a[None, None], edges)
    p, q = (_shares(_cells(x[None, None], edges)) for x in (a, b))
    psi = float(((q - p) * np.log(q / p)).sum())
    both = np.concatenate([a, b])
    gap = np.searchsorted(a, both, side="right") / n - np.searchsorted(b, both, side="right") / m
    ks = float(np.abs(gap).max())
    chance = float(chdtrc(bins - 1, psi / (1 / n + 1 / m)))
    return Distances(psi, chance, ks, float(kolmogorov(ks * np.sqrt(n * m / (n + m)))))


class Moving(NamedTuple):
    """How far predictions and reality have moved from where they began, `(t,)` each in standard deviations, and who goes first.

    `difference` is predictions less reality. `lag` counts rows by which predictions follow reality (negative: reality
    follows), and `likeness` is the correlation of their movements at that lag.
    """

    predictions: Floats
    reality: Floats
    difference: Floats
    lag: int
    likeness: float


def moving(predictions: ArrayLike, reality: ArrayLike, window: int = 60) -> Moving:
    """Is the model or the world moving? Trailing means over `window` rows against those of the first `window` rows.

    Both series `(t,)` are on one clock and in one unit, and both drifts in the standard deviation of reality in the first window. The
    lag maximises the correlation of changes of the trailing means over half a window, up to a window either way. NaN
    rows are left out of means. Raises InputError where there are fewer than four windows or the series do not match.
    """
    p, y = np.asarray(predictions, dtype=np.float64), np.asarray(reality, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape:
        raise InputError(f"predictions and reality must be two series (t,), not of shapes {p.shape} and {y.shape}")
    if not 2 <= window <= len(p) // 4:
        raise InputError(f"window must be from 2 to a quarter of the {len(p)} rows, not {window!r}")
    scale = float(np.nanstd(y[:window])) or np.nan
    trails = [_trailing(x, window) for x in (p, y)]
    drift = [(x - x[window - 1]) / scale for x in trails]
    half = max(window // 2, 1)
    a, b = (x[window - 1 + half :] - x[window - 1 : -half] for x in trails)
    lags = range(-window, window + 1)
    alike = np.array(
        [_correlation(a[max(k, 0) : len(a) + min(k, 0)], b[max(-k, 0) : len(b) - max(k, 0)]) for k in lags]
    )
    if np.isnan(alike).all():
        return Moving(drift[0], drift[1], drift[0] - drift[1], 0, np.nan)
    best = int(np.nanargmax(alike))
    return Moving(drift[0], drift[1], drift[0] - drift[1], lags[best], float(alike[best]))


def _trailing(x: Floats, window: int) -> Floats:
    """Means of the known among the last `window` values, NaN before there are so many."""
    rows: Array = np.lib.stride_tricks.sliding_window_view(x, window)
    known = np.isfinite(rows)
    count = known.sum(axis=1)
    mean = np.where(known, rows, 0.0).sum(axis=1) / np.where(count, count, np.nan)
    return np.append(np.full(window - 1, np.nan), mean)


def _correlation(a: Floats, b: Floats) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 3:
        return np.nan
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else np.nan
