"""Properties are tried on the same examples every time, so that the suite does not flake; other profiles look further."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.register_profile("anew", deadline=None, database=None, print_blob=True)
settings.register_profile("nightly", max_examples=5_000, deadline=None)
settings.load_profile("suite")
