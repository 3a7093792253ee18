"""One hand on the stage: a moment made by hand, and runs of toy worlds in which it acts."""

from __future__ import annotations

import numpy as np

from simlab.interventions.intervention import Moment
from simlab.lab.cohort import play
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trigger
from tests.lab.toy import Choices, Mean, Picks, Toy, trial

SAYS_ONE = {"brains": (Mean(prior=1.0),)}


def moment(r, m, fallback=None, *, world=None, tick=0, since=0, state=None, doubt=None, kept=None, seed=1):
    """A moment of `r` replications and `m` models, on since tick `since` and for long."""
    luck = Streams(seed, range(r))
    luck.clock.row = tick
    on = np.full((r, m), since)
    kept = {} if kept is None else kept
    world = Toy() if world is None else world
    return Moment(world, state, luck, tick, lambda: fallback, on, on + 10**6, luck.fixed(), kept, lambda: doubt)


def always(intervention, models=None, **trigger):
    return Hand("hand", intervention, Trigger(**({"at": 0.0} | trigger)), models)


def told(set_up, stage="act", seed=0, n=4):
    """What a stage of the loop showed, `(ticks, r, m, ...)`, of the first `n` replications or those listed."""
    seen = []
    play(
        set_up,
        seed,
        range(n) if isinstance(n, int) else n,
        lambda _, at, value: seen.append(value.copy()) if at == stage else None,
    )
    return np.array(seen)


def numbers(hands=(), **given):
    """A run of the toy world that asks for numbers; its brains say 1 and its fallback does 0."""
    return trial(given.pop("world", None) or Toy(noise=0.0), hands=hands, **(SAYS_ONE | given))


def choices(hands=(), **given):
    """A run of the toy world that asks for choices; its brains pick 2 and its fallback 0."""
    return trial(given.pop("world", None) or Choices(), hands=hands, **({"brains": (Picks(2),)} | given))
