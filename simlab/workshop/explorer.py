"""The explorer: one slider from isolated to shared.

Every step is an arm of one run, on the same luck, so moving the slider plays nothing: `share` of the models are wired as the seam says, and
the rest are isolated. Without ipywidgets (or in a document that nobody can touch) it is a row of pictures, one a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from simlab.base.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from simlab.scenario.scenario import Scenario
    from simlab.views.results import Results

SEAMS = ("shared", "shared_brain", "feature_store", "shared_data")
STEPS = 5
# what names arms, or judges them, and what only takes time here
ASIDE = ("arms", "factorial", "claims", "scoreboard", "studies", "readiness", "record", "detectors")
SMALL = 32  # replications: enough to see, few enough to wait for


def explore(
    scenario: str | Scenario,
    seam: str = "shared",
    *,
    steps: int = STEPS,
    replications: int = SMALL,
    jobs: int | None = None,
    out: str | Path | None = None,
) -> Explorer:
    """Play a scenario at `steps` steps from isolated to shared, or find that done, and show them behind one slider.

    `seam` is what the models come to share: "shared" (all), "shared_brain", "feature_store" or "shared_data". Only the first arm's
    wiring is varied; world, brain, schedule, shocks and harm are the scenario's. `out` is the run directory, by default
    `results/<scenario>/<hash>`. Raises InputError where there is nothing to share, and ScenarioError where a step cannot be played.
    """
    from simlab.scenario.build import rebuild
    from simlab.scenario.load import load
    from simlab.studies.run import prepared, run
    from simlab.views.live import bar
    from simlab.views.results import Results

    base = load(scenario) if isinstance(scenario, str) else scenario
    if seam not in SEAMS:
        raise InputError(f"unknown seam `{seam}`; {did_you_mean(seam, SEAMS)}")
    models = base.arms[0].trial.topology.models
    arms = {
        _name(k): {"title": title(k, models), "topology": {"wiring": seam, "share": k / models}}
        for k in shares(models, steps)
    }
    given = {key: value for key, value in base.resolved.items() if key not in ASIDE}
    document = given | {
        "arms": arms,
        "controls": {},
        "detectors": {},
        "title": f"{base.title}: from isolated to {seam.replace('_', ' ')}"[:100],
    }
    made = rebuild(document, base.name, base.registry)  # as a part of a study: without controls
    if all(arm.trial == made.arms[0].trial for arm in made.arms):
        raise InputError(f"`{seam}` changes nothing in {base.name}: its world cannot tell the steps apart")
    ready = prepared(made, min(replications, made.most))
    return Explorer(Results(run(ready, jobs=jobs, out=out, progress=bar(ready.name)), ready), seam)


def shares(models: int, steps: int = STEPS) -> list[int]:
    """How many models share at each step, from none to all; one model that shares with nobody is no step.

    Raises InputError where there is nothing to share.
    """
    if models < 2:
        raise InputError("this scenario has one model: it shares with nobody")
    if steps < 2:
        raise InputError(f"steps must be at least 2, isolated and shared, not {steps}")
    found = {round(i * models / (steps - 1)) for i in range(steps)}
    return sorted(found - {1} | {0, models})


def title(k: int, models: int) -> str:
    """What a step is called."""
    return "isolated" if k == 0 else f"all {models} share" if k == models else f"{k} of {models} share"


def _name(k: int) -> str:
    return "isolated" if k == 0 else f"share_{k}"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Explorer:
    """What a notebook shows as a slider, or as a row of pictures; `results` are those of all steps."""

    results: Results
    seam: str

    @property
    def arms(self) -> tuple[str, ...]:
        """The steps, from isolated to shared."""
        return self.results.record.arms

    def figure(self, step: int | str = -1) -> Any:
        """A matplotlib Figure of one step beside isolated, over time; `step` is its number or its arm."""
        at = self.arms[step] if isinstance(step, int) else step
        return self.results.plot.fan(arms=dict.fromkeys((self.arms[0], at)))

    def plot(self) -> Any:
        """A matplotlib Figure of all steps side by side."""
        return self.results.plot()

    def widget(self) -> Any:
        """The slider with its picture. Raises InputError without ipywidgets."""
        if find_spec("ipywidgets") is None:
            raise InputError(
                "the slider needs ipywidgets: pip install 'simlab[notebook]'; without it, show the explorer itself"
            )
        made = import_module("ipywidgets")
        titles = [arm.title for arm in self.results.scenario.arms]
        options = list(zip(titles, self.arms, strict=True))
        slider = made.SelectionSlider(options=options, value=self.arms[-1], description=self.seam.replace("_", " "))
        picture = made.HTML(self._drawn(self.arms[-1]))

        def show(change: dict[str, Any]) -> None:
            picture.value = self._drawn(change["new"])

        slider.observe(show, names="value")
        return made.VBox([slider, picture])

    def _drawn(self, arm: str) -> str:
        return str(self.figure(arm)._repr_html_())

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None) -> Any:
        """Pictures that stay in the document; beside them the slider, for whoever can show it."""
        static = {"text/plain": repr(self), "text/html": self.results._repr_html_()}
        if find_spec("ipywidgets") is None:
            return static
        live = self.widget()._repr_mimebundle_()
        return static | {key: value for key, value in live.items() if key not in static}

    def __repr__(self) -> str:
        return f"<Explorer of {self.results.scenario.name} from isolated to {self.seam}: {self.results.verdict}>"
