"""What a notebook shows of a run: verdict, main figure, and a small table."""

from __future__ import annotations

from simlab.results.record import Record
from simlab.scenario.scenario import Scenario
from simlab.views.ink import drawing, on_paper, style
from simlab.views.markup import element, table
from simlab.views.pictures import main, main_alt
from simlab.views.verdict import contrasts, headline, verdict
from simlab.views.words import DASH


def snippet(record: Record, scenario: Scenario) -> str:
    """The run as a piece of HTML: no scripts, no styles that reach outside it, every text escaped."""
    given = main(record, scenario)
    top = headline(scenario)
    with style():
        drawn = drawing(given.figure(), "main", main_alt(given))
    against = {
        c.arm: top.say_difference(c.difference, c.ci)
        for c in contrasts(record.summary, scenario)
        if c.difference is not None
    }
    rows = [
        (arm.title, one.text, against.get(arm.name, DASH)) for arm, one in zip(scenario.arms, given.levels, strict=True)
    ]
    said = element("p", element("strong", verdict(record.summary, scenario)))
    return on_paper(drawn, said.text, table(("arm", top.label, "against the first"), rows).text)
