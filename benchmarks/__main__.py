"""``python -m benchmarks``."""

import sys

from runtime.commandline import needs_extra

if __name__ == "__main__":
    try:
        from benchmarks.cli import main
    except ModuleNotFoundError as error:
        sys.exit(needs_extra("benchmarks", error))
    sys.exit(main())
