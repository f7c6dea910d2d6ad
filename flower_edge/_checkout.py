"""Makes ``flower_edge.runtime`` a second name of ``runtime`` in a checkout, and likewise the other packages.

Both names lead to one module object, so that nothing is loaded twice. The wheel does not contain this file, because
the packages are below ``flower_edge`` there.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

PACKAGES = ("runtime", "finetune", "export", "benchmarks")
PREFIX = "flower_edge."


class _AliasLoader(Loader):
    """Loads a module by returning the module that has another name."""

    def __init__(self, original: str) -> None:
        self._original = original

    def exec_module(self, module: ModuleType) -> None:
        """Put the original module in the place of ``module``."""
        sys.modules[module.__name__] = import_module(self._original)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of the original module, for ``python -m``."""
        spec = find_spec(self._original)
        if spec is None or not isinstance(spec.loader, InspectLoader):
            return None
        return spec.loader.get_code(self._original)


class _AliasFinder(MetaPathFinder):
    """Finds every module of `PACKAGES` under its name below ``flower_edge``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec whose loader gives the module without the prefix, or None for other names."""
        original = fullname.removeprefix(PREFIX)
        if original == fullname or original.partition(".")[0] not in PACKAGES:
            return None
        original_spec = find_spec(original)
        if original_spec is None:
            return None
        return ModuleSpec(
            fullname,
            _AliasLoader(original),
            origin=original_spec.origin,
            is_package=original_spec.submodule_search_locations is not None,
        )


sys.meta_path.insert(0, _AliasFinder())
