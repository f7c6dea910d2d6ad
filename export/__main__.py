"""``python -m export``."""

import sys

from runtime.command_line.program import EXIT_INTERRUPTED, missing_package_message

if __name__ == "__main__":
    try:
        from export.command_line.main import main
    except ModuleNotFoundError as error:
        sys.exit(missing_package_message("export", error))
    except KeyboardInterrupt:  # while libraries load, which takes seconds
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(main())
