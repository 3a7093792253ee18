"""The audit in words and tables, for a terminal and for the page: a verdict, and a section for each question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simlab.scenario.architecture import Architecture
from simlab.scenario.describe import Section
from simlab.studies.audit import Audit, Mend, Risks
from simlab.studies.blast import Blast
from simlab.studies.gains import MOST_LOOPS
from simlab.studies.mending import MOST_CHANGES
from simlab.studies.timetable import MOST_RETRAININGS, Timetable
from simlab.studies.together import SEED
from simlab.views.words import DASH, count, listed, number, percent, span

ROWS = 12  # of a table
NAMED = (
    "two models, picked by traffic, fail on the same day",
    "largest share of traffic or consumers that fails with one part",
    "closed-loop gain",
    "path gain from one model to another",
    "models that retrain at once",
)
SHORT = ("failing together", "blast radius", "loop gain", "path gain", "retraining at once")
OVER, UNDER = "✗ over", "✓ within"


def verdict(found: Audit) -> str:
    """What matters most, in a few clauses; the first is the headline."""
    singles, many = found.single_points, len(found.architecture.of("model"))
    if singles:
        others = f", and {count(len(singles) - 1, 'more part')} would take over half" if len(singles) > 1 else ""
        said = [f"Losing {singles[0].kind} “{singles[0].name}” alone takes {_taken(singles[0], many)}{others}"]
    else:
        said = ["No part alone takes more than half of the traffic or of the consumers"]
    if found.runs_away:
        said.append(f"errors grow with every turn of a feedback loop (gain {number(found.risks.loop)})")
    elif found.gains.loops:
        said.append(f"what feeds back dies out (loop gain {number(found.risks.loop)})")
    if many > 1:
        said.append(
            f"at least half of the models fail on the same day with probability {chance(found.together.wired.half)}"
        )
        said[-1] += f", and {chance(found.together.owned.half)} if nothing were shared"
    line = "; ".join(said) + "."
    if found.plan and any(over(found)):
        line += f" Do first: {_bare(found.plan[0].change.words.partition(':')[0])}."
    return line


def over(found: Audit) -> list[bool]:
    """Of each risk, whether it is over its limit; a loop gain of 1 already is."""
    limits = found.architecture.limits
    high = [share > 1 + 1e-9 for share in found.risks.shares(limits)]
    return [here or (name == "loop" and found.runs_away) for name, here in zip(Risks._fields, high, strict=True)]


def _taken(blast: Blast, models: int) -> str:
    """What a part takes with it."""
    if blast.weight > blast.traffic or not blast.models:
        return "every consumer" if blast.weight > 1 - 1e-9 else f"{percent(blast.weight)} of the consumers"
    if len(blast.models) == models:
        return f"all {models} models" if models > 1 else "the only model"
    return f"{len(blast.models)} of {count(models, 'model')}, {percent(blast.traffic)} of the traffic"


def _bare(words: str) -> str:
    return words.replace("`", "“", 1).replace("`", "”", 1) if words.count("`") == 2 else words.replace("`", "")


def value(name: str, amount: float) -> str:
    """A risk in its own unit."""
    return number(amount) if name in ("loop", "cascade") else chance(amount)


def chance(p: float) -> str:
    """A probability as a percentage; here the small ones matter."""
    return percent(p) if p == 0 or p >= 0.001 else f"{number(100 * p, 2)}%" if p >= 1e-6 else number(p, 2)


def sections(found: Audit) -> Iterator[Section]:
    """Everything that was found, the most important first."""
    one = found.architecture
    yield _risks(found)
    yield _plan(found)
    yield _mends(found)
    yield _blasts(found)
    yield _gains(found)
    yield _together(found)
    yield _each(found)
    if found.timetable is not None:
        yield _retraining(found.timetable)
    yield Section("What was assumed", " ".join(_assumed(one)))


def report(found: Audit) -> Iterator[Section]:
    """The whole report for a terminal: title, verdict, and all sections."""
    yield Section(found.architecture.title, verdict(found))
    yield from sections(found)


def _risks(found: Audit) -> Section:
    limits = found.architecture.limits
    shares = found.risks.shares(limits)
    rows = []
    for i, (name, high) in enumerate(zip(Risks._fields, over(found), strict=True)):
        now, limit = value(name, found.risks[i]), value(name, limits[i])
        rows.append((NAMED[i], now, limit, number(shares[i], 2), OVER if high else UNDER))
    rows.append(("score: all of them, in limits", "", "", number(found.score, 3), ""))
    return Section("Five risks against their limits", "", ("risk", "found", "limit", "in limits", ""), tuple(rows))


def _moved(before: Risks, after: Risks) -> str:
    """The risks that a change moves."""
    pairs = zip(Risks._fields, SHORT, before, after, strict=True)
    return "; ".join(
        f"{what} {_finely(name, a)} → {_finely(name, b)}" for name, what, a, b in pairs if abs(b - a) > 1e-9 * max(a, b)
    )


def _finely(name: str, amount: float) -> str:
    """A risk with digits enough to see a small change of it."""
    return number(amount) if name in ("loop", "cascade") else f"{number(100 * amount)}%"


def _plan(found: Audit) -> Section:
    rows, before = [], found.risks
    for i, mend in enumerate(found.plan, 1):
        rows.append(
            (str(i), _bare(mend.change.words), number(mend.change.cost), number(mend.score), _moved(before, mend.risks))
        )
        before = mend.risks
    told = "Each step is the change that lowers the score most for its cost, on the architecture that the steps before it leave."
    if not rows:
        return Section("What to do first", "No change that was considered lowers the score.")
    return Section("What to do first", told, ("", "change", "cost", "score after", "what it moves"), tuple(rows))


def _mends(found: Audit) -> Section:
    def row(mend: Mend) -> tuple[str, ...]:
        moved = _moved(found.risks, mend.risks)
        return _bare(mend.change.words), number(mend.change.cost), number(mend.per_cost), moved

    first = "the first " if found.considered >= MOST_CHANGES else ""
    told = (
        f"Of {first}{count(found.considered, 'change')} considered, {len(found.mends)} would lower the score. All "
        "numbers are computed anew on the changed architecture."
    )
    if len(found.mends) > ROWS:
        told += f" The best {ROWS} for their cost:"
    columns = ("change", "cost", "better per cost", "what it moves")
    return Section("Changes, one at a time", told, columns, tuple(row(mend) for mend in found.mends[:ROWS]))


def _blasts(found: Audit) -> Section:
    one = found.architecture
    rows = []
    for blast in found.blasts[:ROWS]:
        part = one.part(blast.name)
        rows.append(
            (
                blast.name,
                blast.kind,
                f"{len(blast.models)} of {len(one.of('model'))}",
                str(len(blast.carried) or ""),
                percent(blast.traffic),
                percent(blast.weight) if one.of("consumer") else DASH,
                f"{percent(part.fails)}{'*' if part.chosen else ''}",
                "✗ single point" if blast.single_point else "",
            )
        )
    told = (
        "What fails when a part alone fails, and how often it does so by itself. Models that their fallback carries do not count "
        "as failing."
    )
    if len(found.blasts) > ROWS:
        told += f" The {ROWS} widest of {len(found.blasts)}."
    told += " * by default." if any(one.part(blast.name).chosen for blast in found.blasts[:ROWS]) else ""
    columns = ("part", "kind", "models", "carried", "traffic", "consumers", "a day", "")
    return Section("Blast radius", told, columns, tuple(rows))


def _path(names: Sequence[str], closed: bool = False) -> str:
    return " → ".join((*names, names[0]) if closed else names)


def _gains(found: Audit) -> Section:
    one = found.gains
    said = [f"Dependency depth {one.depth}: {_path(one.chain.path)}." if one.depth > 1 else "No model reads another."]
    if one.along is not None:
        along = f"along {_path(one.along.path)} alone {number(one.along.gain)}"
        said.append(
            f"Of an error of 1 in “{one.along.path[0]}”, {number(one.cascade)} arrives in “{one.along.path[-1]}” ({along})."
        )
    if not one.loops:
        return Section("Chains and loops", " ".join([*said, "Nothing that a model does is said to come back to it."]))
    grows = "errors grow with every turn" if found.runs_away else "errors die out"
    said.append(f"All loops together leave {number(one.loop)} of an error after a turn: {grows}.")
    if not one.complete:
        said.append(f"There are more than {MOST_LOOPS:,} loops; these are the strongest of the first {MOST_LOOPS:,}.")
    rows = tuple(
        (
            _path(loop.path, closed=True),
            number(loop.gain),
            "✗ 1 or more" if loop.gain >= 1 - 1e-9 else "✓ below 1",
            _of(loop.chosen, len(loop.path)),
        )
        for loop in one.loops[:ROWS]
    )
    return Section("Chains and loops", " ".join(said), ("loop", "gain", "", "gains by default"), rows)


def _of(some: int, all_: int) -> str:
    return f"{some} of {all_}"


def _together(found: Audit) -> Section:
    one, many = found.together, len(found.architecture.of("model"))
    rows = []
    for name, what in (
        ("any", "any model"),
        ("half", "at least half"),
        ("all", f"all {many}"),
        ("two", "two picked by traffic"),
    ):
        i = one.wired._fields.index(name)
        wired, own = one.wired[i], one.owned[i]
        ratio = f"{number(wired / own, 2)} times" if own > 0 else DASH
        rows.append((what, _give_or_take(wired, one.errors[i]), chance(own), ratio))
    shared = count(len(one.shared), "shared part")
    told = (
        f"Exact, over all {one.states:,} states of the {shared} that can fail."
        if one.exact
        else f"Drawn: {one.states:,} states of the {shared} that can fail, seed {SEED}; ± one standard error."
    )
    if found.architecture.correlation:
        told += (
            f" The models' own failures have a normal factor in common, correlation {found.architecture.correlation:g}."
        )
    if many > 1 and one.effective == one.effective:
        told += f" By the correlation of their failures, {count(many, 'model')} are worth {number(one.effective, 2)} independent ones."
    return Section(
        "Failing on the same day", told, ("which fail", "as wired", "every part owned", "ratio"), tuple(rows)
    )


def _give_or_take(p: float, error: float) -> str:
    return f"{chance(p)} ± {chance(error)}" if error else chance(p)


def _each(found: Audit) -> Section:
    one = found.together
    rows = [("model", name, chance(p)) for name, p in sorted(one.models.items(), key=lambda item: -item[1])]
    rows += [("consumer", name, chance(p)) for name, p in sorted(one.consumers.items(), key=lambda item: -item[1])]
    more = f" {len(rows) - 2 * ROWS} more are in the JSON." if len(rows) > 2 * ROWS else ""
    told = f"That it fails on a given day, its own part and everything it needs included.{more}"
    return Section("Chance of failing, one by one", told, ("", "which", "chance a day"), tuple(rows[: 2 * ROWS]))


def _retraining(when: Timetable) -> Section:
    at = f" first {span(when.at)} after the start" if when.at else " at the start"
    said = [
        f"At most {when.most} of {count(when.models, 'model')} retrain at once,{at}"
        + (f" ({listed(when.who[:6])}{', ...' if len(when.who) > 6 else ''})." if when.who else "."),
        f"Two or more are busy {percent(when.share)} of the time; at most {when.begin} begin at the same instant.",
    ]
    if when.exact:
        said.append(f"Exact over {span(when.period)}, after which all timetables repeat.")
    else:
        seen = f"the first {span(when.seen)} hold {MOST_RETRAININGS:,} retrainings and were looked at"
        said.append(f"Of the {span(when.period)} after which all timetables repeat, {seen}.")
    rows = tuple(
        (
            met.part,
            listed(met.who[:6]) + (", ..." if len(met.who) > 6 else ""),
            str(met.most),
            span(met.at),
            percent(met.share),
            DASH
            if met.slots is None
            else f"✗ {met.slots}: too few {percent(met.over)} of the time"
            if met.over
            else f"✓ {met.slots}",
        )
        for met in when.meetings[:ROWS]
    )
    columns = ("part hit together", "by", "at once", "first at", "two or more", "slots")
    return Section("Retraining", " ".join(said), columns, rows)


def _assumed(one: Architecture) -> Iterator[str]:
    """What the numbers rest on."""
    parts = [part for part in one.parts if part.kind != "consumer"]
    chosen = [part for part in parts if part.chosen]
    if chosen:
        rates = ", ".join(sorted({f"{part.kind} {percent(part.fails)}" for part in chosen}))
        yield f"Of {len(parts)} failure probabilities {len(chosen)} are defaults, chosen and not measured: {rates} a day."
    links = [link for link in one.links if link.how in ("reads", "from", "brain", "trained_on")]
    default = sum(link.chosen for link in links)
    if default:
        yield f"{default} of {count(len(links), 'gain')} are defaults: what a part reads and learns from shares a gain of 1 evenly."
    yield "A part that fails takes everything that reads it, runs on it or learns from it."
    costs = ", ".join(f"{name.replace('_', ' ')} {number(cost)}" for name, cost in one.costs._asdict().items())
    yield f"Costs, chosen unless the file says otherwise: {costs}."
    yield (
        f"A firewall lets {one.relief.firewall:g} of an error pass and a holdout {one.relief.holdout:g}; a new plain rule needs "
        f"nothing and fails with probability {percent(one.relief.fallback)} a day."
    )
    if not one.of("consumer"):
        yield "No consumers are described."
