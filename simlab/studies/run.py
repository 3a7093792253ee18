"""Run a scenario: play what is missing, summarise, and leave the finished record in its directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from simlab.base.errors import InputError
from simlab.results.record import Record
from simlab.scenario.scenario import Scenario
from simlab.studies.executors import Who, workers
from simlab.studies.plan import checked
from simlab.studies.runner import Progress, open_store, play_all
from simlab.studies.summary import summarise


def prepared(scenario: Scenario, replications: int | None = None, seed: int | None = None) -> Scenario:
    """The scenario with another number of replications or another seed. Raises InputError for an impossible number."""
    given = {key: value for key, value in (("replications", replications), ("seed", seed)) if value is not None}
    for key, value in given.items():
        least = 1 if key == "replications" else 0
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{key} must be a whole number of at least {least}, not {value!r}")
    if scenario.until and given.get("replications", 0) > scenario.most:
        raise InputError(f"replications must be at most run.until.most, {scenario.most}, not {replications}")
    resolved = dict(scenario.resolved) | {"run": dict(scenario.resolved["run"]) | given}
    run = resolved["run"]
    return replace(scenario, replications=run["replications"], seed=run["seed"], resolved=resolved)


def run(
    scenario: Scenario,
    *,
    jobs: int | None = None,
    executor: Who = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    cohort: int | None = None,
) -> Record:
    """The record of a scenario's run in its directory, played as far as it is not there yet.

    `out` is the run directory itself, by default `results/<scenario>/<hash>`. `jobs`, `executor` (see `workers`) and
    `cohort` never change a bit. Raises StorageError where the directory cannot be used, ExecutorError for an executor that breaks, and
    InputError for an impossible number, or for more memory than is free.
    """
    with workers(executor, jobs) as crew:
        checked(scenario, crew.here)
        with open_store(scenario, out) as store:
            record = play_all(scenario, store, executor=crew, progress=progress, cohort=cohort)
            with threadpool_limits(1):
                return store.finish(summarise(replace(scenario, replications=record.replications), record))
