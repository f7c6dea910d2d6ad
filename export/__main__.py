"""``python -m export``."""

import sys

from runtime.commandline import needs_extra

if __name__ == "__main__":
    try:
        from export.cli import main
    except ModuleNotFoundError as error:
        sys.exit(needs_extra("export", error))
    sys.exit(main())
