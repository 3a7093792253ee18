"""An intervention that believes half of what is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, final

import numpy as np

from simlab import Intervention, Par


@final
@dataclass(frozen=True)
class ToneDown(Intervention):
    """Multiplies predictions by `factor`."""

    seam: ClassVar[str] = "prediction"  # type: ignore[assignment]
    factor: Annotated[float, Par("1", "what predictions are multiplied by", low=0, high=1)] = 0.5

    def apply(self, value: np.ndarray, on: np.ndarray, moment: Any) -> np.ndarray:
        """Predictions `(r, m)`, toned down where `on`."""
        return np.where(on, self.factor * value, value)
