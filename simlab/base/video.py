"""What players of streamed video and the rules that choose for them have in common."""

from __future__ import annotations

from simlab.base.world import Spec

LADDER = (0.3, 0.75, 1.2, 1.85, 2.85, 4.3)  # Mbit/s: Mao, Netravali & Alizadeh (2017), SIGCOMM


def no_player(spec: Spec, rates: tuple[float, ...]) -> str | None:
    """What is wrong where a rule reads a player: it needs throughput, buffer and last rate, and a choice for each of its rates."""
    if spec.features == 3 and spec.choices == len(rates):
        return None
    return f"needs throughput, buffer and last rate, and a choice for each of {len(rates)} rates"
