"""The one loop: observe, predict, act, react, learn. Pure NumPy; it needs no calendar.

Everything that is the same in every world happens here, once: wiring, seams, shocks, the open-loop control, harm,
divergence, scoring and recording. The conductor decides when the rare things happen and runs this in blocks between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.kernels import keep_heap
from simlab.base.world import LARGEST, Action, Feedback, Measure
from simlab.interventions.intervention import Moment, Upstream, weighed
from simlab.lab.cast import assemble
from simlab.lab.disturb import Disturbances
from simlab.lab.outcome import Event
from simlab.lab.score import Score
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial
from simlab.lab.watch import Turn, Watch, subject

Tap = Callable[[int, str, Any], None]
"""Told tick, stage and what it gave, which is read at once: worlds write over it, and measures are worked out when they are read."""
_NEVER = np.iinfo(np.int64).max


@final
class Switch:
    """One hand in one cohort: from which tick to which it is on, `(r, m)`."""

    def __init__(self, hand: Hand, r: int, models: int, luck: Streams) -> None:
        self.hand, self.luck = hand, luck
        self.fixed, self.kept = luck.fixed(), dict[str, Array]()
        self.since: Ints = np.full((r, models), _NEVER)
        self.until: Ints = np.full((r, models), _NEVER)
        self.first, self.last = _NEVER, -_NEVER
        mask = np.zeros(models, dtype=bool)
        mask[list(hand.models) if hand.models is not None else slice(None)] = True
        self.models = mask

    def arm(self, rows: Ints, since: Ints, lasts: int) -> None:
        """Be on in replications `rows` `(k,)` from ticks `since` `(k,)` for `lasts` ticks."""
        cells = np.ix_(rows, self.models)
        self.since[cells] = since[:, None]
        self.until[cells] = np.where(since[:, None] > _NEVER - lasts, _NEVER, since[:, None] + lasts)
        self.first, self.last = int(self.since.min()), int(self.until[self.since < _NEVER].max())

    def on(self, tick: int) -> Bools | None:
        """Where the hand is on at `tick`, or None where it is nowhere."""
        if not self.first <= tick < self.last:
            return None
        return np.asarray((self.since <= tick) & (tick < self.until))


At = Callable[[Switch], Moment]


@final
class Loop:
    """A cohort in the middle of a run: the world's state, the casts of brains, and what was recorded."""

    def __init__(self, trial: Trial, luck: Streams, tap: Tap | None = None) -> None:
        keep_heap()
        self.trial, self.luck, self.tap = trial, luck, tap
        self._traced = {trace.parameter: trace.values[0] for trace in trial.traces}
        self.world = replace(trial.world, **self._traced) if self._traced else trial.world  # type: ignore[type-var]
        self.r, self.m = luck.replications, trial.topology.models
        self.warmup = trial.ticks(trial.warmup)
        self.tick = -self.warmup
        self.horizon, self.stride = trial.ticks(trial.horizon), trial.ticks(trial.stride)
        self._looks = (
            trial.ticks(trial.harm.scrape) if trial.harm and trial.harm.scrape else 1
        )  # ticks between two at harm
        self.state = self.world.start(luck)
        self.casts = assemble(trial.brains, trial.topology, self.world.spec, self.r, luck)
        self._cast_of, self._place_in_cast = np.zeros((2, trial.topology.brains), dtype=np.int64)
        for number, cast in enumerate(self.casts):
            self._cast_of[cast.ids], self._place_in_cast[cast.ids] = number, np.arange(len(cast.ids))
        self.switches = [Switch(h, self.r, self.m, luck.named(f"hand {h.name}")) for h in trial.hands]
        self.disturbances = Disturbances(self.world.spec)
        self.score = Score(self.r, self.world.spec)
        self.events: list[Event] = []
        self.harmed: Bools = np.zeros(self.r, dtype=bool)
        self.diverged: Floats = np.full(self.r, np.nan)
        self.declared: dict[str, Measure] = trial.measures
        self.times = trial.times()
        self.series: dict[str, NDArray[np.float32]] = {
            name: np.full((len(self.times), self.r), np.nan, dtype=np.float32) for name in self.declared
        }
        self._rungs = trial.topology.rungs() if trial.topology.reads and not trial.topology.lag else None
        self._views = np.array(trial.topology.view_of)
        self._own_views, self._one_view = bool((self._views == np.arange(self.m)).all()), not self._views.any()
        self._upstream = np.array(trial.topology.reads)
        self._last_said: Floats = np.zeros((self.r, self.m, *self.world.spec.case))
        grounded = any(self._acts(switch, "upstream") for switch in self.switches)
        self._real: Floats | None = np.zeros_like(self._last_said) if grounded else None
        self.given_back: Ints = np.full((self.r, trial.topology.brains), -_NEVER)  # at which tick last
        self._x = self._viewed(self.world.observe(self.state))
        self.seen: Turn | None = None  # the turn that was played last, for those who watch
        self._measured: Mapping[str, Floats] | None = None  # since the last tick, for all who ask
        self.watches = self._watches()
        if self.tick == 0:
            self._begin()

    def run(self, ticks: int) -> None:
        """Play that many ticks."""
        for _ in range(ticks):
            self._turn()

    def _turn(self) -> None:
        world, state, luck = self.world, self.state, self.luck
        luck.clock.row = self.tick + self.warmup
        drawn: list[Array] = []

        def fallback() -> Array:
            if not drawn:
                drawn.append(world.fallback(state, luck))
            return drawn[0]

        def moment(switch: Switch) -> Moment:
            return self._moment(switch, fallback, lambda: self._doubt(x))

        shaken = self.disturbances
        seen = self._seam("features", shaken.features(self._x), moment)
        x, said = self._ask(seen, moment)
        said, nudge = self._served(shaken.prediction(said), moment)
        if self.trial.closed:
            action = self._seam("action", world.act(state, said, luck), moment)
            action = shaken.action(action, fallback)
        else:
            action = Action(world.open_loop(state, luck))
        self._show("observe", x)
        self._show("predict", said)
        self._show("act", action.value)
        self.state, feedback = world.step(state, action, luck)
        self.forget()
        then = self._viewed(world.observe(self.state))
        self.seen = Turn(seen, said, feedback, nudge)
        if feedback is not None:
            self._learn(x, said, action, feedback, then, moment)
        self._x = then
        self.tick += 1
        self._judge()

    def _moment(self, switch: Switch, fallback: Callable[[], Array], doubt: Callable[[], Array]) -> Moment:
        since, until, fixed, kept = switch.since, switch.until, switch.fixed, switch.kept
        return Moment(self.world, self.state, switch.luck, self.tick, fallback, since, until, fixed, kept, doubt)

    def between(self, switch: Switch) -> Moment:
        """The moment before a tick, in which no model acts: there is neither a fallback nor a doubt."""

        def nothing() -> Array:
            raise RuntimeError(f"hand {switch.hand.name}: no model acts between two ticks")

        return self._moment(switch, nothing, nothing)

    def _ask(self, x: Array, moment: At) -> tuple[Array, Array]:
        """What every model is told, and the features with what it read from upstream models."""
        reads = self.trial.topology.reads
        if not reads:
            return x, self._predict(x)
        said, own = self._last_said.copy(), x.shape[-1]
        real = None if self._real is None else self._read(self._real)
        wide = np.moveaxis(np.empty((own + self._upstream.shape[1], *said.shape)), 0, -1)  # a feature lies together
        wide[..., :own] = x
        for rung in self._rungs or [list(range(self.m))]:
            wide[..., own:] = self._upstreams(said, real, moment)
            said[:, rung] = self._predict(wide)[:, rung]
        if self._rungs:
            wide[..., own:] = self._upstreams(said, real, moment)
        self._last_said = said
        return wide, said

    def _predict(self, x: Array) -> Array:
        said = self.casts[0].predict(x, None)
        for cast in self.casts[1:]:
            said = cast.predict(x, said)
        return said

    def _doubt(self, x: Array) -> Array:
        """How unsure every brain is of what it says of `x`, `(r, m, *c)`; 0 where it cannot tell."""
        doubt: Array = np.zeros((self.r, self.m, *self.world.spec.case))
        for cast in self.casts:
            doubt = cast.doubt(x, doubt)
        return doubt

    def _upstreams(self, said: Floats, real: Floats | None, moment: At) -> Floats:
        """What models read of what is `said` `(r, m, *c)`, as it is served, `(r, m, *c, k)`."""
        read = self._read(self.disturbances.prediction(said))
        return read if real is None else np.asarray(self._seam("upstream", Upstream(read, real), moment).said)

    def _read(self, of: Floats) -> Floats:
        """What there is of each upstream model, `(r, m, *c, k)`, from what there is of each model; 0 where none is read."""
        read = np.empty((*of.shape, self._upstream.shape[1]))
        for i, models in enumerate(self._upstream.T):
            there = (models >= 0).reshape(self.m, *(1,) * len(self.world.spec.case))
            np.multiply(of.take(models, axis=1), there, out=read[..., i])
        return read

    def _viewed(self, x: Array) -> Array:
        """The features each model sees, `(r, m, ...)`, or `(r, 1, ...)` where all see the same."""
        if x.shape[1] == 1 or self._own_views:
            return x
        return x[:, :1] if self._one_view else x.take(self._views, axis=1)  # always C order: sums keep their bits

    def _learn(self, x: Array, said: Array, action: Action, feedback: Feedback, then: Array, moment: At) -> None:
        if self._real is not None:
            self._real = self._known(self._real, feedback)
        if self.tick % self.stride == 0 and self.tick >= 0:
            self.score.take(said, feedback)  # reality, not what a hand makes of it
        feedback = self._seam("feedback", feedback, moment)
        self._show("react", feedback.outcome)
        for cast in self.casts:
            cast.fade()
        for asked, done, answer in self.disturbances.feedback(self.tick, x, action, feedback):
            for cast in self.casts:
                cast.witness(asked, done, answer, then)

    def _known(self, before: Floats, feedback: Feedback) -> Floats:
        """What came of each model's predictions when it was last seen, `(r, m, *c)`."""
        if feedback.outcome.shape != before.shape:
            who = next(switch.hand.name for switch in self.switches if self._acts(switch, "upstream"))
            raise InputError(
                f"hand `{who}` needs an answer to each prediction, and the world {type(self.world).__name__} answers otherwise"
            )
        return np.where(weighed(feedback) > 0, feedback.outcome, before)

    @staticmethod
    def _acts(switch: Switch, seam: str) -> bool:
        hand = switch.hand.intervention
        return hand.seam == seam or seam in hand.also

    def _hands(self, seam: str) -> Iterator[tuple[Switch, Bools]]:
        """The hands that act on a seam now, and where."""
        for switch in self.switches:
            if self._acts(switch, seam):
                on = switch.on(self.tick)
                if on is not None:
                    yield switch, on

    def _seam(self, seam: str, value: Any, moment: At) -> Any:
        for switch, on in self._hands(seam):
            value = switch.hand.intervention.apply(value, on, moment(switch))
        return value

    def _served(self, said: Array, moment: At) -> tuple[Array, Floats | float]:
        """The predictions after their seam, and what randomised hands added to them, the mean over cases `(r, m)`, or 0."""
        nudge: Floats | float = 0.0
        for switch, on in self._hands("prediction"):
            served = switch.hand.intervention.apply(said, on, moment(switch))
            if switch.hand.intervention.randomised:
                nudge = nudge + (served - said).reshape(self.r, self.m, -1).mean(axis=2)
            said = served
        return said, nudge

    def _watches(self) -> list[Watch]:
        found = []
        for one in self.trial.instruments:
            interval = self.trial.stride if one.scrape is None else one.scrape
            shown = subject(self.world.spec, self._x, self.trial.topology.reads, self.r, interval)
            found.append(Watch(one, shown))
        return found

    def _judge(self) -> None:
        """After a tick: harm, divergence and the record."""
        if self.tick < 0:
            return
        if self.tick == 0:
            self._begin()
            return
        on_the_record = self.tick % self.stride == 0
        harm = self.trial.harm if self.tick % self._looks == 0 else None
        if harm is None and not on_the_record and not self.tap:
            return
        measures = self.measured()
        self._show("measure", measures)
        if harm is not None:
            value = measures[harm.measure]
            crossed = ((value > harm.above) | (value < harm.below)) & ~self.harmed
            if crossed.any():
                self.harmed |= crossed
                self.note("harm", harm.measure, np.flatnonzero(crossed), values=value)
        if on_the_record:
            self._record(measures)

    def _begin(self) -> None:
        """The end of the warm-up, time 0."""
        self.state = self.world.settle(self.state)
        self.forget()
        self._record(self.measured())

    def _record(self, measures: Mapping[str, Floats]) -> None:
        row, now = self.tick // self.stride, {**measures, **self.score.measures(), **self.told(), **self.readings()}
        for name, value in now.items():
            self.series[name][row] = value
        if not self._all_finite(now):
            for name, value in now.items():
                self._check_finite(name, value)
        gone = ~np.isnan(self.diverged)
        if gone.any():  # what a replication shows after it diverged is no result; no band or quantile counts it
            for series in self.series.values():
                series[row, gone] = np.nan

    def _all_finite(self, now: dict[str, Floats]) -> bool:
        """Whether no measure is lost in any replication: asked for all of them at once, since it is nearly always so."""
        values = np.array(list(now.values()), dtype=np.float64)
        fine = np.abs(values) <= np.array([self._bound(name) for name in now])[:, None]
        if not fine.all():
            fine |= np.isnan(values) & np.array([self.declared[name].may_be_undefined for name in now])[:, None]
        return bool(fine.all())

    def _bound(self, name: str) -> float:
        """How large a measure may be: as declared, and no larger than series can hold, unless anything is allowed."""
        bound = self.declared[name].bound
        return min(bound, LARGEST) if bound < np.inf else bound

    def _check_finite(self, name: str, value: Floats) -> None:
        declared = self.declared[name]
        lost = ~(np.abs(value) <= self._bound(name))  # NaN compares false
        if declared.may_be_undefined:
            lost &= ~np.isnan(value)
        lost &= np.isnan(self.diverged)
        if lost.any():
            rows = np.flatnonzero(lost)
            self.note("diverged", name, rows, values=value)
            self.diverged[rows] = self.tick * self.world.tick

    def measures(self) -> dict[str, Floats]:
        """Each measure now, `(r,)`; NaN where a replication has diverged."""
        now = {**self.measured(), **self.score.measures(), **self.told(), **self.readings()}
        for name, value in now.items():
            self._check_finite(name, value)
        fine = np.isnan(self.diverged)
        return {name: np.where(fine, value, np.nan) for name, value in now.items()}

    def measured(self) -> Mapping[str, Floats]:
        """The world's measures now, `(r,)` each, worked out once between two ticks: percentiles are dear."""
        if self._measured is None:
            self._measured = self.world.measure(self.state)
        return self._measured

    def forget(self) -> None:
        """The state, or the world, is no longer what was measured."""
        self._measured = None

    def told(self) -> dict[str, Floats]:
        """What the brains tell now, `(r,)` each: the highest over casts, and undefined where it is in one of them."""
        found: dict[str, Floats] = {}
        for cast in self.casts:
            for name, value in cast.brain.tell(cast.mind).items():
                found[name] = np.maximum(found[name], value) if name in found else value
        return found

    def readings(self) -> dict[str, Floats]:
        """What the detectors show now, `(r,)` each."""
        return {name: value for watch in self.watches for name, value in watch.shown().items()}

    def alike(self) -> NDArray[np.float32]:
        """How alike the models answered, `(r, k, k)`; NaN where a replication has diverged."""
        found = self.score.alike.matrix()
        found[~np.isnan(self.diverged)] = np.nan
        return found

    def note(
        self,
        kind: str,
        name: str,
        rows: Ints | None = None,
        *,
        model: int = -1,
        values: Floats | None = None,
        time: Floats | None = None,
    ) -> None:
        """Write an event for the replications `rows` (cohort positions; None: all)."""
        for i in range(self.r) if rows is None else rows:
            value = 0.0 if values is None else float(values[i])
            when = self.tick * self.world.tick if time is None else float(time[i])
            self.events.append(
                Event(self.luck.numbers[i], when, kind, name, model, value if np.isfinite(value) else 0.0)
            )

    def _show(self, stage: str, value: Any) -> None:
        if self.tap is not None:
            self.tap(self.tick, stage, value)

    # What the conductor does between blocks.

    def retrain(self, at: tuple[Ints, Ints], busy: bool = False) -> list[Any]:
        """Retrain the (replication, brain) pairs `at`, brains numbered as in the topology.

        With `busy` the old weights stay in service, and what is returned is handed to `install` when training is over.
        """
        pending: list[Any] = []
        rows, brains = at
        frozen = self.disturbances.frozen(self.trial.topology)
        if frozen.any():
            awake = ~frozen[brains]
            rows, brains = rows[awake], brains[awake]
        for number, cast in enumerate(self.casts):
            mine = slice(None) if len(self.casts) == 1 else self._cast_of[brains] == number
            here = rows[mine], self._place_in_cast[brains[mine]]
            if len(here[0]):
                if busy:
                    pending.append((cast, here, cast.study(here)))
                else:
                    cast.retrain(here)
        if self.tap is not None and len(rows):
            self._show("learn", {"brains": brains.tolist()})
        return pending

    def install(self, pending: list[Any], since: int) -> None:
        """Put into service what a busy retraining learnt that began at tick `since`, but for brains that got earlier weights back."""
        for cast, (rows, places), weights in pending:
            good = self.given_back[rows, np.array(cast.ids)[places]] < since
            cast.install((rows[good], places[good]), [leaf[good] for leaf in weights])

    def average(self, late: Bools | None = None) -> None:
        """One federated round of every cast; brains that are `late` `(r, b)` do not count."""
        for cast in self.casts:
            weight: Floats = np.ones((self.r, len(cast.ids)))
            if late is not None:
                weight -= late[:, cast.ids]
            cast.average(weight, self.trial.topology.average_by)

    def shock(self, shock: Shock, *, begins: bool) -> None:
        """A shock begins or ends."""
        self.note("shock", shock.name if begins else f"{shock.name} ends")
        (self.disturbances.begin if begins else self.disturbances.end)(
            shock, self._x, max(self.trial.ticks(shock.size), 1)
        )
        if shock.where == "world":
            self._change_world()

    def follow(self, values: dict[str, float]) -> None:
        """Live parameters of the world take these values from their traces, unless a shock that is on sets them."""
        self._traced |= values
        self._change_world()

    def _change_world(self) -> None:
        self.world = replace(self.trial.world, **{**self._traced, **self.disturbances.world_values()})  # type: ignore[type-var]
        self.forget()
