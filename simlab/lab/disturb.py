"""What the shocks that are on do to one turn of the loop. With none on, everything passes untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np

from simlab.base.arrays import Array, Bools
from simlab.base.world import Action, Feedback, Spec
from simlab.brains.topology import Topology
from simlab.lab.shocks import Shock


@final
class Disturbances:
    """The shocks that are on now, for one cohort of a world with this `spec`."""

    def __init__(self, spec: Spec) -> None:
        self.m, self._spec = spec.models, spec
        self.on: list[Shock] = []
        self._held: dict[str, Array] = {}
        self._ticks: dict[str, int] = {}
        self._late: dict[int, deque[tuple[Array, Action, Feedback]]] = {}

    def begin(self, shock: Shock, x: Array, ticks: int) -> None:
        """Switch a shock on; `x` is what is seen now, `ticks` its size as a delay."""
        self.on.append(shock)
        self._ticks[shock.name] = ticks
        if shock.effect == "stale":
            self._held[shock.name] = x.copy()

    def end(self, shock: Shock, x: Array, ticks: int) -> None:
        """Switch a shock off."""
        self.on.remove(shock)
        self._held.pop(shock.name, None)

    def world_values(self) -> dict[str, Any]:
        """The live parameters as the shocks that are on set them; the latest wins."""
        return {name: value for shock in self.on if shock.where == "world" for name, value in shock.values.items()}

    def frozen(self, topology: Topology) -> Bools:
        """Which brains `(b,)` do not retrain now."""
        asleep = np.zeros(topology.brains, dtype=bool)
        for shock in self._of("brain", "frozen"):
            asleep[[topology.brain_of[m] for m in np.flatnonzero(self._mask(shock))]] = True
        return asleep

    def features(self, x: Array) -> Array:
        """The features as they arrive: stale, missing, offset or scaled."""
        for shock in self._of("features"):
            mask = self._mask(shock).reshape(1, self.m, *(1,) * (x.ndim - 2))
            if shock.effect == "stale":
                seen = self._held[shock.name]
            elif shock.effect == "missing":
                seen = np.zeros_like(x)
            else:
                seen = x + shock.size if shock.effect == "offset" else x * shock.size
            x = seen if mask.all() else np.where(mask, seen, x)
        return x

    def prediction(self, said: Array) -> Array:
        """The predictions as they are served: garbled, biased."""
        for shock in self._of("brain", "garbled"):
            mask = self._mask(shock).reshape(1, self.m, *(1,) * (said.ndim - 2))
            said = np.where(mask, self._garbled(said), said)
        for shock in self._of("brain", "biased"):
            said = said + shock.size * self._mask(shock).reshape(1, self.m, *(1,) * (said.ndim - 2))
        return said

    def _garbled(self, said: Array) -> Array:
        if self._spec.asks == "choice":
            return (said + 1) % self._spec.choices
        return said[..., ::-1] if self._spec.asks == "shares" else -said

    def action(self, action: Action, fallback: Callable[[], Array]) -> Action:
        """What is done where a brain is down: the world's plain rule, whose propensity is unknown (NaN)."""
        for shock in self._of("brain", "down"):
            mask = self._mask(shock).reshape(1, self.m, *(1,) * (action.value.ndim - 2))
            chance = None if action.chance is None else np.where(mask, np.nan, action.chance)
            action = Action(np.where(mask, fallback(), action.value), chance)
        return action

    def feedback(
        self, tick: int, x: Array, action: Action, feedback: Feedback
    ) -> Iterator[tuple[Array, Action, Feedback]]:
        """What is learnt at this tick: (asked, done, answered), less what is lost, plus what was delayed until now."""
        for shock in self._of("evidence"):
            wrong = feedback.outcome * 0 + shock.size if shock.effect == "poisoned" else feedback.outcome + shock.size
            feedback = feedback._replace(outcome=np.where(self._over(shock, wrong), wrong, feedback.outcome))
        for shock in self._of("feedback"):
            weight = np.ones_like(feedback.outcome, dtype=float) if feedback.weight is None else feedback.weight
            mask = self._over(shock, weight)
            if shock.effect == "delayed":
                later = feedback._replace(weight=weight * mask)
                copied = Feedback(*(None if part is None else part.copy() for part in later))  # type: ignore[arg-type]
                due = tick + self._ticks[shock.name]
                self._late.setdefault(due, deque()).append((x.copy(), Action(action.value.copy()), copied))
            left = (
                np.broadcast_to(0.0, weight.shape) if mask.all() else weight * ~mask
            )  # told alike, nothing need be added up
            feedback = feedback._replace(weight=left)
        yield x, action, feedback
        yield from self._late.pop(tick, ())

    def _of(self, where: str, effect: str | None = None) -> list[Shock]:
        return [s for s in self.on if s.where == where and effect in (None, s.effect)] if self.on else []

    def _mask(self, shock: Shock) -> Bools:
        mask = np.zeros(self.m, dtype=bool)
        mask[list(shock.models) if shock.models is not None else slice(None)] = True
        return mask

    def _over(self, shock: Shock, like: Array) -> Bools:
        return np.asarray(self._mask(shock).reshape(1, self.m, *(1,) * (like.ndim - 2)))
