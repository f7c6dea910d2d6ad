"""The suites: one module for each report, in this folder or in a room of it, and the registry that finds them.

A suite decides what is measured, and in which order. How something is measured belongs in `benchmarks.measurements`.
"""

import ast
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.core.harness import Suite
from runtime.errors import FlowerError

DEFAULT_SUITE = "models"
"""The suite that ``python -m benchmarks`` runs without a subcommand."""


def suite_names() -> tuple[str, ...]:
    """Return the names of all suites, which are the names of the modules in this folder and in its rooms."""
    return tuple(sorted(_modules()))


def suite_summary(name: str) -> str:
    """Return the first line of the docstring of the suite ``name``.

    The module is parsed, not imported, because suites import large libraries.
    """
    spec = find_spec(_modules().get(name, f".{name}"), __name__)
    if spec is None or spec.origin is None:
        raise FlowerError(f"there is no suite {name!r}")
    source = Path(spec.origin).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or name).splitlines()[0].rstrip(".")


def load_suite(name: str) -> Suite:
    """Import the module of the suite ``name`` and return its ``SUITE``.

    Raises:
        FlowerError: no such suite.
    """
    modules = _modules()
    if name not in modules:
        raise FlowerError(f"there is no suite {name!r}; choose from: {', '.join(suite_names())}")
    suite: Suite = import_module(modules[name], __name__).SUITE
    return suite


def _modules() -> dict[str, str]:
    """Return the module of each suite by its name, relative to this package."""
    found: dict[str, str] = {}
    for entry in pkgutil.iter_modules(__path__):
        if entry.ispkg:
            room = pkgutil.iter_modules([str(Path(folder, entry.name)) for folder in __path__])
            found |= {module.name: f".{entry.name}.{module.name}" for module in room}
        else:
            found[entry.name] = f".{entry.name}"
    return found
