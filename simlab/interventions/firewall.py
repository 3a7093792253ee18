"""Firewall: a model reads reality, not what the model before it made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.par import Par
from simlab.interventions.intervention import Intervention, Moment, Seam, Setting, Upstream, over


@final
@dataclass(frozen=True)
class Firewall(Intervention):
    """Re-ground a chain of models at those where it is on: errors made further up do not get past it.

    What such a model reads from an upstream model is held to within `limit` of the last outcome that was seen of that model (0 before
    any); with a limit of 0 it reads that outcome itself, a tick old. It learns from what it read so. Only
    models that read others have anything to be shielded from: a topology without `reads` is refused.
    """

    seam: ClassVar[Seam] = "upstream"

    limit: Annotated[float, Par("1", "how far from reality what is read may be, in the unit of predictions", low=0)] = (
        0.0
    )

    def why_not(self, setting: Setting) -> str | None:
        """There must be models that read others."""
        if setting.topology.reads:
            return None
        return "stands between models that read each other, and none does here; write e.g. `topology: chain`"

    def apply(self, value: Upstream, on: Bools, moment: Moment) -> Upstream:
        """What models that are `on` `(r, m)` read, close to reality; what the others read as it is."""
        near = np.clip(value.said, value.real - self.limit, value.real + self.limit)
        return value._replace(said=np.where(over(on, near), near, value.said))
