"""``python -m runtime`` is ``flower-infer``."""

import signal
import sys

from runtime.command_line.flower_infer import main
from runtime.command_line.standard_streams import reserve_standard_descriptors, silence_libraries

# Until the work begins, which knows what to do on Ctrl-C, it ends the process, without a traceback of Python's or of a
# library that is being loaded. A process that was started to ignore it (nohup, a shell's background) goes on doing so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run() -> int:
    """The command ``flower-infer``."""
    reserve_standard_descriptors()
    silence_libraries()
    return main(ready=enable_keyboard_interrupt)


def enable_keyboard_interrupt() -> None:
    """From here on Ctrl-C is a `KeyboardInterrupt`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(run())
