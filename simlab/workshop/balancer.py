"""Exercise 1: a learning load balancer. It is looked at by itself, and then played in the world `load_balancer`.

The answer is a class:

    __init__(rates, rng, explore=0.1, step=0.05)   rates in 1/s; rng.random() is uniform on [0, 1)
    choose() -> int                                a backend, from 0
    learn(backend, latency, failed)                seconds, and whether it failed
    kill(), revive()                               from now on by nominal rates alone; and back
    latency, errors                                a moving average for each backend

Shares are judged at 4.5 standard errors, so that a right answer fails one look in about 150,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Ints
from simlab.base.luck import Luck
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain
from simlab.lab.cohort import play
from simlab.lab.streams import generator
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.workshop.finding import Look, hidden

RATES = (160.0, 80.0, 80.0, 40.0, 120.0, 20.0)
TRIES = 4000
SIGMAS = 4.5
EXPLOITS = 0.5  # of the choices go at least to what looks best; nine tenths should
LEARNT = 5  # the slowest by its rate
OTHER = 0.02  # seconds that answers take where errors are looked at
PLAYED = 3  # replications in the world, whose backends have these nominal rates
PLAYED_RATES = (160.0, 160.0, 80.0, 80.0, 80.0, 80.0, 40.0, 40.0)
MOST = 0.01  # may fail when played; all alike 1/8 of the requests would meet 12 s in 60 of 50% errors: 1.25%, and 0.1% everywhere

MAKES = "MyBalancer(rates, rng, explore=0.1, step=0.05)"

EXAMPLE = "with step 0.05, what was 0.2 becomes 0.21 when 0.4 comes, and 0.19 when 0 comes"

Made = Callable[..., Any]
Seen = tuple[str, str] | None


def looks(make: Made) -> list[Look]:
    """What is looked at, in the order in which it is best mended."""

    def look(what: str, call: str, at: Callable[[Made], Seen]) -> Look:
        return Look(what, lambda: at(make), call)

    return [
        look("it keeps a moving average of latencies", f"{MAKES}.learn(backend, 0.02, False)", _averages_latency),
        look("it keeps a moving average of errors", f"{MAKES}.learn(backend, 0.02, True)", _averages_errors),
        look("it explores with its chance and exploits the rest", f"{MAKES}.choose()", _explores),
        look("it leaves a backend that fails fast", "balancer.learn(backend, 0.001, True)", _minds_errors),
        look("it follows a backend that degrades", "balancer.learn(backend, 0.6, False)", _follows),
        look("its kill switch sends by nominal rates alone", "balancer.kill(); balancer.choose()", _killed),
        look("it comes back, and has gone on learning", "balancer.revive(); balancer.choose()", _revived),
        look("played: it gets requests through errors and a degradation", "check(1, MyBalancer)", _played),
    ]


def _explores(make: Made) -> Seen:
    k, best = len(RATES), 2
    for explore in (0.1, 0.3):
        share = _shares(_told(make, 1, best, explore=explore), k)
        if int(share.argmax()) != best:
            seen = f"of {TRIES} choices {share[best]:.0%} went to the backend with the lowest latency, which has number {best}"
            if share[best + 1] > EXPLOITS:
                return seen, f"{share[best + 1]:.0%} went to the one after it: the first backend has number 0"
            return (
                seen,
                "exploit: what looks best is the backend whose moving averages, of latency and of errors, are lowest",
            )
        low, high = explore * (k - 1) / k, explore  # among all, or among the others
        other, slack = 1 - float(share[best]), SIGMAS * math.sqrt(explore * (1 - explore) / TRIES)
        if not low - slack <= other <= high + slack:
            seen = f"with explore={explore} {other:.1%} of {TRIES} choices went elsewhere than to the best; {low:.1%} to {high:.0%} should"
            return seen, _misexplored(explore, other)
        if float(share.min()) < explore / k / 3:
            return (
                f"backend {int(share.argmin())} got {share.min():.2%} of the choices",
                "explore all backends alike, the best guess and the worst",
            )
    if _choices(_told(make, 1, best), k, 200) != _choices(_told(make, 1, best), k, 200):
        return (
            "two that were made alike, and told alike, choose differently",
            "take all your luck from `self.rng`: whoever cannot play an incident again cannot debug it",
        )
    return None


def _misexplored(explore: float, other: float) -> str:
    """What a wrong share of exploring looks like."""
    k = len(RATES)
    if explore != 0.1:
        return "it does not use the `explore` that it was made with"
    if other == 0:
        return "nothing is explored once all were tried; throw the dice for each choice anew, with the chance `explore`"
    if math.isclose(other, (1 - explore) * (k - 1) / k, rel_tol=0.05):
        return "the chance is the wrong way round: it explores where it should exploit"
    return "throw the dice once for each choice; if it is not to explore, take the best, and draw no more"


def _averages_latency(make: Made) -> Seen:
    return _average(make, "latency", generator(hidden(1, 2), 0, "latency").lognormal(-3.0, 1.0, 400))


def _averages_errors(make: Made) -> Seen:
    return _average(make, "errors", (generator(hidden(1, 3), 0, "errors").random(400) < 0.3) * 1.0)


def _average(make: Made, name: str, values: Array) -> Seen:
    """Hold what is kept of a sequence against x <- x + step (value - x)."""
    for step in (0.05, 0.15):
        told, at = _made(make, 4, step=step), 3
        before, kept = _kept(told, name), []
        for value in values.tolist():
            told.learn(at, *((value, False) if name == "latency" else (OTHER, bool(value))))
            kept.append(_kept(told, name))
        one, right = np.array(kept)[:, at], _moving(values, step)
        if not math.isclose(one[-1], right[-1], rel_tol=1e-3):
            seen = f"after {len(values)} answers self.{name}[{at}] is {one[-1]:.4g}, and should be {right[-1]:.4g}"
            return seen, f"{_diagnosis(one, values, float(before[at]), step)}; {EXAMPLE}"
        others = np.arange(len(before)) != at
        if not np.allclose(kept[-1][others], before[others], equal_nan=True):
            return f"answers of backend {at} changed self.{name} of others", "move only what was answered"
    return None


def _moving(values: Array, step: float) -> Array:
    """The moving average of a sequence after each of its values, from 0."""
    x, kept = 0.0, []
    for value in values.tolist():
        x += step * (value - x)
        kept.append(x)
    return np.array(kept)


def _diagnosis(one: Array, values: Array, before: float, step: float) -> str:
    """What a wrong average looks like, by all that it was and not only by where it ended."""
    if not np.isfinite(one).all():
        return f"it is {one[-1]:g}, and no answer moves that: begin at a number, or at the first answer"
    count = np.arange(1, len(values) + 1)
    known = (
        (np.full(len(values), before), "it is not updated"),
        (values.cumsum() / count, "it is the mean of all answers, which forgets nothing"),
        (values.cumsum(), "it is a sum"),
        (values, "it is the last answer alone"),
        (_moving(values, 1 - step), "the weights are the wrong way round"),
        (_moving(values, 0.05), "it does not use the `step` it was made with"),
        (_moving(values, step) / step, "what came is added whole, and not `step` of it"),
        (_moving(1 - values, step), "it counts successes, and not errors"),
        (_moving(np.full(len(values), OTHER), step), "it averages latencies, and not errors"),
    )
    late = slice(len(values) // 2, None)  # wherever it began
    return next(
        (said for x, said in known if np.allclose(one[late], x[late], rtol=1e-3, atol=1e-6)),
        _shape(one, values),
    )


def _shape(one: Array, values: Array) -> str:
    """What can be said of an average that is none of those which are known."""
    if set(values.tolist()) == {0.0, 1.0} and (np.diff(one) >= 0).all():
        return "it never falls: an answer without an error counts too, as 0"
    return "it is no average with that step"


def _minds_errors(make: Made) -> Seen:
    k, quick = len(RATES), 4
    told, luck = _made(make, 5), generator(hidden(1, 5), 0, "answers")
    for _ in range(150):
        for backend in range(k):
            bad = backend == quick and luck.random() < 0.6
            told.learn(backend, (0.001 if backend == quick else 0.05) * (0.5 + luck.random()), bad)
    shares = _shares(told, k)
    share = float(shares[quick])
    if float(shares.max()) < EXPLOITS:
        return _undecided(shares)
    if share > 0.2:
        return (
            f"{share:.0%} of the choices go to a backend that answers in 1 ms, and 60% of whose answers are errors",
            "an error comes back in a millisecond: say in seconds what one costs, and count it in; the deadline is 1 s",
        )
    return None


def _undecided(shares: Array) -> Seen:
    return (
        f"no backend gets more than {shares.max():.0%} of the choices",
        "unless it explores it is to choose the backend that looks best; of several that look the same, one",
    )


def _follows(make: Made) -> Seen:
    k, best = len(RATES), 1
    told = _told(make, 6, best, rounds=1500)
    for _ in range(100):
        told.learn(best, 0.6, False)
    shares = _shares(told, k)
    share = float(shares[best])
    if float(shares.max()) < EXPLOITS:
        return _undecided(shares)
    if share > 0.2:
        return (
            f"after 100 answers of 0.6 s, where others take 0.1 s, {share:.0%} of the choices still go there",
            "choose by the moving averages, which forget; not by a mean of all answers, or by counts",
        )
    return None


def _killed(make: Made) -> Seen:
    share, want = _when_killed(make, 2), np.array(RATES) / sum(RATES)
    if (worst := _off_rates(share)) is None:
        return None
    seen = f"after kill() backend {worst} gets {share[worst]:.1%}; by its rate it would be {want[worst]:.1%}"
    if _off_rates(_when_killed(make, 1)) is None:
        return (
            f"{seen}, when kill() was called twice",
            "kill() twice is as good as once: it switches off, and never back on",
        )
    if int(share.argmax()) == LEARNT:
        return (
            seen,
            "what was learnt still decides: look first whether it is killed, before anything is explored or compared",
        )
    if np.allclose(share, 1 / len(RATES), atol=0.03):
        return seen, "all alike floods the slow ones; deal in proportion to `self.rates`"
    if share.max() > 0.99:
        return seen, "one backend cannot take what all of them share; deal in proportion to `self.rates`"
    return seen, "each is to get its part of the sum of `self.rates`, and nothing that was learnt, or explored, counts"


def _when_killed(make: Made, times: int) -> Array:
    """The shares after kill() was called so many times; what looked best is the slowest by its rate."""
    told = _told(make, 7, LEARNT)
    for _ in range(times):
        told.kill()
    return _shares(told, len(RATES))


def _off_rates(share: Array) -> int | None:
    """The backend that is furthest from its nominal part, or None where all are near."""
    want = np.array(RATES) / sum(RATES)
    off = np.abs(share - want) / np.sqrt(want * (1 - want) / TRIES)
    worst = int(off.argmax())
    return worst if off[worst] > SIGMAS else None


def _revived(make: Made) -> Seen:
    old, new = 2, 4
    told = _told(make, 8, old)
    told.kill()
    told.kill()
    for _ in range(200):
        told.learn(old, 0.5, False)
        told.learn(new, 0.005, False)
    told.revive()
    share = _shares(told, len(RATES))
    if share[new] > 0.8:
        return None
    if share[old] > 0.8:
        return (
            "after revive() it goes where it went before",
            "go on learning while killed: learn() does not ask whether it is",
        )
    seen = f"after revive() {share[new]:.0%} go to the backend that became the fastest meanwhile"
    if _off_rates(share) is None:
        return seen, "it still deals by nominal rates: revive() ends what kill() began"
    if share.max() < EXPLOITS:
        return _undecided(share)
    return seen, "neither kill() nor revive() touches what was learnt; and see what is above"


def _played(make: Made) -> Seen:
    arms = {arm.name: arm.trial for arm in load("load_balancer_exercise").arms}
    numbers, seed = range(PLAYED), hidden(1, 9)
    own: Trial = replace(arms["exercise"], brains=(pupil(make),), hands=(), instruments=())
    outcome = play(own, seed, numbers)
    for trace in outcome.failed.values():
        return trace.strip().splitlines()[-1], "so it ended; mend what is above first"
    failed = float(outcome.measures["failed"].mean())
    if failed <= MOST:
        return None
    weights = float(play(replace(arms["static"], instruments=()), seed, numbers).measures["failed"].mean())
    return (
        f"{failed:.2%} of the requests erred or came late; at most {MOST:.0%} should, and by fixed weights it is {weights:.1%}",
        "mend what is above first; then look at it yourself: 16 of yours send to 8 backends, one of which first errs and then degrades",
    )


def _made(make: Made, number: int, explore: float = 0.1, step: float = 0.05) -> Any:
    return make(list(RATES), generator(hidden(1, number), 0, "pupil"), explore=explore, step=step)


def _told(make: Made, number: int, best: int, rounds: int = 150, explore: float = 0.1) -> Any:
    """A balancer that has learnt that one backend takes 20 ms and the others 100."""
    told, luck = _made(make, number, explore), generator(hidden(1, number), 1, "answers")
    for noise in luck.random((rounds, len(RATES))):
        for backend, u in enumerate(noise.tolist()):
            told.learn(backend, (0.02 if backend == best else 0.1) * (0.75 + 0.5 * u), False)
    return told


def _shares(told: Any, k: int, tries: int = TRIES) -> Array:
    """The share of choices that each backend gets, nothing being learnt. Raises ValueError for what is no backend."""
    return np.bincount(_choices(told, k, tries), minlength=k) / tries


def _choices(told: Any, k: int, tries: int) -> list[int]:
    """The backends that are chosen, nothing being learnt. Raises ValueError for what is no backend."""
    return [_backend(told.choose(), k) for _ in range(tries)]


def _backend(chosen: Any, k: int) -> int:
    if isinstance(chosen, bool) or not isinstance(chosen, int | np.integer) or not 0 <= chosen < k:
        raise ValueError(f"choose() must return a whole number from 0 to {k - 1}, not {chosen!r}")
    return int(chosen)


def _kept(told: Any, name: str) -> Array:
    kept, k = getattr(told, name), len(RATES)
    if len(kept) != k:
        raise ValueError(f"self.{name} must hold a number for each of {k} backends, not {len(kept)} of them")
    return np.array([math.nan if kept[i] is None else kept[i] for i in range(k)], dtype=np.float64)


class Minds(NamedTuple):
    """A pupil's balancers, one for each replication and brain, each with its own luck."""

    own: list[list[Any]]


def pupil(make: Made) -> Brain[Minds]:
    """A brain that asks balancers of a class, one after the other and slowly; for a few replications."""

    @final
    @dataclass(frozen=True)
    class Pupil(Brain[Minds]):
        answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
        online: ClassVar[bool] = True

        def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Minds:
            seeds = (luck.uniform("pupil", (r, b)) * 2**32).astype(np.int64)
            return Minds(
                [[make(list(PLAYED_RATES), generator(seed, 0, "pupil")) for seed in row] for row in seeds.tolist()]
            )

        def predict(self, mind: Minds, x: Array, luck: Luck) -> Ints:
            r, b, *rest, k = x.shape
            each = math.prod(rest)
            chosen = [[[_backend(own.choose(), k) for _ in range(each)] for own in row] for row in mind.own]
            return np.array(chosen, dtype=np.int64).reshape(r, b, *rest)

        def witness(self, mind: Minds, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
            y = feedback.outcome
            n = np.ones(y.shape) if feedback.weight is None else feedback.weight
            bad = np.zeros(y.shape, dtype=bool) if feedback.censored is None else feedback.censored
            about = np.broadcast_to(action, y.shape)
            for at in zip(*np.nonzero(n), strict=True):
                own = mind.own[at[0]][at[1]]
                for _ in range(int(n[at])):
                    own.learn(int(about[at]), float(y[at]), bool(bad[at]))

    return Pupil()
