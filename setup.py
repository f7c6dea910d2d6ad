"""The build: puts the four packages of a checkout below ``flower_edge``, the one name that the wheel installs.

The sources import each other as ``runtime``, ``finetune``, ``export`` and ``benchmarks``, the names of their folders.
The build changes ``from runtime.errors import …`` into ``from flower_edge.runtime.errors import …`` in its copies.
All else about the distribution is in pyproject.toml.
"""

import ast
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

DISTRIBUTION = "flower_edge"
PACKAGES = ("runtime", "finetune", "export", "benchmarks")
CHECKOUT_ONLY = ("_checkout",)
FOUND = find_packages(include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")])


class BuildInstalledNames(build_py):
    """Copies the modules, with the names that they have once installed."""

    def build_module(self, module: str, module_file: str, package: str | list[str]) -> tuple[str, bool]:
        """Copy one module into the build folder and change its imports."""
        target, copied = super().build_module(module, module_file, package)
        path = Path(target)
        path.write_text(with_installed_names(path.read_text(encoding="utf-8")), encoding="utf-8")
        return target, copied

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Leave out what serves in a checkout only."""
        return [found for found in super().find_package_modules(package, package_dir) if found[1] not in CHECKOUT_ONLY]


class EditableWithFolderNames(editable_wheel):
    """Links to the checkout, where the packages have the names of their folders."""

    def run(self) -> None:
        """Install ``flower_edge``, which finds the packages beside it, and the packages."""
        self.distribution.packages = [DISTRIBUTION, *FOUND]
        self.distribution.package_dir = {}
        super().run()


def with_installed_names(source: str) -> str:
    """Return ``source`` with ``flower_edge.`` before the names of this project's packages in import statements."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        ours = [name for name in names if name.partition(".")[0] in PACKAGES]
        if not ours:
            continue
        # One statement, one line up to the module's name: ``import runtime`` binds ``runtime`` and keeps that name.
        line = lines[node.lineno - 1]
        if isinstance(node, ast.Import):
            if len(names) > 1 or "." in names[0]:
                raise SystemExit(f"write 'from PACKAGE import MODULE' for this project's packages, not: {line.strip()}")
            changed = line.replace(f"import {names[0]}", f"from {DISTRIBUTION} import {names[0]}", 1)
        else:
            changed = line.replace(f"from {names[0]} ", f"from {DISTRIBUTION}.{names[0]} ", 1)
        if changed == line:
            raise SystemExit(f"this import cannot be prefixed; write it as one plain statement: {line.strip()}")
        lines[node.lineno - 1] = changed
    return "".join(lines)


if sys.maxsize < 2**32:
    raise SystemExit(
        "flower-edge needs a 64-bit system, because onnxruntime has no 32-bit packages; on a Raspberry Pi 3, 4, 5 or "
        "Zero 2 W, install the 64-bit Raspberry Pi OS"
    )
setup(
    packages=[DISTRIBUTION, *(f"{DISTRIBUTION}.{name}" for name in FOUND)],
    package_dir={f"{DISTRIBUTION}.{name}": name for name in PACKAGES},
    cmdclass={"build_py": BuildInstalledNames, "editable_wheel": EditableWithFolderNames},
)
