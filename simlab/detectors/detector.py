"""Detector: an instrument that reads what models said and what came of it. It only reads, and knows no world.

Shapes: `r` replications, `m` models, `a` numbers in an answer, `s` samples of each feature, `f` features, `n` instants.
Recorded production metrics are one replication (`r` = 1), so the same instruments read them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, NamedTuple, TypeVar

from simlab.base.arrays import Floats
from simlab.base.par import check_parameters

S = TypeVar("S")


class Subject(NamedTuple):
    """What is watched. `interval` is the time between two scrapes in seconds; `reads` names each model's upstream models."""

    replications: int
    models: int
    answers: int = 1
    samples: int = 0
    features: int = 0
    interval: float = 1.0
    reads: tuple[tuple[int, ...], ...] = ()


class Frame(NamedTuple):
    """What came in since the last scrape, at `n` instants (one, in a simulation), the oldest first. NaN is unknown.

    `reality` is what came of the predictions of the same instant; where it cannot be held against them answer by answer it
    has another last axis. `nudges` are what a probe added to the predictions, 0 where none did.
    """

    times: Floats  # (n,) seconds
    predictions: Floats  # (n, r, m, a)
    reality: Floats  # (n, r, m, a) or (n, r, m, 1)
    features: Floats  # (n, r, s, f)
    nudges: Floats  # (n, r, m)


class Reading(NamedTuple):
    """What a detector shows after a scrape, each `(r,)`: by the method of record, and by the rule as it is popularly printed.

    NaN where it cannot tell yet, or not at all. An alarm is a value above the detector's threshold.
    """

    value: Floats
    seed: Floats


class Detector(ABC, Generic[S]):
    """A final frozen dataclass whose fields are its parameters.

    Its state `S` is a NamedTuple of arrays, `(r, ...)`, or `(window, r, ...)` for what slides; written in place. Windows count
    scrapes. `shows` says in words what the value is, and `seed_rule` gives the popular rule as it is printed.
    """

    shows: ClassVar[str]
    seed_rule: ClassVar[str]
    seed_threshold: ClassVar[float]

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    @abstractmethod
    def limit(self) -> float:
        """The value of record above which there is an alarm."""

    @abstractmethod
    def start(self, subject: Subject) -> S:
        """The state before the first scrape."""

    @abstractmethod
    def read(self, state: S, frame: Frame) -> Reading:
        """Take in what came since the last scrape, in place, and say what it comes to."""
