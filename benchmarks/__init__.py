"""Measuring: accuracy, speed and robustness of checkpoints, model files and bundles, as reports that anyone can repeat.

>>> from benchmarks import run_suite
>>> report = run_suite("runtime", ["--data", "data", "--only", "cold"])  # doctest: +SKIP
>>> report.figures["cold"]["rows"], report.markdown  # doctest: +SKIP

The rooms, from low to high; a module imports from its own room and from lower ones only: `workers` (modules that run as
processes of their own), `core` (harness, statistics, rendering), `environments` (browser, emulators), `baselines` (what
to compare with), `fuzzing` (damaged inputs), `measurements`, `suites` (one module for each report), `command_line`.
"""

from typing import TYPE_CHECKING

# First, because importing runtime turns off onnxruntime's telemetry.
import runtime  # noqa: F401  (imported for this side effect)
from runtime.lazy_import import lazy_attributes

if TYPE_CHECKING:
    from benchmarks.command_line import run_suite
    from benchmarks.core.harness import Report

_LAZY = {"Report": ".core.harness", "run_suite": ".command_line"}
"""Modules that are imported at the first use of a name, because importing torch takes seconds."""


__getattr__ = lazy_attributes(__name__, _LAZY)


__all__ = ["Report", "run_suite"]
