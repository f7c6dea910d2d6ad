"""``python -m finetune``."""

import sys

from runtime.commandline import EXIT_INTERRUPTED, needs_extra

if __name__ == "__main__":
    try:
        from finetune.cli import main
    except ModuleNotFoundError as error:
        sys.exit(needs_extra("finetune", error))
    except KeyboardInterrupt:  # while libraries load, which takes seconds
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(main())
