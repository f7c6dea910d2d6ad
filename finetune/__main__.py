# PYTHON_ARGCOMPLETE_OK
"""``python -m finetune``."""

import sys

from runtime.command_line.program import EXIT_INTERRUPTED, missing_package_message

if __name__ == "__main__":
    try:
        from finetune.command_line import main

        sys.exit(main())
    except ModuleNotFoundError as error:
        sys.exit(missing_package_message("finetune", error))
    except KeyboardInterrupt:  # Ctrl-C during imports, which take seconds
        sys.exit(EXIT_INTERRUPTED)
