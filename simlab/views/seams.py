"""Which seam does it? The effects of a factorial design in words, a picture and a table; from the summary alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from simlab.scenario.factorial import title_of, words
from simlab.scenario.scenario import Scenario
from simlab.views.figures import Level, forest
from simlab.views.ink import Drawing, drawing
from simlab.views.markup import Cell, Html, element, grid, paragraph, picture, table, together
from simlab.views.verdict import Headline, headline
from simlab.views.words import DASH, count, human, interval, listed, number, points, sentence, signed, slug

MOST = 11  # the most measures drawn beside the headline; the table has them all


class Seen(NamedTuple):
    """One effect as it is told: what was done, its size, interval and number of sub-tables."""

    seams: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    effect: float | None
    ci: tuple[float, float] | None
    n: int
    over: int
    clear: bool

    @property
    def name(self) -> str:
        """The step in a few words: "brain: own to one", or "brain one with features one"."""
        if len(self.seams) == 1:
            return f"{self.seams[0]}: {self.before[0]} to {self.after[0]}"
        return " with ".join(f"{seam} {level}" for seam, level in zip(self.seams, self.after, strict=True))


def seen(rows: Sequence[Mapping[str, Any]]) -> list[Seen]:
    """The effects of one measure as the summary holds them."""
    return [
        Seen(
            tuple(row["seams"]),
            tuple(row["before"]),
            tuple(row["after"]),
            row["effect"],
            None if row["ci95"] is None else (row["ci95"][0], row["ci95"][1]),
            row["n"],
            row["over"],
            row["clear"],
        )
        for row in rows
    ]


def of_headline(summary: Mapping[str, Any], scenario: Scenario) -> list[Seen]:
    """The effects on what the verdict speaks of."""
    found, top = summary["factorial"], headline(scenario)
    return seen(found["harm"] if top.share else found["measures"][top.measure])


def verdict(summary: Mapping[str, Any], scenario: Scenario) -> str:
    """One sentence: which seam moves the headline, by how much, which does not, and which depend on each other."""
    top, found = headline(scenario), of_headline(summary, scenario)
    main = [one for one in found if len(one.seams) == 1]
    told = [one for one in main if one.effect is not None]
    unknown = [seam for seam in summary["factorial"]["seams"] if not any(one.seams == (seam,) for one in told)]
    if not told:
        return f"Nothing can be told of any seam: no two arms differ in one seam alone{_left(unknown)}."
    if all(one.ci is None for one in told):
        return f"{count(max(one.n for one in told), 'replication')} tell nothing of the seams: too few for an interval."
    clear = sorted((one for one in told if one.clear), key=_size, reverse=True)
    if not clear:
        most = max(told, key=_size)
        said = f"no seam is found to do it: the largest effect on {top.label} is that of {_step(most)} ({_size_of(top, most)})"
    else:
        said = _who(top, clear)
    rest = list(dict.fromkeys(one.seams[0] for one in told if not any(c.seams == one.seams for c in clear)))
    if clear and rest:
        said += f"; the {listed(rest)}: no effect found"
    both = sorted((one for one in found if len(one.seams) == 2 and one.clear), key=_size, reverse=True)
    if both:
        said += f"; {_together(top, both[0])}" + (f", and {count(len(both) - 1, 'more pair')}" if len(both) > 1 else "")
    return sentence(said) + _left(unknown) + "."


def _who(top: Headline, clear: Sequence[Seen]) -> str:
    """Which seams move it, those that make it worse first."""
    worse = [one for one in clear if top.worse != "neither" and ((one.effect or 0) > 0) == (top.worse == "higher")]
    first, rest = (worse or clear)[0], [one for one in clear if one is not (worse or clear)[0]]
    many = first.seams[0] in ("features", "data")
    alone, several = (
        ("does it", "do it")
        if worse
        else ("helps", "help")
        if top.worse != "neither"
        else ("moves it most", "move it most")
    )
    does = several if many else alone
    verb = "raises" if (first.effect or 0) > 0 else "lowers"
    said = f"the {first.seams[0]} {does}: {_step(first)} {verb} {top.label} ({_size_of(top, first)})"
    said += f", averaged over {count(first.over, 'combination')} of the others" if first.over > 1 else ""
    if rest:
        said += "; " + listed([f"{_step(one)}: {_short(top, one)}" for one in rest])
    return said


def _together(top: Headline, both: Seen) -> str:
    pair = " with ".join(words(seam, level) for seam, level in zip(both.seams, both.after, strict=True))
    return f"{pair}: {_short(top, both)} beyond the sum of the two"


def _step(one: Seen) -> str:
    return f"{words(one.seams[0], one.after[0])} instead of {words(one.seams[0], one.before[0])}"


def _size(one: Seen) -> float:
    return abs(one.effect or 0.0)


def _size_of(top: Headline, one: Seen) -> str:
    return top.say_difference(one.effect, one.ci)


def _short(top: Headline, one: Seen) -> str:
    return _size_of(top, one).split(",")[0]


def _left(unknown: Sequence[str]) -> str:
    return f"; nothing can be told of the {listed([*unknown])} alone" if unknown else ""


def drawings(summary: Mapping[str, Any], scenario: Scenario) -> list[Drawing]:
    """A picture of the headline's effects, and one of the main effects on each measure. Call within `style()`."""
    top, found = headline(scenario), summary["factorial"]
    drawn = []
    if top.share:
        drawn.append(_drawn(seen(found["harm"]), f"{top.label}, points", "harm", points, top))
    for name in list(found["measures"])[: MOST + 1]:
        rows = seen(found["measures"][name])
        rows = rows if name == top.measure and not top.share else [one for one in rows if len(one.seams) == 1]
        if any(one.effect is not None for one in rows):
            drawn.append(_drawn(rows, f"mean {human(name)}", slug(name), number))
    return drawn


def _drawn(
    rows: Sequence[Seen], heading: str, name: str, say: Callable[[float], str], top: Headline | None = None
) -> Drawing:
    seams = list(dict.fromkeys(seam for one in rows for seam in one.seams))
    levels = []
    for one in rows:
        if one.effect is None:
            continue
        said = _size_of(top, one).split(",")[0] if top else f"{signed(one.effect)} ({interval(one.ci)})"
        at = seams.index(one.seams[0]) if len(one.seams) == 1 else len(seams)
        levels.append((at, Level(one.name, one.effect, one.ci, said, one.clear)))
    alt = f"Effects on {heading}. " + ". ".join(f"{one.title}: {one.text}" for _, one in levels) + "."
    return drawing(forest(levels, heading, say), f"seam_{name}", alt)


def section(summary: Mapping[str, Any], scenario: Scenario, drawn: Sequence[Drawing]) -> Html:
    """The verdict, the pictures, what was left out, and the table."""
    found = summary.get("factorial")
    if not found:
        return Html("")
    explained = (
        "The step from the first level of a seam to another, replication by replication on the same luck and averaged over the other "
        "seams, with 95% intervals. “With” says how much more the first step does where the second was made too. A filled mark is clear "
        "of 0 for all effects together (Bonferroni)."
    )
    dropped = [f"{title_of(one['levels'])}: {one['why']}" for one in found["dropped"]]
    left = f"{count(len(dropped), 'combination')} left out, and every effect taken only over whole sub-tables. "
    return together(
        item
        for item in (
            element("p", element("strong", verdict(summary, scenario))),
            paragraph(explained, "soft"),
            grid([picture(one) for one in drawn]),
            paragraph(left + "; ".join(dropped) + ".", "soft") if dropped else Html(""),
            _table(found, scenario),
        )
        if item.text
    )


def _table(found: Mapping[str, Any], scenario: Scenario) -> Html:
    rows: list[Sequence[Cell]] = []
    groups = []
    top = headline(scenario)
    measures: dict[str, Sequence[Mapping[str, Any]]] = dict(found["measures"])
    for title, effects, share in (
        *([(top.label, found["harm"], True)] if top.share else []),
        *((f"mean {human(name)}", each, False) for name, each in measures.items()),
    ):
        groups.append(len(rows))
        for i, one in enumerate(seen(effects)):
            size = top.say_difference(one.effect, one.ci).partition(", 95% interval ") if share else None
            known = (size[0], size[2] or DASH) if size else (signed(one.effect), interval(one.ci))
            told = known if one.effect is not None else (DASH, "no whole sub-table")
            word = "clear" if one.clear else ""
            rows.append([title if i == 0 else "", one.name, *told, str(one.over), f"{one.n:,}", word])
    columns = ("measure", "step", "effect", "95% interval", "sub-tables", "n", "")
    return table(columns, rows, (2, 3, 4, 5), groups)
