"""simlab: what happens when models change the world they learn from, and share a brain.

results = simlab.run(simlab.load("flash_crash"))
results.plot()
results.report("report.html")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from simlab.scenario.registry import Own
    from simlab.scenario.scenario import Scenario
    from simlab.studies.executors import Who
    from simlab.studies.runner import Progress
    from simlab.views.comparison import Comparison
    from simlab.views.results import Results
    from simlab.views.sweeps import Sweep

__version__ = "0.1.0"

_HOMES = {
    "Action": "simlab.base.world",
    "Brain": "simlab.brains.brain",
    "Comparison": "simlab.views.comparison",
    "Feedback": "simlab.base.world",
    "Intervention": "simlab.interventions.intervention",
    "Luck": "simlab.base.luck",
    "Measure": "simlab.base.world",
    "Par": "simlab.base.par",
    "Record": "simlab.results.record",
    "Results": "simlab.views.results",
    "Scenario": "simlab.scenario.scenario",
    "SimlabError": "simlab.base.errors",
    "Spec": "simlab.base.world",
    "Sweep": "simlab.views.sweeps",
    "Topology": "simlab.brains.topology",
    "Trial": "simlab.lab.trial",
    "World": "simlab.base.world",
    "wire": "simlab.brains.topology",
}

_FLOORS = ("brains", "workshop")  # `simlab.brains.Estimator`, `simlab.workshop.explore`

__all__ = [*_HOMES, "compare", "load", "open", "run", "sweep"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _FLOORS:
        return import_module(f"simlab.{name}")
    raise AttributeError(f"module `simlab` has no attribute `{name}`; it has {', '.join(sorted(__all__))}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def load(what: str | Path | Mapping[str, Any], *, using: Own = (), **overrides: Any) -> Scenario:
    """The scenario that a shipped name, a YAML file, a text of YAML or a mapping describes.

    Overrides are paths in the YAML with `__` for the dots: `load("flash_crash", run__replications=64)`. `using` adds worlds, brains,
    interventions and detectors of your own, wherever they are defined: a list of classes, `MyWorld` to be written as `my_world`, or
    a mapping from names to classes. Raises InputError listing every problem of the scenario and of the overrides.
    """
    from simlab.base.errors import InputError
    from simlab.scenario.keys import RUN
    from simlab.scenario.load import load as read
    from simlab.scenario.registry import HOUSE

    if short := [name for name in overrides if name in RUN]:
        meant = ", ".join(f"run__{name}={overrides[name]!r:.60}" for name in short)
        raise InputError(f"load() has no keyword `{short[0]}`; overrides are paths with `__` for the dots: {meant}")
    patches = {path.replace("__", "."): value for path, value in overrides.items()}
    return read(what, patches, registry=HOUSE.using(using) if using else HOUSE)


def run(
    scenario: Scenario | str | Path,
    *,
    replications: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    executor: Who = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Results:
    """Play a scenario, or the one of that name or file, into its run directory, or find it done there, and return its results.

    `out` is the directory itself, by default `results/<scenario>/<hash>`; `jobs` processes (by default one a CPU) never change
    a bit, nor does an `executor` of `concurrent.futures` (which is given `jobs` cohorts at a time), "dask" (a cluster on this machine) or
    "dask:tcp://HOST:PORT". A notebook shows how far it is; `progress` is told instead, e.g. `progress=lambda _: None` for silence. Raises
    StorageError where the directory cannot be used.
    """
    from pathlib import Path

    from simlab.studies.run import prepared
    from simlab.studies.run import run as play
    from simlab.views.live import bar
    from simlab.views.results import Results

    ready = prepared(load(scenario) if isinstance(scenario, str | Path) else scenario, replications, seed)
    return Results(play(ready, jobs=jobs, executor=executor, out=out, progress=progress or bar(ready.name)), ready)


def sweep(
    scenario: Scenario,
    axes: Mapping[str, Sequence[Any] | str] | str,
    *,
    arms: Sequence[str] | None = None,
    measure: str | None = None,
    stat: str | Mapping[str, float] | None = None,
    design: str = "grid",
    points: int | None = None,
    replications: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    executor: Who = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Play a scenario at many points, all on the same luck: `sweep(scenario, {"world.flash_crash.limit": [70, 140]})`.

    Values are as in YAML: a list, or the text of a range `low:high:count`; or `axes` is the name of one of the scenario's own studies.
    `out` is the directory, by default `results/<scenario>/sweep-<hash>`. Raises InputError with everything that cannot be played,
    StorageError where the directory cannot be used.
    """
    from simlab.studies.points import plan, study_of
    from simlab.studies.run import prepared
    from simlab.studies.sweep import sweep as play
    from simlab.views.live import bar
    from simlab.views.sweeps import Sweep

    ready = prepared(scenario, replications, seed)
    if isinstance(axes, str):
        study = study_of(ready, axes, replications)
    else:
        study = plan(ready, axes, arms=arms, measure=measure, stat=stat, design=design, points=points)
    told = progress or bar(f"{ready.name}, {study.name}")
    return Sweep(*play(ready, study, jobs=jobs, executor=executor, out=out, progress=told))


def open(run_directory: str | Path, *, using: Own = ()) -> Results:  # noqa: A001
    """The results of a finished run, `using` the same classes of your own as when it was played.

    Raises StorageError where a file is missing or damaged, InputError where a class is missing.
    """
    from simlab.results.record import Record
    from simlab.scenario.build import rebuild
    from simlab.scenario.registry import HOUSE
    from simlab.views.results import Results

    record, registry = Record.open(run_directory), HOUSE.using(using) if using else HOUSE
    return Results(record, rebuild(record.manifest["document"], record.manifest["scenario"], registry))


def compare(
    run: Results, other: Results | str, arm_b: str | None = None, *, arm: str | Sequence[str] = ()
) -> Comparison:
    """Two arms of a run, `compare(results, "isolated", "shared")`, or two runs, `compare(before, after)`: B minus A, paired.

    Of two runs every arm that is in both is compared, or those in `arm`: "x", or "x:y" for x of the first and y of the second. Raises
    InputError for unknown arms, and, with what differs, for runs of another world, seed or number of replications.
    """
    from simlab.base.errors import InputError
    from simlab.studies.compare import Side, compare_arms, compare_runs
    from simlab.views.comparison import Comparison

    a = Side(run.record, run.scenario)
    if isinstance(other, str):
        if arm_b is None:
            raise InputError(f"name two arms, e.g. `compare(results, {other!r}, {run.record.arms[-1]!r})`")
        return Comparison(compare_arms(a, other, arm_b))
    return Comparison(compare_runs(a, Side(other.record, other.scenario), [arm] if isinstance(arm, str) else list(arm)))
