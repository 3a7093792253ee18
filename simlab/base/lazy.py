"""Public names that are imported when somebody asks for them, so that a package costs nothing until it is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def fetch(package: str, homes: Mapping[str, str], name: str) -> Any:
    """What `package` calls `name`, from the module of it that `homes` gives. Raises AttributeError, with all names, for another."""
    if name not in homes:
        raise AttributeError(f"module `{package}` has no attribute `{name}`; it has {', '.join(homes)}")
    return getattr(import_module(f"{package}.{homes[name]}"), name)
