"""The 3 AM drill: a system of models goes wrong, the clock runs, and what is done about it is scored.

The world keeps running while the player thinks, and yet nothing is kept in motion: a night is a function of its seed and of the hands
given so far with their times, so the present is reached by playing from the beginning. Numbers are those of the loop, and
whoever gives the same lines with the same seed sees the same night.

Harm is what the staging's cost adds from the page on. A night is scored against doing nothing and against the best single action
at the earliest moment (the oracle, found by playing all of them), on the same random numbers:

    harm avoided = (nothing - you) / (nothing - oracle)

which is 1 for the oracle, 0 for doing nothing, below 0 for making it worse, above 1 where several actions beat every single one, and
undefined where doing nothing is best.
"""

from __future__ import annotations

import math
from typing import NamedTuple, final

from simlab.base.errors import InputError, did_you_mean
from simlab.lab.streams import Streams
from simlab.workshop import dashboards
from simlab.workshop.night import NIGHTS, Deed, Night
from simlab.workshop.symptoms import ACTS, LOOKS, SYMPTOMS, Cause

VERBS = (*LOOKS, "note", "wait", "restore", "done")
LATEST = 3  # looks by which the trouble may begin later


@final
class Seen(str):
    """What there is to see, as text that a notebook shows line by line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Order(NamedTuple):
    """A line as it was understood: a verb, the models it is about (None: all), seconds to wait, and the line itself."""

    verb: str
    line: str
    models: tuple[int, ...] | None = None
    seconds: float = 0.0


class Entry(NamedTuple):
    """A line of the log: when it was given, and what there was to see when it was done."""

    at: float
    line: str
    seen: str


class Score(NamedTuple):
    """Harm on the player's own night and on average over nights, and how much of what could be avoided was."""

    calm: float
    nothing: float
    you: float
    oracle: float
    best: str  # what the oracle does
    avoided: float | None  # None where doing nothing is best
    all_nothing: float
    all_you: float
    all_oracle: float
    all_best: str
    all_avoided: float | None
    worse: float  # share of nights in which you did worse than nothing


@final
class Drill:
    """A drill in the making: `seed` decides the symptom (unless it is named), its hidden cause, when it begins, and the night's luck.

    Lines are given to `do`, or verbs to the methods of their names; each returns what there is to see, and costs simulated time.
    """

    def __init__(self, seed: int = 3, symptom: str | None = None, nights: int = NIGHTS) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise InputError(f"seed must be a whole number of at least 0, not {seed!r}")
        keys = {one.key: one for one in SYMPTOMS}
        if symptom is not None and symptom not in keys:
            raise InputError(f"unknown symptom `{symptom}`; {did_you_mean(symptom, keys)}")
        staging = keys[symptom] if symptom is not None else SYMPTOMS[seed % len(SYMPTOMS)]
        u = Streams(seed, [0]).named("drill").uniform("cause and delay", (1, 2))[0]
        cause = staging.causes[int(u[0] * len(staging.causes))]
        begins = staging.start + int(u[1] * (LATEST + 1)) * staging.look
        self.seed, self.symptom, self.staging = seed, symptom, staging
        self.night = Night(staging, cause, seed, begins, nights)
        self.now = self.night.paged
        self.log: list[Entry] = []
        self.deeds: list[Deed] = []
        self.over = False

    @property
    def cause(self) -> Cause:
        """What is really the matter; not for the player."""
        return self.night.cause

    def do(self, line: str) -> Seen:
        """Give a line such as `kill`, `isolate 0-3`, `wait 60`, `note shared store?`; returns what there is to see.

        Raises InputError, and no time passes, for a line that cannot be read.
        """
        order, given = self.read(line), self.now
        if self.over:
            return Seen("the drill is over")
        seen = Seen(self._obey(order))
        self.log.append(Entry(given, order.line, seen))
        self.over |= self.now >= self.staging.horizon
        return seen

    def read(self, line: str) -> Order:
        """A line as it is understood; no time passes. Raises InputError where it cannot be, with the nearest right spelling."""
        verb, *rest = line.split() or [""]
        verb = verb.lower()
        said = " ".join([verb, *rest])
        if verb not in VERBS:
            meant = next((known for known in VERBS if verb and known.startswith(verb)), verb[:40])
            raise InputError(f"unknown verb `{verb:.40}`; {did_you_mean(meant, VERBS)}")
        if verb in ACTS:
            return Order(verb, said, models=self._models(rest))
        if verb == "wait":
            return Order(verb, said, seconds=self._seconds(rest))
        if rest and verb != "note":
            raise InputError(f"`{verb}` takes nothing after it, not `{' '.join(rest):.60}`")
        return Order(verb, said)

    def look(self) -> Seen:
        """What the dashboards show now."""
        return self.do("look")

    def yesterday(self) -> Seen:
        """What they show against before the page, and who moved first: models or the world."""
        return self.do("yesterday")

    def graph(self) -> Seen:
        """Who shares what, and which models are wrong."""
        return self.do("graph")

    def kill(self, *models: int) -> Seen:
        """Switch models off for good: the world's plain rule takes over."""
        return self._act("kill", models)

    def isolate(self, *models: int) -> Seen:
        """Cut models off from what others do: they keep what they know, and learn no more."""
        return self._act("isolate", models)

    def route_rules(self, *models: int) -> Seen:
        """Leave four fifths of what models decide to the plain rule."""
        return self._act("route-rules", models)

    def constrain(self, *models: int) -> Seen:
        """Put a bound on what models do, or on what they are paid for."""
        return self._act("constrain", models)

    def human(self, *models: int) -> Seen:
        """Have people look at what deviates most from the plain rule, and do that rule instead."""
        return self._act("human", models)

    def note(self, text: str) -> Seen:
        """Write something down; it takes no time."""
        return self.do(f"note {text}")

    def wait(self, seconds: float) -> Seen:
        """Let the world run."""
        return self.do(f"wait {seconds:g}")

    def restore(self) -> Seen:
        """Take back all that was done; what it did stays."""
        return self.do("restore")

    @property
    def clock(self) -> str:
        """Since the page, as a dashboard would say it."""
        return clock(self.now - self.night.paged)

    @property
    def script(self) -> str:
        """All lines so far, as a script that plays the same night again."""
        return "".join(f"{entry.line}\n" for entry in self.log)

    def score(self) -> Score:
        """The score of what was done so far, if nothing more is done."""
        night, deeds = self.night, tuple(self.deeds)
        you, table = night.harm(deeds), night.table
        best = min(table, key=lambda name: table[name][0])
        all_best = min(table, key=lambda name: table[name].mean())
        nothing = table["nothing"]
        return Score(
            float(night.harm(trouble=False)[0]), float(nothing[0]), float(you[0]), float(table[best][0]), best,
            _share(nothing[0] - you[0], nothing[0] - table[best][0]),
            float(nothing.mean()), float(you.mean()), float(table[all_best].mean()), all_best,
            _share(nothing.mean() - you.mean(), nothing.mean() - table[all_best].mean()),
            float((you > nothing).mean()),
        )  # fmt: skip

    def _act(self, verb: str, models: tuple[int, ...]) -> Seen:
        return self.do(" ".join([verb, *map(str, models)]))

    def _obey(self, order: Order) -> str:
        verb, sight = order.verb, dashboards.SIGHTS.get(order.verb)
        if verb == "note":
            return "noted"
        if verb == "done":
            self.over = True
            return "the drill is over"
        self._pass({"wait": order.seconds, "restore": self.staging.look}.get(verb, self.staging.takes(verb)))
        if sight is not None:
            return f"{self.clock} {sight(self.night, tuple(self.deeds), self.now)}"
        if verb == "wait":
            return f"{self.clock} waited"
        if verb == "restore":
            return f"{self.clock} {self._restore()}"
        deed = Deed(verb, self.now, order.models)
        if self.now >= self.staging.horizon:
            return f"{self.clock} {deed.words}: too late, the night is over"
        self.deeds.append(deed)
        return f"{self.clock} {deed.words}: in effect"

    def _seconds(self, rest: list[str]) -> float:
        try:
            seconds = float(rest[0]) if len(rest) == 1 else math.nan
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise InputError(
                f"cannot wait `{' '.join(rest):.60}`; write seconds of the night, e.g. `wait {self.staging.look:g}`"
            )
        return seconds

    def _models(self, rest: list[str]) -> tuple[int, ...] | None:
        count, found = self.night.trial.topology.models, set()
        for word in rest:
            first, dash, last = word.partition("-")
            if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
                raise InputError(
                    f"cannot read models from `{word:.40}`; write numbers, e.g. `kill 0 2-3`, or none for all"
                )
            low, high = int(first[:9]), int((last or first)[:9])
            found |= set(range(low, high + 1)) if high < count else {count}
        if any(m >= count for m in found) or (rest and not found):
            raise InputError(f"models are numbered 0 to {count - 1}, so `{' '.join(rest):.60}` names none")
        return tuple(sorted(found)) if rest else None

    def _pass(self, seconds: float) -> None:
        tick = self.night.trial.world.tick
        passed = max(round(min(seconds, self.staging.horizon) / tick), 1) * tick
        self.now = min(self.now + passed, self.staging.horizon)

    def _restore(self) -> str:
        on = [deed for deed in self.deeds if deed.until == math.inf]
        self.deeds = [deed._replace(until=self.now) if deed in on else deed for deed in self.deeds]
        return f"taken back: {', '.join(deed.words for deed in on)}" if on else "nothing was on"


def played(script: str, seed: int, symptom: str | None = None, where: str = "script", nights: int = NIGHTS) -> Drill:
    """The drill that a script plays, a verb a line; empty lines, and those that begin with `#`, are left out.

    Raises InputError with every line that cannot be read, and plays none then.
    """
    drill = Drill(seed, symptom, nights)
    problems: list[str] = []
    each = ((number, text.strip()) for number, text in enumerate(script.splitlines(), 1))
    lines = [(number, text) for number, text in each if text and not text.startswith("#")]
    for number, text in lines:
        try:
            drill.read(text)
        except InputError as error:
            problems.append(f"{where}:{number}: {error}")
    if problems:
        raise InputError(
            "\n".join([*problems, f"{len(problems)} problem{'s'[: len(problems) > 1]}; nothing was played"])
        )
    for _, text in lines:
        drill.do(text)
    return drill


def clock(seconds: float) -> str:
    """A time since the page: [+1:05:20]."""
    hours, rest = divmod(round(seconds), 3600)
    minutes = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"[+{minutes}:{rest % 60:02d}]"


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
