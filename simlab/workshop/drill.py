"""The 3 AM drill: a system of models goes wrong, the clock runs, and what is done about it is scored.

The world keeps running while the player thinks, and yet nothing is kept in motion: a night is a function of its seed and of the hands
given so far with their times, so the present is reached by playing from the beginning. Numbers are those of the loop, and
whoever gives the same lines with the same seed sees the same night. Time spent thinking becomes a `wait` among these lines.

Harm is what the trouble costs from the page on: what is lost beyond the same night, on the same random numbers, without the trouble.
What was done is scored by its mean over nights that differ by luck alone, the player's own among them, so that a decision is not
praised for its luck. The oracle knows the cause and not the luck: it is the single action, at the earliest moment, with the least mean
harm, found by playing all of them.

    harm avoided = (nothing - you) / (nothing - oracle)

which is 1 for the oracle, 0 for doing nothing, below 0 for making it worse, above 1 where several actions beat every single one, and
undefined where the oracle avoids less than a hundredth of the harm, or where it is not sure to help at 95%, neither by the mean over nights
nor by how many of them it helps in (rare nights may cost so much that a mean of 32 tells little). Fewer than 30 nights tell only the sign.
"""

from __future__ import annotations

import math
import textwrap
import time
import unicodedata
from typing import NamedTuple, final

from simlab.base.arrays import Floats
from simlab.base.errors import InputError, did_you_mean
from simlab.base.units import seconds
from simlab.lab.streams import Streams
from simlab.studies.statistics import mean, share
from simlab.views.words import listed, number
from simlab.workshop import dashboards
from simlab.workshop.night import NIGHTS, Deed, Night
from simlab.workshop.symptoms import ACTS, LOOKS, SYMPTOMS, Cause

VERBS = (*LOOKS, "note", "wait", "restore", "help", "done")
LATEST = 3  # looks by which the trouble may begin later
LOOK = 15.0  # wall-clock seconds of thinking in which the night goes on by a look
FASTEST = 1000.0  # looks for every 15 s
LEAST = 0.01  # of the harm of doing nothing: where the oracle avoids less, nothing could be avoided
WIDE = 80  # columns of a terminal
MOST = 1000  # characters in a line


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
    """Mean harm over nights, how much of what could be avoided was, and the player's own night beside it."""

    nothing: float
    you: float
    oracle: float
    best: str  # what the oracle does
    avoided: float | None  # None where no action is sure to help
    worse: float  # share of nights in which you did worse than nothing
    clear: bool  # whether what you did makes a difference that is not luck
    own_nothing: float
    own_you: float
    own_oracle: float
    own_best: str  # the best single action on the own night, known only afterwards
    own_least: float  # and its harm


def _helps(before: Floats, after: Floats) -> bool:
    """Whether harm is less afterwards: on average, or else in more than half of the nights in which it is another one."""
    saved = before - after
    found = mean(saved)
    if found.interval is None:
        return bool(saved.mean() > 0)
    moved = saved[saved != 0]
    often = share((moved > 0).astype(float))
    return found.low > 0 or (found.value > 0 and often.interval is not None and often.low > 0.5)


@final
class Drill:
    """A drill in the making: `seed` decides the symptom (unless it is named), its hidden cause, when it begins, and the night's luck.

    Lines are given to `do`, or verbs to the methods of their names; each returns what there is to see, and costs simulated time.
    While nobody gives any the night goes on, `think` looks for every 15 s; with 0 it stands still. `page` is what woke you.
    """

    def __init__(self, seed: int = 3, symptom: str | None = None, nights: int = NIGHTS, think: float = 1.0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise InputError(f"seed must be a whole number from 0 to 2^64 - 1, not {f'{seed!r}':.60}")
        if not 0 <= think <= FASTEST:
            raise InputError(f"think must be a number from 0 to {FASTEST:g}, not {think!r}")
        keys = {one.key: one for one in SYMPTOMS}
        if symptom is not None and symptom not in keys:
            raise InputError(f"unknown symptom `{symptom:.60}`; {did_you_mean(symptom, keys)}")
        staging = keys[symptom] if symptom is not None else SYMPTOMS[seed % len(SYMPTOMS)]
        u = Streams(seed, [0]).named("drill").uniform("cause and delay", (1, 2))[0]
        cause = staging.causes[int(u[0] * len(staging.causes))]
        begins = staging.start + int(u[1] * (LATEST + 1)) * staging.look
        self.seed, self.symptom, self.staging, self.think = seed, symptom, staging, think
        self.night = Night(staging, cause, seed, begins, nights)
        self.now = self.night.paged
        self.log: list[Entry] = []
        self.deeds: list[Deed] = []
        self.over = False
        self.left: list[str] = []
        self._last, self._thought = time.monotonic(), 0.0

    @property
    def cause(self) -> Cause:
        """What is really the matter; not for the player."""
        return self.night.cause

    @property
    def page(self) -> Seen:
        """What woke you, what the dashboards are about, and what you can do."""
        woken = f"03:00  {self.staging.symptom.upper()}   (seed {self.seed})"
        return Seen("\n".join([woken, *textwrap.wrap(self.staging.page, WIDE), "", *self._helped()]))

    def __repr__(self) -> str:
        return f"{self.page}\n\n{self.clock}{' the drill is over' * self.over}"

    def do(self, line: str) -> Seen:
        """Give a line such as `kill`, `isolate 0-3`, `wait 60`, `note shared store?`; returns what there is to see.

        Raises InputError, and no time passes, for a line that cannot be read.
        """
        order = self.read(line)
        if self.over:
            return Seen("the drill is over")
        told: list[str] = [] if order.verb == "help" else [thought for thought in (self.idle(),) if thought]
        given = self.now
        if self.now >= self.staging.horizon:
            told.append(f"`{order.line}` comes too late: the night is over")
        elif order.verb == "help":
            return Seen("\n".join(self._helped()))
        else:
            told.append(seen := self._obey(order))
            self.log.append(Entry(given, order.line, Seen(seen)))
            self.over |= self.now >= self.staging.horizon
            if self.over and order.verb != "done":
                told.append("the night is over")
        self._last = time.monotonic()
        return Seen("\n".join(told))

    def idle(self) -> Seen:
        """Let the night go on by what was thought since the last line; returns what is to be said about it, if anything."""
        self._thought += (time.monotonic() - self._last) * self.think
        self._last = time.monotonic()
        looks = int(self._thought / LOOK)
        self._thought -= looks * LOOK
        if self.over or not looks:
            return Seen("")
        given, line = self.now, f"wait {looks * self.staging.look:g}"
        self._pass(looks * self.staging.look)
        seen = Seen(f"{self.clock} {span(self.now - given)} of the night went by while you thought")
        self.log.append(Entry(given, line, seen))
        self.over |= self.now >= self.staging.horizon
        return seen

    def read(self, line: str) -> Order:
        """A line as it is understood; no time passes. Raises InputError where it cannot be, with the nearest right spelling."""
        if len(line) > MOST:
            raise InputError(f"a line of {len(line):,} characters; write at most {MOST}")
        verb, *rest = line.split() or [""]
        verb = {"?": "help"}.get(verb, verb.lower())
        said = " ".join([verb, *rest])
        if not all(visible(character) for character in said):
            raise InputError(f"`{verb:.40}` has characters that cannot be seen; leave them out")
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

    def help(self) -> Seen:
        """All verbs, and what each takes; it takes no time."""
        return self.do("help")

    def done(self) -> Seen:
        """End the drill; the rest of the night is played as things stand."""
        return self.do("done")

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
        night, table = self.night, self.night.table
        you, nothing = night.harm(tuple(self.deeds)), table["nothing"]
        best = min(table, key=lambda name: table[name].mean())
        own_best = min(table, key=lambda name: table[name][0])
        could, did = nothing.mean() - table[best].mean(), nothing.mean() - you.mean()
        sure = could > LEAST * abs(nothing.mean()) and _helps(nothing, table[best])
        return Score(
            float(nothing.mean()), float(you.mean()), float(table[best].mean()), best,
            float(did / could) if sure else None,
            float((you > nothing).mean()), _helps(nothing, you) or _helps(you, nothing),
            float(nothing[0]), float(you[0]), float(table[best][0]), own_best, float(table[own_best][0]),
        )  # fmt: skip

    def _act(self, verb: str, models: tuple[int, ...]) -> Seen:
        return self.do(" ".join([verb, *map(str, models)]))

    def _obey(self, order: Order) -> str:
        verb, sight, given = order.verb, dashboards.SIGHTS.get(order.verb), self.now
        if verb == "note":
            return "noted"
        if verb == "done":
            self.over = True
            on = [deed.words for deed in self.deeds if deed.until == math.inf]
            return f"{self.clock} the drill is over; the night goes on with {listed(on) if on else 'nothing done'}"
        self._pass({"wait": order.seconds, "restore": self.staging.look}.get(verb, self.staging.takes(verb)))
        if sight is not None:
            return f"{self.clock} {sight(self.night, tuple(self.deeds), self.now)}"
        if verb == "wait":
            passed = self.now - given
            cut = f", not {span(order.seconds)}: " if abs(passed - order.seconds) > 1e-9 * passed else ""
            why = (
                "the night ends here"
                if order.seconds > passed
                else f"the clock goes by {span(self.night.trial.world.tick)}"
            )
            return f"{self.clock} waited {span(passed)}{cut}{why * bool(cut)}"
        if verb == "restore":
            return f"{self.clock} {self._restore()}"
        deed = Deed(verb, self.now, order.models)
        if self.now >= self.staging.horizon:
            return f"{self.clock} {deed.words}: too late, it would take {span(self.staging.takes(verb))}"
        self.deeds.append(deed)
        return f"{self.clock} {deed.words}: in effect"

    def _helped(self) -> list[str]:
        """The verbs with what they take, and what is on the dashboards."""
        staging, measures, models = self.staging, self.night.trial.measures, self.night.trial.topology.models
        some = " [MODELS]"
        about = {
            "look": ("", "the dashboards now, and their last course"),
            "yesterday": ("", "against before: who moved first, models or world"),
            "graph": ("", "who shares what, and which models are wrong"),
            "kill": (some, f"models are off: {staging.plainly}"),
            "isolate": (some, "models keep what they know and learn no more"),
            "route-rules": (some, "four fifths as if off, one fifth as models say"),
            "constrain": (some, staging.bounds),
            "human": (some, f"people look at {staging.people}, odd ones first"),
            "restore": ("", "take back all that was done; what it did stays"),
            "wait": (" TIME", f"let the world run: {staging.look:g}, or {span(staging.look)}"),
            "note": (" TEXT", "write down what you think"),
            "help": ("", "this"),
            "done": ("", "end it; the night is played on as things stand"),
        }
        lines = []
        for verb, (given, what) in about.items():
            takes = staging.look if verb == "restore" else staging.takes(verb)
            lines += _hanging(f"  {verb + given:21}{span(takes) if takes else '':>7}  ", what)
        lines += [
            f"  MODELS: numbers from 0 to {models - 1}, such as 0 2-3; without any, all.",
            "",
            "On the dashboards:",
        ]
        for name in staging.shown:
            unit = "" if measures[name].unit == "1" else f" ({measures[name].unit})"
            lines += _hanging(f"  {name:13}  ", measures[name].about + unit)
        ends = f"The night ends {span(staging.horizon - self.night.paged)} after the page"
        thinking = (
            f", and goes on while you think: {span(staging.look * self.think)} in {LOOK:g} s." if self.think else "."
        )
        return [*lines, "", *textwrap.wrap(ends + thinking, WIDE)]

    def _seconds(self, rest: list[str]) -> float:
        text = " ".join(rest)
        try:
            given = float(text)
        except ValueError:
            try:
                given = seconds(text)
            except InputError:
                given = math.nan
        if not 0 < given < math.inf:
            raise InputError(
                f"cannot wait `{text:.60}`; write seconds of the night or a time, e.g. `wait {self.staging.look:g}`, `wait 2 min`"
            )
        return given

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

    Lines that come when all is over are not played, and kept in `left` with their numbers. Raises InputError with every line that cannot
    be read, and plays none then.
    """
    drill = Drill(seed, symptom, nights, think=0.0)
    problems: list[str] = []
    each = ((number, text.strip()) for number, text in enumerate(script.splitlines(), 1))
    lines = [(number, text) for number, text in each if text and not text.startswith("#")]
    for at, text in lines:
        try:
            drill.read(text)
        except InputError as error:
            problems.append(f"{where}:{at}: {error}")
    if not lines:
        raise InputError(f"{where}: no verb in it; write one a line, e.g. `look`, or `done` to do nothing")
    if problems:
        raise InputError(
            "\n".join([*problems, f"{len(problems)} problem{'s'[: len(problems) > 1]}; nothing was played"])
        )
    for at, text in lines:
        if drill.over:
            drill.left.append(f"{where}:{at}: {text}")
        else:
            drill.do(text)
    return drill


def clock(seconds: float) -> str:
    """A time since the page: [+1:05:20]."""
    hours, rest = divmod(round(seconds), 3600)
    minutes = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"[+{minutes}:{rest % 60:02d}]"


def span(seconds: float) -> str:
    """A length of time: 45 s, 10 min, 5 h 30 min."""
    if not seconds < 1e6:
        return "for ever" if seconds == math.inf else f"{number(seconds)} s"
    hours, rest = divmod(round(seconds, 3), 3600)
    minutes, left = divmod(rest, 60)
    pieces = ((hours, "h"), (minutes, "min"), (left, "s"))
    return " ".join(f"{number(size, 6)} {unit}" for size, unit in pieces if size) or "0 s"


def visible(character: str) -> bool:
    """Whether a character shows, and leaves a terminal as it is."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp", "Cs")


def _hanging(head: str, text: str) -> list[str]:
    """A head and its text, in as many lines as it needs, all under the text."""
    return textwrap.wrap(head + text, WIDE, subsequent_indent=" " * len(head), drop_whitespace=True) or [head]
