"""``python -m runtime`` is ``flower-infer``."""

import sys

from runtime.cli import main

sys.exit(main())
