"""For whoever wants to understand: the explorer."""

from simlab.workshop.explore import explore

__all__ = ["explore"]
