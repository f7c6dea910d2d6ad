"""Names of a package that are imported from their modules when they are first used."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_attributes(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a function for a package's ``__getattr__`` (PEP 562).

    Args:
        package: the package's ``__name__``.
        modules: name → the module that defines it, relative to the package (``.classifier``).
    """

    def get_attribute(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name], package), name)
        setattr(sys.modules[package], name, value)  # the next use does not come here
        return value

    return get_attribute
