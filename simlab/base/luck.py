"""Luck: the numbers a world or a brain draws, by purpose and never by arm or cohort."""

from __future__ import annotations

from abc import ABC, abstractmethod

from simlab.base.arrays import Array, Floats


class Luck(ABC):
    """Parameter-free random numbers for a cohort of `r` replications.

    Every draw is a pure function of (seed, replication, purpose, tick): arms that ask at the same
    tick for the same purpose meet the same numbers, whatever else they drew (common random
    numbers). Transform what is drawn here (an inverse CDF keeps arms paired); never draw at a rate.

    `shape` is `(r, ...)`, the same at every call for one purpose; a purpose is drawn at most once a
    tick. Extending the second axis leaves what the first agents are dealt unchanged. The
    returned array is float64 (unless said), read-only, and overwritten by the next draw for its purpose: copy it to keep it.
    """

    replications: int

    @abstractmethod
    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Uniform on [0, 1)."""

    @abstractmethod
    def normal(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Standard normal (exact: NumPy's ziggurat)."""

    @abstractmethod
    def exponential(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Exponential with mean 1."""

    @abstractmethod
    def noise(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Standard normal for bulk noise, several times faster: one of 65,536 equally likely values.

        Mean 0, variance 1, tails cut at 4.3 standard deviations; say so in the world's docstring. Use `normal` for
        what is small, shared by all, or decided in the tails.
        """

    @abstractmethod
    def cells(self, purpose: str, shape: tuple[int, ...]) -> Array:
        """The same luck as `noise`, as uint16: the cell of the normal each is dealt, of which `kernels.normals` makes numbers.

        A quarter of the memory, and the numbers can be made a few replications at a time, just before they are used.
        """
