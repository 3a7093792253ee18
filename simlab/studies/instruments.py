"""Detectors, and which model reads which, out of what a person types; whatever cannot be meant is refused with the nearest that can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simlab.base.errors import InputError, did_you_mean
from simlab.base.par import Parameter, parameters
from simlab.detectors.detector import Detector
from simlab.results.tables import visible
from simlab.scenario.registry import HOUSE


def instruments(names: Sequence[str] = (), settings: Sequence[str] = ()) -> dict[str, Detector[Any]]:
    """Detectors by name, all of them by default, with `DETECTOR.PARAMETER=VALUE` for each parameter that is not the default.

    Raises InputError for a name, a parameter or a value that cannot be, with the nearest that can.
    """
    shelf = HOUSE.detectors
    known = shelf.names()
    chosen = dict.fromkeys(names or known)
    for name in chosen:
        if name not in known:
            raise InputError(f"--detectors: unknown detector `{visible(name)}`; {did_you_mean(name, known)}")
    given: dict[str, dict[str, Any]] = {name: {} for name in chosen}
    for setting in settings:
        path, sign, text = setting.partition("=")
        name, _, key = path.strip().partition(".")
        if not sign or name not in given:
            hint = did_you_mean(name, given) if sign else "write e.g. feedback_spiral.window=120"
            raise InputError(f"--set {visible(setting)}: expected DETECTOR.PARAMETER=VALUE; {hint}")
        declared = parameters(_found(name))
        if key not in declared:
            raise InputError(
                f"--set {visible(setting)}: unknown parameter `{visible(key)}`; {did_you_mean(key, declared)}"
            )
        given[name][key] = _value(declared[key], text.strip(), setting)
    return {name: _found(name)(**given[name]) for name in chosen}


def links(given: Sequence[str], models: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Which models read which, out of `MODEL=UPSTREAM,UPSTREAM`; nothing where nothing is given. Raises InputError for unknown models."""
    if not given:
        return ()
    reads: list[list[int]] = [[] for _ in models]
    for link in given:
        model, sign, above = (part.strip() for part in link.partition("="))
        for name in (model, *(one.strip() for one in above.split(","))):
            if not sign or name not in models:
                hint = did_you_mean(name, models) if sign else f"write e.g. --reads {models[-1]}={models[0]}"
                raise InputError(
                    f"--reads {visible(link)}: expected MODEL=UPSTREAM, columns of --predictions; {visible(hint, 400)}"
                )
        upstream = [models.index(name.strip()) for name in above.split(",")]
        if models.index(model) in upstream:
            raise InputError(
                f"--reads {visible(link)}: a model that reads itself says nothing of a cascade; leave it out"
            )
        reads[models.index(model)] += upstream
    return tuple(map(tuple, reads))


def _found(name: str) -> type[Any]:
    found = HOUSE.detectors.find(name)
    assert found is not None  # noqa: S101  # of the names there are
    return found


def _value(declared: Parameter, text: str, setting: str) -> Any:
    kind = declared.kind
    try:
        return kind(text) if kind in (int, float) else text
    except ValueError:
        raise InputError(
            f"--set {visible(setting)}: expected a {'whole ' if kind is int else ''}number ({declared.par.about})"
        ) from None
