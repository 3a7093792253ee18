"""How many examples a property is tried on, where the usual 100 take too long."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> settings:
    """So many for every commit, and as many times more as the profile asks more than the usual 100: `nightly` 50 times."""
    return settings(max_examples=count * settings.default.max_examples // 100)  # type: ignore[union-attr]
