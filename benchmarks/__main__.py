# PYTHON_ARGCOMPLETE_OK
"""``python -m benchmarks``."""

from runtime.command_line.program import run_package

if __name__ == "__main__":
    run_package(__package__)
