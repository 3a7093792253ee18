"""Performative prediction: people act on what the models say, and what people do is part of what the models are asked to foresee.

Perdomo, Zrnic, Mendler-Duenner & Hardt (2020), "Performative prediction", ICML: a location family, theta' = m + eps theta + noise.
Each of several models serves a market of its own. Of its agents a share listens: a listener acts trust x prediction + (1 - trust)
x belief, the others act on their belief alone, all within bounds. The outcome of a market is its fundamental, plus `response` times the
mean act there, plus `cross` times the mean act in the other markets: the cross effects of Narang, Faulkner, Drusvyatskiy, Fazel &
Ratliff (2023), "Multiplayer performative prediction", JMLR 24. With q = listening x trust, a model's prediction moves its own outcome by
response q and the others' together by cross q, so all models together have the loop gain eps = (response + cross) q, as long as
no act is clipped.

Everything is counted from what is usual, so m = base is 0 until something happens. Beliefs know what is usual and nothing else, do not
learn, and err independently at every tick. Users pay for the distance between their acts and the fundamental, which is welfare
in Morris & Shin (2002), "Social value of public information", American Economic Review 92. A view reads the conditions of its
model's market with an error of its own, of the same law in every view. Beliefs are bulk noise (none beyond 4.4 standard
deviations), and they and acts are in single precision; everything else is exactly normal, and in double. A tick is one round of
publishing, acting and seeing what came of it; nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.kernels import blocks, normals, one_factor, uncopied
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.sums import sum_and_square
from simlab.base.world import Action, Feedback, Measure, Spec, World

SINGLE = np.dtype(np.float32)  # precision of beliefs and acts: half the memory, of which there is most
REACH = 4.5  # no number of bulk noise is larger


class Tally(NamedTuple):
    """Sums over the ticks so far, each `(r,)`."""

    ticks: Floats
    loss: Floats  # mean squared distance of acts from the fundamental
    both: Floats  # self-made movement times movement
    square: Floats  # movement squared


class Markets(NamedTuple):
    """The state: one number a market, `(r, m)`, and one an agent, `(r, m, n)`, where said."""

    conditions: Floats  # what the fundamental depends on, beside the base: standard normal
    error: Floats  # of each view, standard normal
    belief: Array  # (r, m, n) of each agent, standard normal: in which of its cells
    acts: Array  # (r, m, n) single precision, written by `act`
    said: Floats  # what agents were told at this tick, NaN before anybody was
    moved: Floats  # (r,) what the acts added to the outcome, average of the markets
    act: Floats  # (r,) mean act
    theta: Floats  # (r,) expected outcome: the fundamental and what the acts added, average of the markets
    gap: Floats  # (r,) between expected outcomes and what was said of them
    total: Tally


@final
@dataclass(frozen=True)
class Performative(World[Markets]):
    """Markets whose outcome moves with what their agents do, each with a model that foretells it and is listened to."""

    models: Annotated[int, Par("1", "models, each with a market of its own", low=1)] = 8
    agents: Annotated[int, Par("1", "agents in a market", low=1)] = 125
    step_time: Annotated[float, Par("s", "time between two predictions", above=0)] = 10.0
    base: Annotated[float, Par("1", "outcome when nobody acts and conditions are usual: m", live=True)] = 0.0
    response: Annotated[float, Par("1", "change of a market's outcome with its own mean act", live=True)] = 0.75
    cross: Annotated[float, Par("1", "change of a market's outcome with the mean act in the others")] = 0.75
    listening: Annotated[float, Par("1", "share of the agents who listen to their market's model", low=0, high=1)] = 0.8
    trust: Annotated[float, Par("1", "weight of the prediction in a listener's act", low=0, high=1, live=True)] = 0.5
    spread: Annotated[float, Par("1", "standard deviation of beliefs", low=0)] = 1.0
    bound: Annotated[float, Par("1", "largest act, either way", above=0)] = 10.0
    context: Annotated[float, Par("1", "change of the outcome with a standard deviation of the conditions")] = 0.5
    alike: Annotated[
        float, Par("1", "share of the conditions' variance that markets have in common", low=0, high=1)
    ] = 1.0
    error: Annotated[float, Par("1", "error of a view, in standard deviations of the conditions", low=0)] = 1.0
    noise: Annotated[float, Par("1", "standard deviation of an outcome that nothing explains", low=0)] = 1.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "moved": Measure("1", "what the acts added to the outcome, average of the markets", "higher", bound=1e6),
        "act": Measure("1", "mean act: behaviour"),
        "theta": Measure("1", "expected outcome, average of the markets: environment", bound=1e6),
        "gap": Measure(
            "1",
            "expected outcome less prediction, root mean square over markets: from what was learnt to what is met",
            "higher",
            may_be_undefined=True,
        ),
        "self_made": Measure(
            "1",
            "share of the movement so far that acts made: its regression on the whole",
            "higher",
            may_be_undefined=True,
        ),
        "said": Measure("1", "mean prediction: how far learning has changed it", may_be_undefined=True),
        "loss": Measure("1", "what users lost so far: mean square of act less fundamental", "higher"),
    }

    @property
    def spec(self) -> Spec:
        """Each model foretells the outcome of its market, from a 1 (for the level) and the conditions as its view reads them."""
        return Spec(models=self.models, views=self.models, features=2)

    @property
    def tick(self) -> float:
        """Seconds between predictions."""
        return self.step_time

    @property
    def gain(self) -> tuple[float, float]:
        """How far an outcome moves with its own model's prediction and, per unit, with that of all others: they add up to eps."""
        q = self.trust * self._listeners / self.agents
        return self.response * q, self.cross * q * (self.models > 1)

    def start(self, luck: Luck) -> Markets:
        """Business as usual; nobody has been told anything."""
        shape = luck.replications, self.models
        news, acts, nobody = self._news(luck), np.zeros((*shape, self.agents), SINGLE), np.full(shape, np.nan)
        nothing, unknown = np.zeros(shape[0]), np.full(shape[0], np.nan)
        theta = self.base + self.context * news[0].mean(axis=1)
        return Markets(*news, acts, nobody, nothing, nothing, theta, unknown, _none(shape[0]))

    def settle(self, state: Markets) -> Markets:
        """Sums begin anew."""
        return state._replace(total=_none(len(state.act)))

    def observe(self, state: Markets) -> Floats:
        """`(r, m, 2)`: 1, and the conditions with the view's error."""
        x = np.ones((2, *state.conditions.shape))  # a feature of all models lies together
        np.multiply(state.error, self.error, out=x[1])
        x[1] += state.conditions
        return x.transpose(1, 2, 0)

    def act(self, state: Markets, said: Array, luck: Luck) -> Action:
        """What each agent does, `(r, m, n)`, given what the models `said` `(r, m)`."""
        pull, listeners = (self.trust * said[..., None]).astype(SINGLE), slice(self._listeners)
        weight = np.full(self.agents, self.spread, SINGLE)
        weight[listeners] *= 1 - self.trust
        with uncopied():
            for rows in blocks(len(said), self.models * self.agents):
                acts = normals(state.belief[rows], out=state.acts[rows])
                acts *= weight
                listening = acts[..., listeners]
                np.add(listening, pull[rows], out=listening)
        if not np.abs(pull).max() + REACH * self.spread <= self.bound:  # else no act can be out of bounds
            self._bounded(state.acts)
        state.said[:] = said
        return Action(state.acts)

    def fallback(self, state: Markets, luck: Luck) -> Array:
        """Without a model everybody acts on their belief, `(r, m, n)`."""
        acts = normals(state.belief, out=np.empty(state.belief.shape, SINGLE))
        acts *= self.spread
        return self._bounded(acts)

    def step(self, state: Markets, action: Action, luck: Luck) -> tuple[Markets, Feedback]:
        """Outcomes follow the fundamental and the mean acts; what they are `(r, m)` is seen at once."""
        s, total = state, state.total
        mean, square = sum_and_square(action.value)
        mean /= self.agents
        square /= self.agents
        others = (mean.sum(axis=1, keepdims=True) - mean) / max(self.models - 1, 1)
        fundamental = self.base + self.context * s.conditions
        moved = self.response * mean + self.cross * others
        theta = fundamental + moved
        outcome = theta + self.noise * luck.normal("noise", theta.shape)
        loss = square - 2 * fundamental * mean + fundamental**2
        made, act, whole, gap, loss = np.mean([moved, mean, theta, (theta - s.said) ** 2, loss], axis=2)
        sums = Tally(total.ticks + 1, total.loss + loss, total.both + made * whole, total.square + whole**2)
        then = Markets(*self._news(luck), s.acts, s.said, made, act, whole, np.sqrt(gap), sums)
        return then, Feedback(outcome)

    def measure(self, state: Markets) -> dict[str, Floats]:
        """The measures now; a share of no movement is undefined, and so is what depends on predictions where nobody is told any."""
        s, t = state, state.total
        share, loss = t.both / np.where(t.square > 0, t.square, np.nan), t.loss / np.maximum(t.ticks, 1)
        now = {"self_made": share, "said": s.said.mean(axis=1), "loss": loss}
        return {name: now[name] if name in now else getattr(s, name) for name in self.measures}

    @property
    def _listeners(self) -> int:
        """Listeners in a market: its first agents."""
        return round(self.listening * self.agents)

    def _news(self, luck: Luck) -> tuple[Floats, Floats, Array]:
        """Conditions, errors of the views and beliefs of the next tick. Beliefs are left where they were drawn, until the next draw."""
        shape = luck.replications, self.models
        common, own = luck.normal("weather", shape[:1])[:, None], luck.normal("conditions", shape)
        conditions = one_factor(common, own, self.alike)
        return conditions, luck.normal("view error", shape).copy(), luck.cells("belief", (*shape, self.agents))

    def _bounded(self, acts: Array) -> Array:
        """Acts within bounds, in place."""
        np.maximum(acts, -self.bound, out=acts)
        return np.minimum(acts, self.bound, out=acts)


def _none(r: int) -> Tally:
    return Tally(*(np.zeros(r) for _ in Tally._fields))
