"""Shocks: what reality or operations throw at a run, for a while and for some models."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, final

from simlab.base.errors import InputError, did_you_mean

Where = Literal["features", "brain", "feedback", "evidence", "world"]

EFFECTS: dict[Where, tuple[str, ...]] = {
    "features": ("stale", "missing", "offset", "scaled"),
    "brain": ("frozen", "biased", "garbled", "down"),
    "feedback": ("lost", "delayed"),
    "evidence": ("poisoned", "shifted"),
    "world": ("set",),
}


@final
@dataclass(frozen=True)
class Shock:
    """One disturbance, from `start` for `duration` seconds (infinite: to the end).

    | where | effect | what happens |
    |---|---|---|
    | features | stale, missing, offset, scaled | models see the values of when it began; zeros; x + size; x * size |
    | brain | frozen, biased, down | retraining is skipped; predictions + size; the fallback acts |
    | brain | garbled | a bad push: numbers change their sign, shares are dealt in reverse, a choice becomes the next one |
    | feedback | lost, delayed | answers never come; answers come `size` seconds later |
    | evidence | poisoned, shifted | outcomes are learnt as `size`; as outcome + size |
    | world | set | the live parameters in `values` take these values |

    `models` are the models it concerns, or None for all (`frozen` concerns every brain that serves one of them).
    """

    name: str
    where: Where
    effect: str
    start: float = 0.0
    duration: float = math.inf
    size: float = 0.0
    models: tuple[int, ...] | None = None
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS[self.where]:
            raise InputError(
                f"shock `{self.name}`: unknown effect `{self.effect}` on {self.where}; {did_you_mean(self.effect, EFFECTS[self.where])}"
            )
        if not (0 <= self.start < math.inf and self.duration > 0):
            raise InputError(
                f"shock `{self.name}`: start must be at least 0 s and finite, and duration above 0 s, not {self.start} and {self.duration}"
            )
