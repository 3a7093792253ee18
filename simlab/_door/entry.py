"""The way in: Ctrl-C is answered from the first moment, while everything else is still imported, to the last."""

from __future__ import annotations

import atexit
from importlib import import_module

from simlab._door import stopping


def main() -> None:
    """Do what `simlab` was asked for, and exit with its code."""
    stopping.at_once()
    atexit.register(stopping.at_last)  # who is the first to be noted here is the last to be called
    try:
        import_module("simlab.__main__").main()  # by its name, since it is the one who opens this room
    finally:
        stopping.at_once()
