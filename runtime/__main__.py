# PYTHON_ARGCOMPLETE_OK
"""``python -m runtime`` is ``flower-infer``."""

import signal
import sys

# Until the libraries are loaded, Ctrl-C ends the process at once, without a traceback from a half-loaded library. These
# lines stand before the other imports for that reason. A process that was started with Ctrl-C ignored (nohup, a
# background job of a shell) keeps ignoring it.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from runtime.command_line.flower_infer import main
from runtime.command_line.standard_streams import (
    reserve_standard_descriptors,
    silence_decoders,
    silence_loading,
)
from runtime.errors import debugging
from runtime.inference.memory_settings import reserve_little_memory


def run() -> int:
    """Run the command ``flower-infer`` and return its exit status."""
    reserve_standard_descriptors()
    reserve_little_memory()
    if debugging():
        return main(on_ready=enable_keyboard_interrupt)
    end_silence = silence_loading()

    def on_ready() -> None:
        end_silence()
        if "PIL" in sys.modules:  # it is, unless the command needs no photos
            silence_decoders()
        enable_keyboard_interrupt()

    return main(on_ready=on_ready)


def enable_keyboard_interrupt() -> None:
    """Make Ctrl-C raise `KeyboardInterrupt` from now on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(run())
