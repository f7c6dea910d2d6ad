"""``python -m runtime`` is ``flower-infer``."""

import signal
import sys

# Until the command line itself knows what to do on Ctrl-C, it ends the process, without Python's traceback. One that
# was started to ignore it (nohup, a shell's background) goes on ignoring it.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from runtime.cli import main


def run() -> int:
    """The command ``flower-infer``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(run())
