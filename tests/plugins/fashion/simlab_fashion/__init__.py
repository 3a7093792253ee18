"""What this package adds to simlab; the classes named here are what `--plugin fashion` brings."""

from simlab_fashion.brain import Echo
from simlab_fashion.detector import Extremes
from simlab_fashion.hand import ToneDown
from simlab_fashion.world import Fads

__all__ = ["Echo", "Extremes", "Fads", "ToneDown"]
