"""Properties are tried on the same examples every time, so that the suite does not flake.

`--hypothesis-profile anew` draws others each time and prints what repeats a failure; `--hypothesis-profile nightly` draws
fifty times as many.
A failure that either finds is written down as an `@example`.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.register_profile("anew", derandomize=False, deadline=None, database=None, print_blob=True)
settings.register_profile("nightly", derandomize=False, max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile("suite")
