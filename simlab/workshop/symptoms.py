"""The four symptoms of a 3 AM playbook, each staged in a world of its own, with causes that look alike at the first glance.

All of it is data: a shipped scenario and one of its arms, what is changed for the night, the shocks of each cause, what the
verbs do there, and the three lines that the playbook prints for the symptom. Nothing here depends on what a player does.

Stagings were chosen, after trial runs, so that causes show in the same figures and the right answer differs; they claim nothing about how
often a cause is met. What an action is worth is never written down here: it is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, final

from simlab.interventions.constraint import Constraint
from simlab.interventions.human_review import HumanReview
from simlab.interventions.intervention import Intervention
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.limits import Limits
from simlab.interventions.reschedule import Reschedule
from simlab.interventions.throttle import Throttle
from simlab.lab.shocks import Shock

# What a verb takes, in looks: it has its effect, or its answer, when that time is over.
LOOKS = {"look": 1, "yesterday": 2, "graph": 2, "kill": 1, "isolate": 2, "route-rules": 2, "constrain": 3, "human": 4}
ACTS = ("kill", "isolate", "route-rules", "constrain", "human")
KILL, FREEZE, RULES = KillSwitch(), Reschedule(every=0.0), Throttle(passes=0.2)


class Cause(NamedTuple):
    """What is really the matter: shocks that begin at second 0 of the trouble, and the models that are wrong (None: all or none)."""

    name: str
    title: str
    clue: str  # how it could have been told
    shocks: tuple[Shock, ...]
    models: tuple[int, ...] | None = None


class Reading(NamedTuple):
    """A statement that a dashboard can answer: `measure` is above or below a value, or has changed so since.

    It is read as the mean of the last looks, so many as `over`. With `ago` it is the change within so many seconds; with `since` the change
    from before the trouble.
    """

    measure: str
    above: float | None = None
    below: float | None = None
    since: bool = False
    ago: float = 0.0
    over: int = 1


class Line(NamedTuple):
    """A line of the playbook as printed: something to find out (`reading`), or to do (`verb`), `only_if` the reading says yes."""

    words: str
    verb: str | None = None
    reading: Reading | None = None
    asks: str = ""  # how the reading is made, in words
    by: str = "look"  # the verb by which it is found out

    @property
    def only_if(self) -> bool:
        """Whether it is done on a condition."""
        return self.verb is not None and self.reading is not None


@final
@dataclass(frozen=True)
class Staging:
    """A symptom on its stage; times in simulated seconds.

    The trouble begins at `start`, up to three looks later, and the page comes `paged` after it. `look` is what a look takes. Harm is
    counted from the page to `horizon` in the measure `cost`, which the world adds up, or, where it is `running`, averages
    so far; `unit` is its unit. `on_all` says what each acting verb does, to all models or to those that are named, `plainly` what happens
    where no model decides, `bounds` what `constrain` holds, and `people` what is looked at. `changed` are parameters of the
    world that are other than the scenario's, and `retrained` how often brains are, where that is.
    """

    symptom: str
    key: str
    page: str
    scenario: str
    arm: str
    horizon: float
    start: float
    paged: float
    look: float
    cost: str
    unit: str
    alert: str
    shown: tuple[str, ...]
    on_all: Mapping[str, Intervention]
    plainly: str
    bounds: str
    people: str
    lines: tuple[Line, Line, Line]
    causes: tuple[Cause, ...]
    running: bool = False
    warmup: float = 0.0
    retrained: float | None = None
    changed: Mapping[str, float] = field(default_factory=dict)

    def takes(self, verb: str) -> float:
        """Simulated seconds that a verb takes; a note takes none."""
        return LOOKS.get(verb, 0) * self.look

    @property
    def first_act(self) -> Line:
        """The first line of the playbook that does anything."""
        return next(line for line in self.lines if line.verb)


def _world(name: str = "trouble", duration: float = float("inf"), **values: float) -> Shock:
    return Shock(name, "world", "set", duration=duration, values=values)


PREDICTIONS = Staging(
    symptom="Predictions suddenly wrong",
    key="predictions",
    page="Forecasts of all eight markets miss by far more than an hour ago. They were retrained a few minutes ago and still miss.",
    scenario="performative",
    arm="shared",
    horizon=3600.0,
    start=1200.0,
    paged=300.0,
    look=20.0,
    cost="loss",
    running=True,
    changed={"context": 0.2},  # quieter than the scenario, so that the page is no false alarm
    unit="squared error",
    alert="gap",
    shown=("gap", "said", "theta", "act", "moved"),
    on_all={
        "kill": KILL, "isolate": FREEZE, "route-rules": RULES, "constrain": Limits(low=-1.0, high=1.0),
        "human": HumanReview(capacity=100, error=0.1),
    },
    plainly="users act on what they believe themselves",
    bounds="users act within 1 of the usual 0, whatever the forecast",
    people="100 acts at a time",
    lines=(
        Line("Check for feedback loops", reading=Reading("moved", above=0.5, since=True, over=8),
             asks="what acts add to the outcome has risen by more than 0.5", by="graph"),
        Line("Compare with yesterday's reality", reading=Reading("theta", above=1.0, since=True, over=8),
             asks="the outcome itself has moved by more than 1", by="yesterday"),
        Line("KILL if spiraling", "kill", Reading("gap", above=0.0, ago=200.0, over=8),
             asks="the miss is larger than one retraining ago"),
    ),
    causes=(
        Cause("moved", "the fundamental shifted by 2, and the loop gain is 0.6: models are catching up",
              "yesterday shows that outcomes moved first and forecasts follow them; the miss shrinks with each retraining",
              (_world(base=2.0),)),
        Cause("loop", "agents respond four times as strongly: the loop gain is 1.5, and each retraining makes it worse",
              "the miss grows from retraining to retraining, and so does what acts add",
              (_world(base=0.5, response=3.0),)),
        Cause("labels", "a pipeline adds 3 to all outcomes that are learnt from; the world has not changed",
              "yesterday shows forecasts that moved first and further than outcomes",
              (Shock("trouble", "evidence", "shifted", size=3.0),)),
    ),
)  # fmt: skip

TOGETHER = Staging(
    symptom="All models failing together",
    key="together",
    page="The price falls, bids are thin, and all sixty-four forecasts are wrong by the same amount at the same time.",
    scenario="flash_crash",
    arm="shared",
    horizon=720.0,
    start=180.0,
    paged=45.0,
    look=5.0,
    cost="loss",
    unit="M$",
    alert="price",
    shown=("price", "depth", "drawdown", "volume", "position", "share"),
    changed={"limit": 120.0},  # two and a half times what was reported, so that it matters what models do
    on_all={
        "kill": KILL, "isolate": FREEZE, "route-rules": RULES, "constrain": Limits(low=-2.0, high=2.0),
        "human": HumanReview(capacity=16, error=0.1),
    },
    plainly="traders unwind what they hold",
    bounds="a trader orders at most 2 contracts at a time",
    people="16 orders at a time",
    lines=(
        Line("Find shared dependency", reading=Reading("agreement", above=0.9), asks="models answer alike", by="graph"),
        Line("Isolate unaffected models", "isolate"),
        Line("Route traffic to simple rules", "route-rules"),
    ),
    causes=(
        Cause("seller", "somebody outside sells 9% of the volume, whatever the price; the models only ride on it",
              "graph shows forecasts on the side of what happened; the volume rises first",
              (_world(seller=0.09),)),
        Cause("skewed", "a push shifted what every model says by 1 bp/s downwards; nobody outside sells",
              "graph shows forecasts below what happened, always; traders' position turns short",
              (Shock("trouble", "brain", "biased", size=-1.0),)),
        Cause("reversed", "somebody outside sells, and a push reversed what every model says: they lean against the fall",
              "graph shows forecasts against what happened; traders buy while all sell, and the fall is slow",
              (Shock("trouble", "brain", "garbled"), _world("seller", seller=0.09))),
    ),
)  # fmt: skip

# What is still being tried again at the end is not yet given up, a few seconds of requests: it makes no tenth of any harm below.
COSTS = Staging(
    symptom="Costs exploding",
    key="costs",
    page="The bill of the backend runs away: for each request it is called more often than at any time of the day.",
    scenario="retry_storm",
    arm="every",
    horizon=300.0,
    start=60.0,
    paged=10.0,
    look=2.0,
    warmup=10.0,
    cost="given_up",
    unit="requests",
    alert="offered",
    shown=("offered", "amplification", "goodput", "backlog", "allowed", "failed"),
    changed={"most": 130.0},
    on_all={
        "kill": KILL, "isolate": FREEZE, "route-rules": RULES, "constrain": Limits(low=0.0, high=0.1),
        "human": HumanReview(capacity=3, error=0.1),
    },
    plainly="nothing is tried again",
    bounds="at most one retry for ten requests",
    people="3 gateways at a time",
    lines=(
        Line("Your optimizer is working perfectly", reading=Reading("goodput", above=0.9), asks="more than 90% are answered"),
        Line("On the WRONG objective", reading=Reading("offered", above=1.0), asks="more is attempted than can be served"),
        Line("Add constraints NOW", "constrain"),
    ),
    causes=(
        Cause("pause", "the server stopped for a second and a half and is back; retries of what was given up keep it busy",
              "look shows four attempts for each request, and hardly an answer, long after the backlog began",
              (_world(duration=1.5, capacity=0.0),)),
        Cause("lost", "a quarter of the answers get lost on the way; retries are what still serves users",
              "look shows attempts up by a third, a server that keeps up, and users who are answered",
              (_world(lost=0.25),)),
        Cause("flood", "for half a minute there are nearly twice as many requests, more than can be served; then retries stay",
              "yesterday shows more requests than usual, before there were retries",
              (_world(duration=30.0, arrivals=110.0),)),
    ),
)  # fmt: skip

ROUND = 600.0  # the world's week, played in ten minutes: it has no time scale of its own

USERS = Staging(
    symptom="Users complaining",
    key="users",
    page="Users of a service with four surfaces write in: what they are shown is worse than it was. Its models report no outage.",
    scenario="goodhart",
    arm="one",
    horizon=60 * ROUND,
    start=16 * ROUND,
    paged=8 * ROUND,
    look=ROUND,
    cost="loss",
    running=True,
    unit="sd a slot",
    alert="true_gain",
    shown=("true_gain", "metric_gain", "worse_off", "gamed"),
    warmup=8 * ROUND,
    retrained=ROUND,
    changed={"round": ROUND, "adapt": 60 / 7 * ROUND, "recent": 50 / 7 * ROUND},
    on_all={
        "kill": KILL, "isolate": FREEZE, "route-rules": RULES,
        "constrain": Constraint(measure="gamed", bound=1.0, price=7.0), "human": HumanReview(capacity=14, error=0.1),
    },
    plainly="any candidate is shown, at random",
    bounds="what is shown may not be embellished beyond the average; models learn it",
    people="14 slots a round",
    lines=(
        Line("Models optimizing for models", reading=Reading("metric_gain", above=0.2, since=True),
             asks="the metric gains more than before"),
        Line("Not for humans", reading=Reading("true_gain", below=-0.1, since=True), asks="users gain less than before"),
        Line("Reintroduce human oversight", "human"),
    ),
    causes=(
        Cause("gamed", "those who are chosen from have learnt what the metric pays for",
              "look shows a metric that gains more than ever while users gain less",
              (_world(stakes=2.0),)),
        Cause("push", "a push reversed the scores of one of the four models",
              "graph shows one model that is wrong, and three that are as right as ever",
              (Shock("trouble", "brain", "garbled", models=(2,)),), (2,)),
        Cause("sign", "a store changed the sign of all features; models relearn what they mean in a few rounds",
              "graph shows all models wrong, and less so from round to round",
              (Shock("trouble", "features", "scaled", size=-1.0),)),
    ),
)  # fmt: skip

SYMPTOMS = (PREDICTIONS, TOGETHER, COSTS, USERS)
