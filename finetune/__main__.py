"""``python -m finetune``."""

import sys

from runtime.commandline import needs_extra

if __name__ == "__main__":
    try:
        from finetune.cli import main
    except ModuleNotFoundError as error:
        sys.exit(needs_extra("finetune", error))
    sys.exit(main())
