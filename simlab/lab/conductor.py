"""The conductor: one SimPy calendar per cohort says when; the loop, run in blocks between its events, says what.

The calendar counts whole ticks. An event due at tick t happens before tick t is played, and one due at the horizon does not happen
any more, as in SimPy's `run(until=...)`: so a longer run begins as a shorter one. Between two events the loop plays
all ticks in one call, which is the same, to the bit, as playing them one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from itertools import pairwise
from typing import Any, final

import numpy as np
import simpy

from simlab.base.arrays import Floats, Ints
from simlab.base.errors import SimlabError
from simlab.base.world import Happening
from simlab.lab.loop import Loop
from simlab.lab.seams import Pairs, give_back, put_off
from simlab.lab.shocks import Shock
from simlab.lab.snapshots import Snapshots
from simlab.lab.streams import Streams
from simlab.lab.timers import turns_of
from simlab.lab.trial import Trial
from simlab.lab.watch import Watch, frame

_ZENO = 100_000  # events at one instant after which a process is judged not to move time forward


class CalendarError(SimlabError):
    """A world's process asked for a delay that does not exist, or never lets time move on."""

    exit_code = 5  # no shipped world has processes of its own, so it came with a plugin


@final
class Diary:
    """One process's hand on the calendar; it names the process in every refusal."""

    def __init__(self, env: simpy.Environment, who: str) -> None:
        self._env, self._who = env, who

    @property
    def now(self) -> int:
        """The tick that is about to be played."""
        return int(self._env.now)

    def wait(self, ticks: float) -> simpy.Timeout:
        """An event that many whole ticks from now; the caller yields it.

        Raises CalendarError for a delay that is not a number, nan, infinite, negative, or not whole.
        """
        good = isinstance(ticks, (int, float, np.integer, np.floating)) and not isinstance(ticks, bool)
        if not (good and 0 <= ticks < math.inf and ticks == int(ticks)):  # nan compares false
            raise CalendarError(
                f"{self._who} at tick {self.now}: cannot wait {ticks!r} ticks; "
                "expected a whole number of at least 0, e.g. `yield calendar.wait(10)`"
            )
        return self._env.timeout(int(ticks))


@final
class Conductor:
    """Runs a loop to its horizon, with the processes its trial asks for."""

    def __init__(self, trial: Trial, loop: Loop, luck: Streams) -> None:
        self.trial, self.loop = trial, loop
        self.env = simpy.Environment(initial_time=loop.tick)
        self._latest, self._processes = "nobody", list[Generator[Any, Any, None]]()
        name = type(trial.world).__name__
        if trial.traces:
            self._add("traces", self._follow)
        for i, happening in enumerate(trial.world.happenings()):
            self._add(f"{name}.happenings[{i}]", self._happen, happening)
        for brains, turns in self._retrainings(luck):
            who = f"retraining of brains {brains[0]}..{brains[-1]}"
            self._add(who, self._retrain, turns)
        for shock in trial.shocks:
            self._add(f"shock {shock.name}", self._shock, shock)
        for scrape in dict.fromkeys(one.subject.interval for one in loop.watches):
            self._add("detectors", self._watch, [one for one in loop.watches if one.subject.interval == scrape], scrape)
        self._snapshots: dict[str, Snapshots] = {}
        for hand in trial.hands:
            if (remembers := hand.intervention.remembers) is not None:
                every, reach = remembers
                self._snapshots[hand.name] = kept = Snapshots(loop.casts, trial.ticks(reach))
                self._add(f"snapshots for hand {hand.name}", self._remember, kept, every)
        for i, hand in enumerate(trial.hands):
            latency = (
                np.exp(hand.trigger.spread * _once(luck.normal, f"latency {hand.name}", loop.r)) * hand.trigger.median
            )
            self._add(f"hand {hand.name}", self._hand, i, latency)
        if trial.topology.average_every:
            self._add("federated rounds", self._rounds, luck)

    def play(self) -> None:
        """Run to the horizon, and end all processes: each holds on to the loop, which a collector of cycles would find only by and by."""
        self._play()
        for process in self._processes:
            process.close()

    def _play(self) -> None:
        loop, env = self.loop, self.env
        while True:
            due = min(env.peek(), loop.horizon)
            loop.run(int(due) - loop.tick)
            if due >= loop.horizon:
                return
            for _ in range(_ZENO):
                env.step()
                if env.peek() > due:
                    break
            else:
                raise CalendarError(
                    f"{self._latest} at tick {int(due)}: over {_ZENO} events without time moving on; wait at least 1 tick"
                )

    def _add(self, who: str, work: Callable[..., Generator[Any, Any, None]], *given: Any) -> None:
        def named() -> Generator[Any, Any, None]:
            steps, answer = work(Diary(self.env, who), *given), None
            while True:
                self._latest = who
                try:
                    event = steps.send(answer)
                except StopIteration:
                    return
                if getattr(event, "env", None) is not self.env:  # another calendar's event would never come
                    raise CalendarError(
                        f"{who} at tick {int(self.env.now)}: yielded {event!r:.60}, which is no wait of this calendar; "
                        "write e.g. `yield calendar.wait(10)`"
                    )
                answer = yield event

        self._processes.append(named())
        self.env.process(self._processes[-1])

    def _happen(self, diary: Diary, happening: Happening) -> Generator[Any, Any, None]:
        for event in happening(diary, self.loop):
            self.loop.forget()
            yield event
        self.loop.forget()

    def _retrainings(self, luck: Streams) -> list[tuple[Ints, Iterator[tuple[int, Pairs]]]]:
        """Brains that share a timetable, with its ticks and who has a turn then. A turn past the horizon never comes."""
        plan, loop = self.trial.schedule, self.loop
        if not plan.every:
            return []
        if plan.waits:
            return [self._sorted(*self._timers(luck))]
        count = self.trial.topology.brains
        phases = np.array(plan.phases(count))
        start = loop.tick * self.trial.world.tick
        turns = math.ceil((self.trial.horizon - start) / plan.every) + 1
        groups: list[tuple[Ints, Iterator[tuple[int, Pairs]]]] = []
        late, skip = self._late_by(luck, turns), None
        if plan.how == "random":
            skip = _turns(luck, "retraining turn", count, turns) >= plan.chance
        for phase in np.unique(phases):
            brains = np.flatnonzero(phases == phase)
            if late is None and skip is None:
                groups.append((brains, self._regular(brains, start + float(phase), turns)))
                continue
            due = (start + phase + plan.every * np.arange(turns))[:, None, None]
            if late is not None:
                due = due + late[..., brains]
            ticks = np.maximum(np.round(due / self.trial.world.tick), loop.tick).astype(np.int64)
            if skip is not None:
                ticks = np.where(skip[..., brains], loop.horizon, ticks)
            groups.append(self._sorted(brains, np.broadcast_to(ticks, (turns, loop.r, len(brains)))))
        return groups

    def _pairs(self, brains: Ints) -> Pairs:
        """These brains in all replications."""
        rows, which = (each.ravel() for each in np.indices((self.loop.r, len(brains))))
        return rows, brains[which]

    def _regular(self, brains: Ints, first: float, turns: int) -> Iterator[tuple[int, Pairs]]:
        """So many turns of all at once, the `first` at that second, each worked out when it comes: a long run has many."""
        everyone, last = self._pairs(brains), None
        for turn in range(turns):
            tick = max(round((first + self.trial.schedule.every * turn) / self.trial.world.tick), -self.loop.warmup)
            if tick != last:
                yield tick, everyone
            last = tick

    def _sorted(self, brains: Ints, turns: Ints) -> tuple[Ints, Iterator[tuple[int, Pairs]]]:
        """Turns `(turns, r, b)` of brains, by tick; sorted once: looking for each tick's turns in all would be quadratic."""
        rows, theirs = self._pairs(brains)
        order = np.argsort(turns, axis=None, kind="stable")
        ticks, first = np.unique(turns.ravel()[order], return_index=True)

        def due() -> Iterator[tuple[int, Pairs]]:
            for tick, (start, stop) in zip(ticks, pairwise([*first, len(order)]), strict=True):
                here = order[start:stop] % len(rows)
                yield int(tick), (rows[here], theirs[here])

        return brains, due()

    def _timers(self, luck: Streams) -> tuple[Ints, Ints]:
        """All brains, with the ticks of their turns `(turns, r, b)` where timers wait for what is being done."""
        plan, loop, count = self.trial.schedule, self.loop, self.trial.topology.brains
        start = loop.tick * self.trial.world.tick
        most = math.ceil((self.trial.horizon - start) / (plan.every - plan.jitter)) + 2
        late = self._late_by(luck, most)
        late = np.zeros((most, loop.r, count)) if late is None else late
        began = turns_of(
            start + np.array(plan.phases(count)) + late[0], plan.every + late[1:], plan.busy, self.trial.horizon
        )
        ticks = np.round(np.minimum(began, self.trial.horizon) / self.trial.world.tick)
        return np.arange(count), np.maximum(ticks, loop.tick).astype(np.int64)

    def _late_by(self, luck: Streams, turns: int) -> Floats | None:
        """By how much each turn of each brain is late (or early), `(turns, r, b)` seconds; None where there is no jitter."""
        jitter, brains = self.trial.schedule.jitter, self.trial.topology.brains
        return jitter * (2 * _turns(luck, "retraining jitter", brains, turns) - 1) if jitter else None

    def _retrain(self, diary: Diary, turns: Iterator[tuple[int, Pairs]]) -> Generator[Any, Any, None]:
        for tick, theirs in turns:
            if tick >= self.loop.horizon:
                return
            yield diary.wait(tick - diary.now)
            yield from _last(diary, 1)
            self._train(diary, theirs)

    def _train(self, diary: Diary, at: Pairs, waited: bool = False) -> None:
        """Retrain now those of `at` that no hand puts off."""
        plan = self.trial.schedule
        busy, period = self.trial.ticks(plan.busy), self.trial.ticks(plan.every)
        for delay, some in put_off(self.loop, at, period, waited):
            if delay:
                self._add("retraining put off", self._late, delay, some)
                continue
            pending = self.loop.retrain(some, busy=busy > 0)
            if busy:
                self.env.process(self._install(diary, busy, pending))

    def _late(self, diary: Diary, delay: int, at: Pairs) -> Generator[Any, Any, None]:
        yield diary.wait(delay)
        yield from _last(diary, 1)
        self._train(diary, at, waited=True)

    def _install(self, diary: Diary, busy: int, pending: list[Any]) -> Generator[Any, Any, None]:
        since = diary.now
        yield diary.wait(busy)
        self.loop.install(pending, since)

    def _follow(self, diary: Diary) -> Generator[Any, Any, None]:
        """Live parameters take the values of their traces; those that change at one tick do so together."""
        due: dict[int, dict[str, float]] = {}
        for trace in self.trial.traces:
            for time, value in trace.changes(self.trial.horizon)[1:]:  # the first holds from before the warm-up on
                due.setdefault(round(time / self.trial.world.tick), {})[trace.parameter] = value
        for tick in sorted(due):
            yield diary.wait(tick - diary.now)
            self.loop.follow(due[tick])

    def _shock(self, diary: Diary, shock: Shock) -> Generator[Any, Any, None]:
        yield diary.wait(self.trial.ticks(shock.start) - diary.now)
        self.loop.shock(shock, begins=True)
        if math.isfinite(shock.duration):
            yield diary.wait(self.trial.ticks(shock.duration))
            self.loop.shock(shock, begins=False)

    def _hand(self, diary: Diary, number: int, latency: Floats) -> Generator[Any, Any, None]:
        loop, switch, trigger = self.loop, self.loop.switches[number], self.trial.hands[number].trigger
        late = np.round(latency / self.trial.world.tick).astype(np.int64)
        lasts = self.trial.ticks(trigger.lasts) if math.isfinite(trigger.lasts) else np.iinfo(np.int64).max
        name = switch.hand.name
        if math.isfinite(trigger.at):
            since = self.trial.ticks(trigger.at) + late
            switch.arm(np.arange(loop.r), since, lasts)
            self._begin_and_end(name, np.arange(loop.r), since, lasts)
        if trigger.measure is None:
            return
        scrape = self.trial.ticks(trigger.scrape) or 1
        yield diary.wait(max(-diary.now, 0))
        while True:
            now = loop.readings()
            value = now[trigger.measure] if trigger.measure in now else loop.measured()[trigger.measure]
            idle = (switch.since == np.iinfo(np.int64).max).all(axis=1)
            if switch.hand.intervention.again:
                idle |= switch.until.min(axis=1) <= diary.now
            alarm = np.flatnonzero(((value > trigger.above) | (value < trigger.below)) & idle)
            if len(alarm):
                switch.arm(alarm, diary.now + late[alarm], lasts)
                loop.note("alarm", name, alarm, values=value)
                self._begin_and_end(name, alarm, diary.now + late, lasts, value)
            yield diary.wait(scrape)

    def _watch(self, diary: Diary, watches: list[Watch], scrape: float) -> Generator[Any, Any, None]:
        """Show the detectors the turn that was played last, at every scrape after time 0, and note their first alarms."""
        loop, spec, tick = self.loop, self.trial.world.spec, self.trial.world.tick
        every = self.trial.ticks(scrape)
        yield diary.wait(every - diary.now)
        while True:
            if loop.seen is not None:
                shown = frame(loop.seen, spec, diary.now * tick)
                for watch in watches:
                    watch.read(shown)
                    for name, rows, value in watch.alarms():
                        loop.note("alarm", name, rows, values=value)
            yield diary.wait(every)

    def _begin_and_end(self, name: str, rows: Ints, since: Ints, lasts: int, values: Floats | None = None) -> None:
        """Note in replications `rows` that a hand is on from ticks `since` `(r,)`, and when it is off again."""
        loop, tick = self.loop, self.trial.world.tick
        for start in np.unique(since[rows]) if name in self._snapshots else ():
            self._add(f"hand {name}", self._give_back, name, int(start))
        loop.note("intervention", name, rows, values=values, time=np.asarray(since * tick, dtype=np.float64))
        if lasts < np.iinfo(np.int64).max:
            until = np.asarray((since + lasts) * tick, dtype=np.float64)
            loop.note("intervention", f"{name} ends", rows, time=until)

    # At one tick shocks and hands come first, then brains retrain, then a round is held, then weights are given back, then
    # snapshots are taken. Each waits 0 ticks that often, because the order within one wait depends on who is in the cohort.

    def _rounds(self, diary: Diary, luck: Streams) -> Generator[Any, Any, None]:
        topology, loop = self.trial.topology, self.loop
        every, late = self.trial.ticks(topology.average_every), None
        luck = luck.named("federated rounds").paced()
        while True:
            yield diary.wait(every)
            yield from _last(diary, 2)
            if topology.stragglers:
                luck.clock.row += 1
                late = luck.uniform("late", (loop.r, topology.brains)) < topology.stragglers
            loop.average(late)

    def _give_back(self, diary: Diary, name: str, start: int) -> Generator[Any, Any, None]:
        yield diary.wait(start - diary.now)
        yield from _last(diary, 3)
        give_back(self.loop, name, self._snapshots[name])

    def _remember(self, diary: Diary, kept: Snapshots, every: float) -> Generator[Any, Any, None]:
        kept.take(diary.now)
        while True:
            yield diary.wait(self.trial.ticks(every))
            yield from _last(diary, 4)
            kept.take(diary.now)


def _last(diary: Diary, rank: int) -> Generator[Any, Any, None]:
    """Go on at this tick after those of a lower rank."""
    for _ in range(rank):
        yield diary.wait(0)


def _once(draw: Callable[[str, tuple[int, ...]], Floats], purpose: str, r: int) -> Floats:
    """One number for each replication, drawn before the first tick."""
    return draw(purpose, (r,)).copy()


def _turns(luck: Streams, purpose: str, b: int, turns: int) -> Floats:
    """A uniform number for each turn, replication and brain, `(turns, r, b)`; more turns leave the first ones as they are."""
    luck, drawn = luck.paced(), np.empty((turns, luck.replications, b))
    for luck.clock.row in range(turns):
        drawn[luck.clock.row] = luck.uniform(purpose, drawn.shape[1:])
    return drawn
